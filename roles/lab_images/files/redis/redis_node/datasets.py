# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole content of a database, out of it into a file and out of a file into it, wherever its primary runs."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis_node.database import MODULES, Database, quoted
from redis_node.node import Node
from redis_node.redis_server import information
from redis_node.resp import RedisConnection, RedisError

#: Where the process listens that holds a dataset while the primary takes it over.
SOURCE_PORT_OFFSET = 30000
DUMP_TIMEOUT = 600
LOAD_TIMEOUT = 300.0
#: A replicated primary that follows another server for longer is replaced: Sentinel takes it for lost after some 22 s.
TAKE_OVER_TIMEOUT = 15.0
SETTLE_TIMEOUT = 30.0
GZIP_MAGIC, RDB_MAGIC = b"\x1f\x8b", b"REDIS"


class DatasetError(Exception):
    """It was not exported or imported; `reason` is the vendor's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Datasets:
    """Of the databases of one cluster, as the first node reaches them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._runtime = node.settings.runtime

    def keys(self, database: Database) -> int | None:
        """How many keys there are; None when the primary does not answer."""
        figures = information(self._primary(database), database)
        if figures.get("role") != "master":
            return None
        keyspace = figures.get("db0", "keys=0")
        return int(dict(part.split("=") for part in keyspace.split(","))["keys"])

    def dump(self, database: Database, file: Path) -> None:
        """Write a compressed RDB file: the primary saves in the background, and sends what it saves as to a replica."""
        place = self._primary(database)
        where = ["-s", str(place)] if isinstance(place, Path) else ["-h", place[0], "-p", str(place[1])]
        plain = file.with_suffix(".plain")
        try:
            finished = subprocess.run(
                ["redis-cli", *where, "--rdb", str(plain)],
                env={**os.environ, "REDISCLI_AUTH": database.authentication_redis_pass},
                capture_output=True,
                text=True,
                timeout=DUMP_TIMEOUT,
                check=False,
            )
            with contextlib.suppress(FileNotFoundError), plain.open("rb") as content:
                whole = content.read(len(RDB_MAGIC)) == RDB_MAGIC
                if finished.returncode == 0 and whole:
                    content.seek(0)
                    with gzip.open(file, "wb") as packed:
                        shutil.copyfileobj(content, packed)
                    return
            words = (finished.stderr or finished.stdout).strip().splitlines()
            raise DatasetError("general-error", words[-1] if words else f"redis-cli ended with {finished.returncode}")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DatasetError("general-error", str(error)) from error
        finally:
            plain.unlink(missing_ok=True)

    def load(self, database: Database, file: Path, progress: Callable[[float], None]) -> None:
        """Replace the content of the database by that of an RDB file, compressed or not."""
        directory = self._runtime / f"import-{database.uid}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            _unpack(file, directory / "dump.rdb")
            with self._source(database, directory) as address:
                progress(50)
                self._take_over(database, address)
                progress(80)
            self._settle(database)
        except (OSError, RedisError) as error:
            raise DatasetError("general-error", str(error)) from error
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _primary(self, database: Database) -> Path | tuple[str, int]:
        members = self._node.settings.members
        if not members.several:
            return self._runtime / f"bdb-{database.uid}.sock"
        return members.hosts[self._node.primary(database)], database.inner_port

    @contextlib.contextmanager
    def _source(self, database: Database, directory: Path) -> Iterator[tuple[str, int]]:
        """A redis-server with nothing but the file, for as long as the primary copies it."""
        members, password = self._node.settings.members, quoted(database.authentication_redis_pass)
        address = (members.host if members.several else "127.0.0.1", database.port + SOURCE_PORT_OFFSET)
        lines = [
            f"bind {address[0] if members.listen != '*' or not members.several else '* -::*'}",
            f"port {address[1]}",
            f"dir {directory}",
            "dbfilename dump.rdb\nprotected-mode no\ndaemonize no\ndatabases 1",
            'save ""\nrepl-diskless-sync-delay 0',
            f"requirepass {password}",
            *(f"loadmodule {MODULES[name]}" for name in database.module_list),
        ]
        configuration = directory / "source.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        process = subprocess.Popen(["redis-server", str(configuration)])
        try:
            self._wait_loaded(database, address, process)
            yield address
        finally:
            process.kill()
            process.wait()

    def _wait_loaded(self, database: Database, address: tuple[str, int], process: subprocess.Popen[Any]) -> None:
        deadline = time.monotonic() + LOAD_TIMEOUT
        while True:
            if process.poll() is not None:
                raise DatasetError("file-corrupted", "redis-server does not read the file")
            figures = information(address, database)
            if figures.get("loading") == "0":
                break
            if time.monotonic() > deadline:
                raise DatasetError("general-error", f"the file was not read in {LOAD_TIMEOUT:g} s")
            time.sleep(0.1)
        used, limit = int(figures["used_memory"]), database.memory_of_a_copy
        if used > limit:
            raise DatasetError(f"file-larger-than-mem-limit:{used}:{limit}", f"it needs {used} of {limit} bytes")

    def _take_over(self, database: Database, source: tuple[str, int]) -> None:
        """Let the primary follow the source until it has everything; its own replicas follow the primary meanwhile."""
        place = self._primary(database)
        with RedisConnection(place, database.authentication_redis_pass) as redis:
            redis.command("REPLICAOF", source[0], str(source[1]))
            try:
                patience = TAKE_OVER_TIMEOUT if len(database.copies) > 1 else LOAD_TIMEOUT
                deadline = time.monotonic() + patience
                while not _is_copy(information(place, database), source):
                    if time.monotonic() > deadline:
                        reason = f"the primary did not take it over in {patience:g} s"
                        raise DatasetError("general-error", reason)
                    time.sleep(0.1)
            finally:
                self._lead_again(redis)

    @staticmethod
    def _lead_again(redis: RedisConnection) -> None:
        """Whatever came of it; a server that still reads a dataset says so until it is done."""
        deadline = time.monotonic() + LOAD_TIMEOUT
        while True:
            try:
                redis.command("REPLICAOF", "NO", "ONE")
                return
            except RedisError as error:
                if not str(error).startswith("LOADING") or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _settle(self, database: Database) -> None:
        """Until clients reach it again and its replicas have it, too; if that takes long, it is not the import's fault."""
        deadline = time.monotonic() + SETTLE_TIMEOUT
        while time.monotonic() < deadline:
            figures = information(self._primary(database), database)
            whole = int(figures.get("connected_slaves", "-1")) >= len(database.copies) - 1
            if whole and self._node.serves(database):
                return
            time.sleep(0.1)


def _is_copy(figures: dict[str, str], source: tuple[str, int]) -> bool:
    return (
        figures.get("master_port") == str(source[1])
        and figures.get("master_link_status") == "up"
        and figures.get("master_sync_in_progress") == "0"
        and figures.get("loading") == "0"
    )


def _unpack(file: Path, target: Path) -> None:
    with file.open("rb") as content:
        packed = content.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    try:
        with file.open("rb") as content, target.open("wb") as plain:
            shutil.copyfileobj(gzip.GzipFile(fileobj=content) if packed else content, plain)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError("file-corrupted", str(error)) from error
    with target.open("rb") as plain:
        if plain.read(len(RDB_MAGIC)) != RDB_MAGIC:
            raise DatasetError("file-corrupted", "it is no RDB file")
