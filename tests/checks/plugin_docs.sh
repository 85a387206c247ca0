#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-doc renders every plugin and every role of the collection; a warning or a plugin that cannot be found fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
document() { # TYPE NAME
  local output
  if ! output=$(ansible-doc -t "$1" "azora.platform.$2" 2>&1 >/dev/null) || [ -n "$output" ]; then
    echo "ansible-doc -t $1 azora.platform.$2: ${output:-failed}"
    return 1
  fi
}
export -f document
documented=()
for type in module filter callback; do
  directory=plugins/$type
  [ "$type" = module ] && directory=plugins/modules
  for plugin in "$directory"/[a-z]*.py; do
    documented+=("$type" "$(basename "$plugin" .py)")
  done
done
for role in roles/*/; do
  documented+=(role "$(basename "$role")")
done
# One at a time would take as many seconds as there are.
printf '%s\0' "${documented[@]}" | xargs -0 -n 2 -P "$(nproc)" bash -c 'document "$@"' document
echo "ansible-doc: $((${#documented[@]} / 2)) plugins and roles rendered"
