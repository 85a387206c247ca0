#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints every further supported Python (3.12, 3.13) of this machine: on PATH, or kept by pyenv without being selected.
for version in 3.12 3.13; do
  for candidate in "$(command -v "python$version")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
    if [ -x "$candidate" ] && "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "$candidate"
      break
    fi
  done
done
