# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the write-ahead log's volume has room for one more file of it.

The vendor's instance manager looks before it starts PostgreSQL and when that has ended, and ends with a code that its operator
knows (https://cloudnative-pg.io/documentation/1.30/instance_manager/#disk-full-failure).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import subprocess
from pathlib import Path

import psycopg

from postgres_instance.configuration import Places

logger = logging.getLogger(__name__)

#: MissingWALDiskSpaceExitCode of the vendor's API (api/v1/cluster_types.go).
NO_ROOM = 4
PROBE = "_cnpg_probe_"
FULL = (errno.ENOSPC, errno.EDQUOT)


class NoRoomError(Exception):
    """There is no room for one more file of the log; the message says where and how much it takes."""


def check_room(places: Places) -> None:
    """Raises NoRoomError. What cannot be found out keeps no server from starting, as the vendor has it."""
    log = places.data / "pg_wal"
    # The control file comes last when a standby copies its data: before that there is no log yet.
    if not (places.data / "global" / "pg_control").exists():
        return
    try:
        size = segment_size(places)
        room = has_room(log, size)
    except (OSError, subprocess.CalledProcessError) as error:
        logger.warning("cannot find out whether %s has room: %s", log, error)
        return
    if not room:
        raise NoRoomError(
            f"no free disk space for WALs: {log.resolve()} has no room for one more file of {size >> 20} MB"
        )


def has_room(folder: Path, size: int) -> bool:
    """By taking it: what a file system calls free is not always to be had."""
    probe = folder / PROBE
    try:
        with probe.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in FULL:
            return False
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            probe.unlink()
    return True


def segment_size(places: Places) -> int:
    """Bytes of one file of the log, as the control file has it."""
    command = ["pg_controldata", str(places.data)]
    words = subprocess.run(
        command, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}, text=True, check=True
    ).stdout
    return next(int(line.rsplit(":", 1)[1]) for line in words.splitlines() if line.startswith("Bytes per WAL segment:"))


def is_down(places: Places) -> bool:
    """Whether no server answers at all; one that is starting or has no connection left does answer."""
    answer = psycopg.pq.PGconn.ping(f"host={places.sockets} connect_timeout=3".encode())
    return answer == psycopg.pq.Ping.NO_RESPONSE
