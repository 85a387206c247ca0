# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy: every node listens on every database's port and passes connections to where the primary is."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from redis_node.database import Database
from redis_node.members import Members
from redis_node.processes import ChildProcess

HEAD = """\
global
    log stdout format raw daemon notice
    maxconn 2000
    nbthread 1
    # A worker of an earlier configuration does not check servers any more; it may not keep clients for long.
    hard-stop-after 10s

defaults
    mode tcp
    log global
    retries 1
    timeout connect 2s
    timeout check 1s
    # Redis itself lets its clients be silent.
    timeout client 24h
    timeout server 24h
    option clitcpka
    option srvtcpka
"""
RESOLVERS = """
# Pods come back with other addresses. Until a name server says another one, the last one stays.
resolvers cluster
    parse-resolv-conf
    resolve_retries 3
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
    hold nx 24h
    hold refused 24h
    hold timeout 24h
    hold other 24h
    hold obsolete 24h
"""


def configuration(members: Members, databases: Iterable[Database]) -> str:
    """The file HAProxy starts with. Which server is the primary it finds out by asking each of them."""
    named = not all(host.replace(".", "").isdigit() for host in members.hosts)
    parts = [HEAD, *([RESOLVERS] if named else [])]
    resolving = " resolvers cluster resolve-prefer ipv4 init-addr last,libc,none" if named else ""
    for database in databases:
        lines = ["", f"listen bdb-{database.uid}", f"    bind {members.listen}:{database.port}", "    option tcp-check"]
        lines.append(f"    tcp-check connect port {database.inner_port}")
        if database.authentication_redis_pass:
            lines += _exchange(("AUTH", database.authentication_redis_pass), "+OK")
        # A server that is still reading its data answers ROLE, but not PING.
        lines += _exchange(("PING",), "+PONG")
        lines += _exchange(("ROLE",), "master")
        lines.append("    default-server inter 1s fastinter 300ms downinter 500ms fall 2 rise 1")
        port = database.inner_tls_port if database.tls else database.inner_port
        lines += [
            f"    server node-{number} {members.hosts[number]}:{port} check on-marked-down shutdown-sessions{resolving}"
            for number in database.copies
        ]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def _exchange(words: tuple[str, ...], expected: str) -> list[str]:
    # As hexadecimal digits, so that a password may hold anything.
    parts = [word.encode() for word in words]
    request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    return [f"    tcp-check send-binary {request.hex()}", f"    tcp-check expect string {expected}"]


class Proxy:
    """The HAProxy of this node: a master process, and a worker for each configuration."""

    def __init__(self, members: Members, runtime: Path) -> None:
        self._members = members
        self._file = runtime / "haproxy.cfg"
        self._process = ChildProcess("haproxy")
        self._text = ""

    def keep_running(self, databases: Iterable[Database]) -> None:
        """Run with these databases; clients of an earlier configuration have a few seconds to come back."""
        text = configuration(self._members, databases)
        changed, self._text = text != self._text, text
        if changed:
            self._file.touch(mode=0o600)
            self._file.write_text(text, encoding="utf-8")
        if "\nlisten " not in text:
            # HAProxy does not start without anything to listen on.
            self._process.stop()
        elif self._process.alive():
            if changed:
                self._process.signal(signal.SIGUSR2)
            self._process.due()
        elif self._process.due():
            self._process.start("haproxy", "-W", "-f", str(self._file))

    def alive(self) -> bool:
        return self._process.alive() or "\nlisten " not in self._text

    def stop(self) -> None:
        self._process.stop()
