# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of the nodes, in a file that libnss_wrapper reads instead of asking the name servers.

Sentinel and Redis ask for an address in the middle of their work. When a name server died with a node, each question stops them
for five seconds, just when they have to agree on a new primary. So a process of its own asks, and the last answer stays.

usage: python3 -m redis_node.names FILE NAME...
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from redis_node.processes import ChildProcess

ASK_INTERVAL = 0.5
#: What has the C library read the file, and what must not be set where the name servers are asked.
FILE_VARIABLE, PRELOAD_VARIABLE = "NSS_WRAPPER_HOSTS", "LD_PRELOAD"


class HostsFile:
    """The last known address of each name. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}

    def set(self, name: str, address: str) -> None:
        with self._lock:
            if self._addresses.get(name) == address:
                return
            self._addresses[name] = address
            new = self._path.with_suffix(".new")
            new.write_text("".join(f"{known} {name}\n" for name, known in self._addresses.items()), encoding="utf-8")
            if self._path.exists():
                # The library takes a file of the same second for the same file.
                later = int(self._path.stat().st_mtime) + 1
                os.utime(new, (later, later))
            new.replace(self._path)


def follow(name: str, file: HostsFile, stop: threading.Event, ask: Callable[[str], str | None]) -> None:
    """Write down every address that the name gets."""
    while True:
        address = ask(name)
        if address:
            file.set(name, address)
        if stop.wait(ASK_INTERVAL):
            return


def address_of(name: str) -> str | None:
    """What the name servers say now; None when they say nothing."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return None
    # The same address each time, IPv4 if there is one, as the proxies prefer it.
    families = sorted({(family != socket.AF_INET, str(place[0])) for family, _type, _number, _text, place in answers})
    return families[0][1]


class Names:
    """The process that asks; nothing where the C library is not told to read the file."""

    def __init__(self, hosts: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._hosts = hosts
        self._file = environment.get(FILE_VARIABLE, "")
        self._environment = {key: value for key, value in environment.items() if key != PRELOAD_VARIABLE}
        self._process = ChildProcess("names")

    def keep_running(self) -> None:
        if self._file and self._process.due():
            Path(self._file).touch()
            command = [sys.executable, "-m", "redis_node.names", self._file, *self._hosts]
            self._process.start(*command, environment=self._environment)

    def stop(self) -> None:
        self._process.stop()


def main() -> None:
    path, *names = sys.argv[1:]
    file, stop = HostsFile(Path(path)), threading.Event()
    threads = [threading.Thread(target=follow, args=(name, file, stop, address_of)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
