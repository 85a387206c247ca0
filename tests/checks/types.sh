#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy over the collection under its own name, then over each program of the lab's images, which have roots of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
(
  cd .collections
  MYPYPATH=$PWD mypy --config-file "$top/pyproject.toml" --cache-dir "$top/.mypy_cache" \
    ansible_collections/azora/platform/plugins
)
for program in roles/lab_images/files/*/ roles/lab_outside/files/; do
  if [ -n "$(find "$program" -name '*.py' -print -quit)" ]; then
    (cd "$program" && mypy --config-file "$top/pyproject.toml" --cache-dir "$top/.mypy_cache" .)
  fi
done
