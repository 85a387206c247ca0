#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-doc renders every plugin and every role of the collection; a warning or a plugin that cannot be found fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
document() { # TYPE NAME
  local output
  if ! output=$(ansible-doc -t "$1" "azora.platform.$2" 2>&1 >/dev/null) || [ -n "$output" ]; then
    echo "ansible-doc -t $1 azora.platform.$2: ${output:-failed}"
    status=1
  fi
}
count=0
for type in module filter callback; do
  directory=plugins/$type
  [ "$type" = module ] && directory=plugins/modules
  for plugin in "$directory"/[a-z]*.py "$directory"/[a-z]*.yml; do
    [ -e "$plugin" ] || continue
    name=$(basename "${plugin%.*}")
    document "$type" "$name"
    count=$((count + 1))
  done
done
for role in roles/*/; do
  document role "$(basename "$role")"
  count=$((count + 1))
done
[ "$status" = 0 ] && echo "ansible-doc: $count plugins and roles rendered"
exit "$status"
