#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The unit tests, and those of the collection itself beside them on other Pythons, each in an environment of its own.
# Usage: unit.sh CACHE [PYTHON ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$1
shift
# What the lab's images run has one Python, theirs; what Ansible, AWX's modules or a browser do as programs of their own is the same with each.
one_python=(
  tests/unit/images tests/unit/lab_operators tests/unit/documentation tests/unit/progress
  tests/unit/awx/test_controller.py tests/unit/verify/test_browser.py tests/unit/verify/test_report_page_in_browser.py
)
logs=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$logs"' EXIT
declare -A running=()
for python in "$@"; do
  environment=$(tests/checks/venv.sh "$python" "$cache")
  name=$("$environment/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$environment/bin/python" -m pytest -p no:cacheprovider "${one_python[@]/#/--ignore=}" >"$logs/$name" 2>&1 &
  running[$name]=$!
done
status=0
pytest || status=$?
for name in "${!running[@]}"; do
  if wait "${running[$name]}"; then
    echo "Python $name: $(tail -n 1 "$logs/$name")"
  else
    status=1
    echo "Python $name:"
    cat "$logs/$name"
  fi
done
exit "$status"
