#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the newest supported Python beside 3.11 that this machine has, on PATH, or kept by pyenv without being selected: what holds on the oldest
# and on the newest holds between them, and ansible-test sanity compiles everything for each.
for version in 3.13 3.12; do
  for candidate in "$(command -v "python$version")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
    if [ -x "$candidate" ] && "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "$candidate"
      exit
    fi
  done
done
