# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redis protocol over a Unix socket, as much of it as the agent needs."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

Reply = str | int | list["Reply"] | None


class RedisError(Exception):
    """An error reply."""


class RedisConnection:
    """One connection; a context manager."""

    def __init__(self, path: Path, password: str, timeout: float = 2) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._reader: BinaryIO = self._socket.makefile("rb")
        if password:
            self.command("AUTH", password)

    def __enter__(self) -> RedisConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()
        self._socket.close()

    def command(self, *words: str) -> Reply:
        """Send one command and read its reply."""
        parts = [word.encode() for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(request)
        return self._reply()

    def _reply(self) -> Reply:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self._reader.read(size + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self._reply() for _item in range(int(rest))]
        raise ConnectionError(f"not a reply: {line!r}")
