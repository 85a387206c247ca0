#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the site of the documentation into build/docs: the pages of this checkout and the reference of every plugin and role. A warning fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
export ANSIBLE_CONFIG=$PWD/ansible.cfg AZORA_CHECKOUT=$PWD
source=build/docs-source
rm -rf "$source" build/docs
mkdir -p "$source"
# The pages keep their places, so that their links lead where they lead in the repository.
cp README.md CONTRIBUTING.md CHANGELOG.rst docs/docsite/conf.py docs/docsite/index.rst "$source"
cp --parents docs/*.md docs/images/* roles/*/README.md "$source"
antsibull-docs collection --use-current --fail-on-error --no-add-antsibull-docs-version --cleanup everything --dest-dir "$source" azora.platform
sphinx-build -W --keep-going -q -j auto -b html "$source" build/docs
echo "build/docs/index.html: $(find build/docs -name '*.html' | wc -l) pages"
