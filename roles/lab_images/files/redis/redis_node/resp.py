# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redis protocol over a Unix socket or TCP, with TLS or without, as much of it as the agent needs."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

Reply = str | int | list["Reply"] | None


class RedisError(Exception):
    """An error reply."""


class RedisConnection:
    """One connection; a context manager."""

    def __init__(
        self,
        place: Path | tuple[str, int],
        password: str,
        timeout: float = 2,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if isinstance(place, Path):
            self._socket = socket.socket(socket.AF_UNIX)
        else:
            self._socket = socket.create_connection(place, timeout)
        self._socket.settimeout(timeout)
        try:
            if isinstance(place, Path):
                self._socket.connect(str(place))
            elif tls:
                self._socket = tls.wrap_socket(self._socket, server_hostname=place[0])
            self._reader: BinaryIO = self._socket.makefile("rb")
            if password:
                self.command("AUTH", password)
        except BaseException:
            self._socket.close()
            raise

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
