#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity of the oldest and the newest supported ansible-core, each in an environment of its own with the collections of its ansible.
# Usage: sanity_cores.sh CACHE OLDEST_PYTHON NEWEST_PYTHON
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$1
status=0
check() { # ANSIBLE PYTHON: ansible 11 comes with ansible-core 2.18, 14 with 2.21
  local environment
  environment=$cache/venv/ansible-$1-$("$2" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ ! -e "$environment/ready" ]; then
    uv venv --quiet --clear --python "$2" "$environment"
    uv pip install --quiet --python "$environment/bin/python" "ansible>=$1,<$(($1 + 1))" kubernetes
    touch "$environment/ready"
  fi
  PATH=$environment/bin:$PATH ansible --version | sed -n 1p
  PATH=$environment/bin:$PATH tests/checks/sanity.sh "$cache" || status=1
}
check 11 "$2"
check 14 "$3"
exit "$status"
