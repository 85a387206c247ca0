# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks measure: the code of this checkout, under the name of the collection."""

from __future__ import annotations

import atexit
import functools
import importlib
import pathlib
import shutil
import sys
import tempfile
from typing import Any

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]


@functools.cache
def _link() -> None:
    folder = tempfile.mkdtemp(prefix="azora-benchmark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = pathlib.Path(folder) / "ansible_collections" / "azora"
    root.mkdir(parents=True)
    (root / "platform").symlink_to(CHECKOUT, target_is_directory=True)
    sys.path.insert(0, str(root.parents[1]))


def module_utils(name: str) -> Any:
    """A module of plugins/module_utils."""
    return _plugin(f"module_utils.{name}")


def default_options(module: str) -> dict[str, Any]:
    """The options of a module of plugins/modules, as they are if nobody says anything."""
    return {name: option.get("default") for name, option in _plugin(f"modules.{module}").OPTIONS.items()}


def _plugin(name: str) -> Any:
    _link()
    return importlib.import_module(f"ansible_collections.azora.platform.plugins.{name}")
