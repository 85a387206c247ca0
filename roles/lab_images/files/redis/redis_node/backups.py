# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups by the clock, exports and imports of databases: one at a time of each database, and what became of the last of each kind."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis_node import object_store
from redis_node.database import Database, RequestError
from redis_node.datasets import DatasetError, Datasets
from redis_node.object_store import Location, ObjectStoreError, Service

logger = logging.getLogger(__name__)

BACKUP, EXPORT, IMPORT = "backup", "export", "import"
RUNNING = {BACKUP: "exporting", EXPORT: "exporting", IMPORT: "importing"}
SUCCEEDED, FAILED = "succeeded", "failed"
LOOK_INTERVAL = 1.0
#: The vendor looks every five minutes whether a backup is due, or one that failed is to be tried again.
RETRY_SECONDS = 20.0
LONGEST_NAME = 30


class Backups:
    """Of the databases of a cluster. Its methods may be called from any thread."""

    def __init__(self, datasets: Datasets, directory: Path, scratch: Path) -> None:
        self._datasets = datasets
        self._file = directory / "backups.json"
        self._scratch = scratch
        self._lock = threading.RLock()
        stored = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        #: By UID. Whoever waits for what was in the middle when a process ended is told; a backup is due again.
        self._known: dict[str, dict[str, Any]] = stored
        for known in self._known.values():
            for kind, running in RUNNING.items():
                if known.get(f"{kind}_status") == running:
                    ended = "idle" if kind == BACKUP else FAILED
                    reason = "" if kind == BACKUP else object_store.GENERAL
                    known |= {f"{kind}_status": ended, f"{kind}_failure_reason": reason}
        self._busy: dict[int, str] = {}
        #: When the last backup was begun, and where to.
        self._tried: dict[int, tuple[float, Mapping[str, Any] | None]] = {}
        self.service = Service()

    def start(self, databases: Callable[[], list[Database]], stopping: threading.Event) -> None:
        """Make backups when they are due."""

        def watch() -> None:
            while not stopping.wait(LOOK_INTERVAL):
                for database in databases():
                    if self.due(database, datetime.now(UTC)):
                        self._begin_backup(database)

        threading.Thread(target=watch, name="backups", daemon=True).start()

    def due(self, database: Database, now: datetime) -> bool:
        """Whether it is time for a backup: the first one at once, which shows that they can be made."""
        with self._lock:
            if not database.backup or database.uid in self._busy:
                return False
            known = self._known.get(str(database.uid), {})
            if known.get("backup_status") == FAILED:
                begun, place = self._tried.get(database.uid, (-RETRY_SECONDS, None))
                return place != database.backup_location or time.monotonic() - begun >= RETRY_SECONDS
            last = known.get("last_backup_time")
        if not last:
            return True
        return (now - datetime.fromisoformat(last)).total_seconds() >= database.backup_interval

    def export(self, database: Database, body: Mapping[str, Any]) -> dict[str, Any]:
        location = Location.from_request(body.get("export_location"))
        self._begin(database, EXPORT, lambda: self._store(database, EXPORT, location))
        return {}

    def load(self, database: Database, body: Mapping[str, Any]) -> dict[str, Any]:
        """Import: what was in the database is gone then."""
        sources = body.get("dataset_import_sources")
        if not isinstance(sources, list) or len(sources) != 1:
            raise RequestError(400, "invalid_schema", "dataset_import_sources: this node imports one file")
        location, name = Location.from_request(sources[0]), str(sources[0].get("filename") or "")
        if not name:
            raise RequestError(400, "missing_fields", "filename of the source is missing")
        self._begin(database, IMPORT, lambda: self._fetch(database, location, name))
        return {}

    def reset(self, database: Database, kind: str) -> dict[str, Any]:
        """Forget how the last one ended."""
        with self._lock:
            if database.uid in self._busy:
                raise RequestError(409, "db_busy", f"database {database.name!r} is busy: {self._busy[database.uid]}")
            self._note(database, kind, status="idle", failure_reason="")
        return {}

    def answer(self, database: Database) -> dict[str, Any]:
        """What GET says of them."""
        with self._lock:
            return dict(self._known.get(str(database.uid), {}))

    def importing(self, database: Database) -> bool:
        with self._lock:
            return self._busy.get(database.uid) == IMPORT

    def forget(self, uid: int) -> None:
        with self._lock:
            self._known.pop(str(uid), None)
            self._save()

    def _begin_backup(self, database: Database) -> None:
        if self._datasets.keys(database) is None:
            # Its primary starts, or changes.
            return
        self._tried[database.uid] = time.monotonic(), database.backup_location
        try:
            location = Location.from_request(database.backup_location)
            self._begin(database, BACKUP, lambda: self._store(database, BACKUP, location))
        except RequestError as error:
            logger.info("no backup of database %s now: %s", database.name, error)

    def _begin(self, database: Database, kind: str, work: Callable[[], None]) -> None:
        with self._lock:
            if database.uid in self._busy:
                raise RequestError(409, "db_busy", f"database {database.name!r} is busy: {self._busy[database.uid]}")
            self._busy[database.uid] = kind
            self._note(database, kind, status=RUNNING[kind], progress=0, failure_reason="")

        def run() -> None:
            reason = object_store.GENERAL
            try:
                work()
                reason = ""
            except (ObjectStoreError, DatasetError) as error:
                reason = error.reason
                logger.warning("%s of database %s failed: %s", kind, database.name, error)
            finally:
                with self._lock:
                    del self._busy[database.uid]
                    ended = {"status": FAILED, "failure_reason": reason} if reason else {"status": SUCCEEDED}
                    self._note(database, kind, progress=100 if not reason else 0, **ended)

        threading.Thread(target=run, name=f"{kind} {database.name}", daemon=True).start()

    def _store(self, database: Database, kind: str, location: Location) -> None:
        begun = datetime.now(UTC)
        file = self._scratch / f"{kind}-{database.uid}.rdb.gz"
        try:
            self._datasets.dump(database, file)
            self._note(database, kind, progress=50)
            object_store.put(self.service, location, file_name(database, begun), file)
        finally:
            file.unlink(missing_ok=True)
        with self._lock:
            # What was written after it began is not in it.
            self._known.setdefault(str(database.uid), {})[f"last_{kind}_time"] = begun.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _fetch(self, database: Database, location: Location, name: str) -> None:
        file = self._scratch / f"import-{database.uid}.rdb"
        try:
            try:
                object_store.fetch(self.service, location, name, file)
            except ObjectStoreError as error:
                raise ObjectStoreError("download-error", str(error)) from error
            self._note(database, IMPORT, progress=25)
            self._datasets.load(database, file, lambda percent: self._note(database, IMPORT, progress=percent))
        finally:
            file.unlink(missing_ok=True)

    def _note(self, database: Database, kind: str, **facts: Any) -> None:
        with self._lock:
            known = self._known.setdefault(str(database.uid), {})
            known |= {f"{kind}_{name}": value for name, value in facts.items()}
            self._save()

    def _save(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
        new.replace(self._file)


def file_name(database: Database, begun: datetime) -> str:
    """One shard, and it has all slots."""
    return f"{database.name[:LONGEST_NAME]}-{begun:%Y-%m-%dT%H%M%SZ}-1_of_1-0-16383.rdb.gz"
