#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs ansible-test sanity on a copy of the tracked files: ansible-test wants the tree at .../ansible_collections/azora/platform
# (a symbolic link will not do) and, in a git checkout, looks only at tracked files.
set -euo pipefail
cache=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/ansible_collections/azora/platform
mkdir -p "$tree"
git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
  tar --null --files-from=- -cf - | tar -C "$tree" -xf -
if compgen -G "$tree/tests/sanity/ignore*" >/dev/null; then
  echo "tests/sanity/ignore* must not exist: sanity passes without it." >&2
  exit 1
fi
git -C "$tree" init --quiet && git -C "$tree" add --all

# ansible-test keeps its environments in the home folder; a home in the cache keeps them apart from the user's.
export HOME=$cache/ansible-test
mkdir -p "$HOME/.ansible/test/cache"
# It would download get-pip from a host that is no package registry; this stands in for it. The version is the one ansible-test asks for.
version=$(python - <<'P'
import pathlib, re, ansible_test
source = (pathlib.Path(ansible_test.__path__[0]) / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
print(re.search(r"\bpip=['\"]([0-9.]+)['\"]", source)[1].replace(".", "_"))
P
)
cp tests/checks/get_pip.py "$HOME/.ansible/test/cache/get_pip_$version.py"
cd "$tree"
ansible-test sanity --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color yes
