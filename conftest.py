# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the checkout importable as ansible_collections.azora.platform, wherever it was cloned to."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import tempfile

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder


def _install_collection_finder() -> None:
    """Ansible finds a collection only under .../ansible_collections/NAMESPACE/NAME, so link the checkout there."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="azora-collections-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "azora"
    namespace.mkdir(parents=True)
    (namespace / "platform").symlink_to(pathlib.Path(__file__).resolve().parent, target_is_directory=True)
    _AnsibleCollectionFinder(paths=[str(root)])._install()


_install_collection_finder()
