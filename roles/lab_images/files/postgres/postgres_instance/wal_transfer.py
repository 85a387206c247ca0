# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's archive_command and restore_command: one file of the write-ahead log, to or from the object store.

usage: python3 -m postgres_instance.wal_transfer archive PATH
       python3 -m postgres_instance.wal_transfer restore NAME PATH
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

from postgres_instance.configuration import Places
from postgres_instance.object_store import ObjectStore, ObjectStoreError, environment, run_tool

#: Only this ends the recovery instead of looking like the end of the archive
#: (https://www.postgresql.org/docs/17/runtime-config-wal.html#GUC-RESTORE-COMMAND).
ABORT = 255
#: barman-cloud-wal-restore: there is no such file.
ABSENT = 1


def archive(places: Places, path: str) -> int:
    """0 when the file is in the object store. Why it is not is written down for the operator."""
    store = ObjectStore.parse(json.loads(places.object_stores.read_text(encoding="utf-8"))["archive"])
    if store is None:
        return 0
    try:
        if places.empty_archive_check.exists():
            run_tool(store.check_empty(), places.archive_credentials)
            places.empty_archive_check.unlink()
        run_tool(store.archive_wal(path), places.archive_credentials)
    except ObjectStoreError as error:
        reason = explained(error, store, places)
        print(reason, file=sys.stderr)
        places.archive_failure.write_text(str(reason), encoding="utf-8")
        return 1
    with contextlib.suppress(FileNotFoundError):
        places.archive_failure.unlink()
    return 0


def explained(error: ObjectStoreError, store: ObjectStore, places: Places) -> ObjectStoreError:
    """A server may cut off an upload that it refuses, and only a short request is told why."""
    try:
        run_tool(store.list_backups(), places.archive_credentials)
    except ObjectStoreError as plainer:
        return plainer
    return error


def restore(places: Places, name: str, path: str) -> int:
    """0 when the file is there, 1 when the archive has none of that name."""
    store = ObjectStore.parse(json.loads(places.object_stores.read_text(encoding="utf-8"))["source"])
    if store is None:
        return ABSENT
    variables = environment(places.source_credentials, os.environ)
    code = subprocess.run(store.restore_wal(name, path), env=variables, check=False).returncode
    # A network that fails must not look like the end of the log: the recovery would end there.
    return code if code in (0, ABSENT) else ABORT


def main(arguments: list[str]) -> int:
    match arguments:
        case ["archive", path]:
            return archive(Places(), path)
        case ["restore", name, path]:
            return restore(Places(), name, path)
    print(__doc__, file=sys.stderr)
    return ABORT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
