#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection and imports it as Galaxy does. Galaxy only shows warnings; here they fail.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ansible-galaxy collection build --force --output-path "$work" . >/dev/null
artifact=$(ls "$work"/azora-platform-*.tar.gz)
cd "$work"
python -m galaxy_importer.main "$artifact" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
if grep -E 'WARNING|ERROR' "$work/log"; then
  echo "galaxy-importer found the above in $(basename "$artifact")."
  exit 1
fi
echo "galaxy-importer: $(basename "$artifact") ($(stat -c %s "$artifact" | numfmt --to=iec)) passes"
