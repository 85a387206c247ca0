#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the virtual environment of PYTHON with the pinned tools; makes it in CACHE when it is not there yet.
set -euo pipefail
python=$1 cache=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "Python 3.11 or newer is needed; \"$python\" is not: set PYTHON to one (make PYTHON=python3.12 …)." >&2
  exit 1
}
cd "$(dirname "$0")/../.."
environment=$cache/venv/$({ "$python" --version; cat requirements/development.txt; } | sha256sum | cut -c1-12)
if [ ! -e "$environment/ready" ]; then
  echo "Setting up $("$python" --version) with the pinned tools in $environment" >&2
  rm -rf "$environment"
  "$python" -m venv "$environment" || {
    echo "The Python module venv does not work here: install it (on Debian the package python3-venv)." >&2
    exit 1
  }
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "uv==0.13.9" >&2
  # Links into the package cache make the second environment of a machine cheap; uv copies where links are not possible.
  "$environment/bin/uv" pip install --quiet --python "$environment/bin/python" -r requirements/development.txt >&2
  touch "$environment/ready"
fi
echo "$environment"
