# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base backups that the operator asks this instance for: one at a time, in a thread, until the instance ends."""

from __future__ import annotations

import logging
import threading
from typing import Any

from postgres_instance.configuration import Places
from postgres_instance.object_store import ObjectStore, ObjectStoreError, backups_of, run_tool

logger = logging.getLogger(__name__)


class BusyError(Exception):
    """Another backup is under way."""


class BaseBackups:
    """Makes backups and remembers what became of them."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, Any]] = {}

    def start(self, name: str, store: ObjectStore) -> None:
        """Begin, unless a backup of this name was begun already."""
        with self._lock:
            if name in self._states:
                return
            if any(state["phase"] == "running" for state in self._states.values()):
                raise BusyError("this instance makes another backup")
            self._states[name] = {"phase": "running"}
        threading.Thread(target=self._make, args=(name, store), name=f"backup {name}", daemon=True).start()

    def state(self, name: str) -> dict[str, Any]:
        """phase: unknown, running, completed (with `backup` and `window`) or failed (with `error`)."""
        return self._states.get(name, {"phase": "unknown"})

    def _make(self, name: str, store: ObjectStore) -> None:
        credentials = self._places.archive_credentials
        try:
            run_tool(store.back_up(name, self._places.sockets), credentials)
            if store.retention:
                run_tool(store.delete_obsolete(), credentials)
            result = finished_backup(name, backups_of(run_tool(store.list_backups(), credentials)))
        except (ObjectStoreError, OSError, ValueError, LookupError) as error:
            logger.exception("backup %s failed", name)
            self._states[name] = {"phase": "failed", "error": str(error)}
        else:
            logger.info("backup %s is %s", name, result["backup"]["id"])
            self._states[name] = {"phase": "completed", **result}


def finished_backup(name: str, backups: list[dict[str, Any]]) -> dict[str, Any]:
    """The backup of this name, and since when the server can be recovered; LookupError when it is not in the list."""
    mine = [one for one in backups if one.get("backup_name") == name]
    if not mine:
        raise LookupError(f"no backup {name} is in the object store")
    last = mine[-1]
    return {
        "backup": {
            "id": last["backup_id"],
            "begin_wal": last["begin_wal"],
            "end_wal": last["end_wal"],
            "begin_lsn": last["begin_xlog"],
            "end_lsn": last["end_xlog"],
            "started_at": last["begin_time_iso"],
            "stopped_at": last["end_time_iso"],
        },
        "window": {"first": backups[0]["end_time_iso"], "last": backups[-1]["end_time_iso"]},
    }
