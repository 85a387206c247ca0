# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that runs inside a pod, as an ephemeral container, and sends the packets.

It is handed to `python3 -c` as text, so it uses nothing but the standard library, runs on Python 3.9 or later,
imports nothing of this collection, writes no file and needs no privilege. It reports what it observed and judges
nothing: verdicts are made outside, where the observations of all pods come together.

It runs once in every pod, so its start counts: plain sockets and threads, since asyncio alone takes three times as long to
import as everything here, and TLS only where it is spoken.

Input: one JSON document (see `run`). Output: a frame on standard output, a begin line, one JSON document a line and
an end line that carries the count and the checksum of what is between.
"""

from __future__ import annotations

import errno
import heapq
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import zlib

# The module typing would take a fifth of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from typing import Any

FRAME = "AZORA-PROBER"
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 4.0
# An application may take longer than a connection.
SHORTEST_ANSWER = 2.0
# Of each thread, in bytes: the usual one of 8 MiB would look large where somebody limits address space.
STACK = 512 * 1024

# EHOSTUNREACH, ENETUNREACH, EACCES, EPERM: no way, or an ICMP message that says "administratively prohibited".
UNREACHABLE = (113, 101, 13, 1)
# Not in the socket module of every build of Python.
IPPROTO_SCTP = 132


# ---- one connection -------------------------------------------------------------------------------------------------


def failed_connect(error: BaseException) -> str:
    """Name what a connect ended in; only what the kernel says, no interpretation."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "timeout"
    if isinstance(error, (ConnectionRefusedError, ConnectionResetError)):
        return "refused"
    if isinstance(error, OSError) and error.errno in UNREACHABLE:
        return "unreachable"
    return "error"


def socket_address(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """An address needs no resolver; a name is asked for as any program in this pod would ask."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family, (host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ValueError(f"the name {host} does not resolve ({error.strerror})") from error
    return found[0][0], found[0][4]


def stream_connect(host: str, port: int, timeout: float, protocol: int = socket.IPPROTO_TCP) -> socket.socket:
    """Connect over TCP, or SCTP where the kernel has it, or raise what the kernel said."""
    family, address = socket_address(host, port)
    connection = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def tls_over(connection: socket.socket, server_name: str | None) -> ssl.SSLSocket:
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=server_name, do_handshake_on_connect=False)


class Conversation:
    """One connected socket, that all together may take as long as said; always closed."""

    def __init__(
        self, connection: socket.socket, seconds: float, *, tls: bool = False, server_name: str | None = None
    ) -> None:
        self.connection = connection
        self.until = time.monotonic() + seconds
        self.tls = tls
        self.server_name = server_name

    def __enter__(self) -> Conversation:
        try:
            if self.tls:
                wrapped = tls_over(self.connection, self.server_name)
                self.connection = wrapped
                self.hurry()
                wrapped.do_handshake()
        except BaseException:
            self.connection.close()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self.connection.close()

    def hurry(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.connection.settimeout(left)

    def ask(self, request: bytes, size: int = 512) -> bytes:
        self.hurry()
        self.connection.sendall(request)
        self.hurry()
        return self.connection.recv(size)

    def read(self, size: int) -> bytes:
        """Exactly as many bytes."""
        said = b""
        while len(said) < size:
            self.hurry()
            more = self.connection.recv(size - len(said))
            if not more:
                raise ConnectionError("closed in the middle of an answer")
            said += more
        return said


# ---- applications: each returns what answered, in a word, or None ---------------------------------------------------


def http_request(host: str, port: int, path: str) -> bytes:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: " + authority,
        "User-Agent: azora-verify",
        "Accept: */*",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def http_status(answer: bytes) -> int | None:
    parts = answer.split(b" ", 2)
    if len(parts) >= 2 and parts[0].startswith(b"HTTP/") and parts[1][:3].isdigit():
        return int(parts[1][:3])
    return None


def answers_http(connection: socket.socket, cell: dict[str, Any]) -> str | None:
    with Conversation(connection, cell["patience"]) as conversation:
        status = http_status(conversation.ask(http_request(cell["host"], cell["port"], cell.get("path") or "/")))
    return None if status is None else f"HTTP {status}"


def answers_redis(connection: socket.socket, cell: dict[str, Any]) -> str | None:
    """A server that speaks only TLS closes the plain conversation; it is asked once more in TLS."""
    ping = b"*1\r\n$4\r\nPING\r\n"
    try:
        with Conversation(connection, cell["patience"]) as conversation:
            answer = redis_answer(conversation.ask(ping))
    except OSError:
        answer = None
    if answer is None:
        second = stream_connect(cell["host"], cell["port"], cell["timeout"])
        with Conversation(second, cell["patience"], tls=True) as conversation:
            answer = redis_answer(conversation.ask(ping))
    return answer


def redis_answer(answer: bytes) -> str | None:
    """PONG, or an error in Redis's own words (NOAUTH before a login): either comes from a Redis."""
    if answer.startswith((b"+PONG\r\n", b"-NO", b"-ERR", b"-LOADING", b"-DENIED")):
        return answer[1:].split()[0].decode("ascii", "replace")
    return None


def answers_postgresql(connection: socket.socket, cell: dict[str, Any]) -> str | None:
    with Conversation(connection, cell["patience"]) as conversation:
        answer = conversation.ask(struct.pack("!ii", 8, 80877103), 1)
    return {b"S": "SSLRequest S", b"N": "SSLRequest N"}.get(answer)


def answers_tls(connection: socket.socket, cell: dict[str, Any]) -> str | None:
    with Conversation(connection, cell["patience"], tls=True, server_name=cell.get("server_name")) as conversation:
        version: str | None = conversation.connection.version()  # type: ignore[attr-defined]
    return version


def answers_kafka(connection: socket.socket, cell: dict[str, Any]) -> str | None:
    """A listener with TLS shakes hands; one without answers ApiVersions."""
    try:
        return answers_tls(connection, cell)
    except OSError:
        pass
    second = stream_connect(cell["host"], cell["port"], cell["timeout"])
    client = b"azora-verify"
    body = struct.pack("!hhih", 18, 0, 7, len(client)) + client
    with Conversation(second, cell["patience"]) as conversation:
        answer = conversation.ask(struct.pack("!i", len(body)) + body)
    return "ApiVersions" if len(answer) >= 8 and answer[4:8] == struct.pack("!i", 7) else None


ANSWERS: dict[str, Callable[[socket.socket, dict[str, Any]], str | None]] = {
    "http": answers_http,
    "https": answers_tls,
    "tls": answers_tls,
    "redis": answers_redis,
    "postgresql": answers_postgresql,
    "kafka": answers_kafka,
}


# ---- cells: retried only while they differ from the expectation -----------------------------------------------------


def observe_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """One attempt: what connect ended in and, where an answer is asked for, what answered."""
    seen: dict[str, Any] = {"outcome": "open", "ms": None, "answer": None, "error": None}
    begun = time.monotonic()
    try:
        if cell.get("protocol") == "UDP":
            seen["answer"] = udp_exchange(cell)
            seen["ms"] = round((time.monotonic() - begun) * 1000, 1)
            return seen
        protocol = IPPROTO_SCTP if cell.get("protocol") == "SCTP" else socket.IPPROTO_TCP
        connection = stream_connect(cell["host"], cell["port"], cell["timeout"], protocol)
    except Exception as error:
        seen["outcome"] = failed_connect(error)
        if seen["outcome"] == "error":
            seen["error"] = str(error) or type(error).__name__
        return seen
    seen["ms"] = round((time.monotonic() - begun) * 1000, 1)
    answers = ANSWERS.get(cell.get("application") or "")
    if answers is None:
        connection.close()
        return seen
    try:
        seen["answer"] = answers(connection, dict(cell, patience=max(SHORTEST_ANSWER, cell["timeout"])))
    except Exception as error:
        seen["error"] = str(error) or type(error).__name__
    return seen


def udp_exchange(cell: dict[str, Any]) -> str:
    """Send and wait for whatever comes back; silence is a timeout like any other, and what it means is not said here."""
    family, address = socket_address(cell["host"], cell["port"])
    identity = int.from_bytes(os.urandom(2), "big")
    dns = cell.get("application") == "dns"
    question = dns_question("kubernetes.default.svc.cluster.local", identity) if dns else b"azora-verify"
    connection = socket.socket(family, socket.SOCK_DGRAM)
    try:
        connection.settimeout(cell["timeout"])
        connection.connect(address)
        connection.sendall(question)
        answer = connection.recv(4096)
    finally:
        connection.close()
    if dns and dns_answer(answer, identity) is None:
        raise ValueError("it answered something that is not DNS")
    return "DNS" if dns else f"{len(answer)} bytes"


def opened(cell: dict[str, Any], seen: dict[str, Any]) -> bool:
    """Whether the way was open. The proxy of a service mesh accepts every connection, so there only an answer counts."""
    return seen["outcome"] == "open" and not (cell.get("mesh") and seen["answer"] is None)


def as_expected(cell: dict[str, Any], seen: dict[str, Any]) -> bool:
    if cell["expect"] == "anything":
        return True
    if cell["expect"] == "open":
        answered = seen["answer"] is not None or (cell.get("application") or "") not in ANSWERS
        return opened(cell, seen) and answered
    return not opened(cell, seen) and seen["outcome"] != "error"


class Watch:
    """Something to try until it is as expected (twice, when it was not at first) or the time to settle is over."""

    def __init__(
        self,
        attempt: Callable[[], dict[str, Any]],
        expected: Callable[[dict[str, Any]], bool],
        conclude: Callable[[list[dict[str, Any]], float], dict[str, Any]],
        until: float,
    ) -> None:
        self.attempt, self.expected, self.conclude, self.until = attempt, expected, conclude, until
        self.history: list[dict[str, Any]] = []
        self.pause = FIRST_PAUSE
        self.agreed = 0
        self.begun = 0.0

    def observe(self) -> float | None:
        """Try once; when to try again, by the monotonic clock, or None if that was the last time."""
        self.begun = self.begun or time.monotonic()
        return self.weigh(self.attempt())

    def weigh(self, seen: dict[str, Any]) -> float | None:
        """What has been observed, by whomever; returns as `observe`."""
        self.history.append(seen)
        now = time.monotonic()
        self.agreed = self.agreed + 1 if self.expected(self.history[-1]) else 0
        if self.agreed >= (1 if len(self.history) == 1 else 2):
            return None
        if self.agreed:
            return now + FIRST_PAUSE
        if now + self.pause > self.until:
            return None
        due = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        return due

    def conclusion(self) -> dict[str, Any]:
        return self.conclude(self.history, time.monotonic() - self.begun)


def watch_cell(cell: dict[str, Any], until: float) -> Watch:
    def conclude(history: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
        agreed = [as_expected(cell, seen) for seen in history]
        return {
            "kind": "cell",
            "id": cell["id"],
            "first": history[0]["outcome"],
            "last": history[-1]["outcome"],
            "attempts": len(history),
            "changes": sum(agreed[turn] != agreed[turn - 1] for turn in range(1, len(agreed))),
            "opened": any(opened(cell, seen) for seen in history),
            "seconds": round(seconds, 1),
            "ms": history[-1]["ms"],
            "answer": history[-1]["answer"],
            "error": history[-1]["error"],
        }

    return Watch(lambda: observe_cell(cell), lambda seen: as_expected(cell, seen), conclude, until)


# ---- probe paths ----------------------------------------------------------------------------------------------------


def observe_request(request: dict[str, Any]) -> dict[str, Any]:
    """GET as the kubelet does: to the pod's own address, within the probe's own timeout, TLS not verified."""
    begun = time.monotonic()
    seen: dict[str, Any] = {"status": None, "error": None, "ms": None}

    try:
        connection = stream_connect(request["host"], request["port"], request["timeout"])
        left = request["timeout"] - (time.monotonic() - begun)
        with Conversation(connection, left, tls=request["scheme"] == "HTTPS") as conversation:
            answer = conversation.ask(http_request(request["host"], request["port"], request["path"]))
        seen["status"] = http_status(answer)
        if seen["status"] is None:
            seen["error"] = "answered something that is not HTTP"
    except Exception as error:
        outcome = failed_connect(error)
        seen["error"] = (str(error) or type(error).__name__) if outcome == "error" else outcome
    seen["ms"] = round((time.monotonic() - begun) * 1000, 1)
    return seen


def watch_request(request: dict[str, Any], until: float) -> Watch:
    def healthy(seen: dict[str, Any]) -> bool:
        if request.get("absent"):  # one look is enough: nothing gets better by waiting
            return True
        return seen["status"] is not None and 200 <= seen["status"] < 400

    def conclude(history: list[dict[str, Any]], _seconds: float) -> dict[str, Any]:
        return dict(history[-1], kind="request", id=request["id"], attempts=len(history), first=history[0]["status"])

    return Watch(lambda: observe_request(request), healthy, conclude, until)


# ---- controls: is this pod's network alive, and what does it listen on ----------------------------------------------


def watch_self(host: str, port: int, timeout: float) -> Watch:
    """Connect to the pod's own address: no policy applies to that, so it tells whether something listens."""

    def conclude(history: list[dict[str, Any]], _seconds: float) -> dict[str, Any]:
        return {"kind": "self", "port": port, "outcome": history[-1]["outcome"], "error": history[-1]["error"]}

    cell = {"host": host, "port": port, "timeout": timeout}
    return Watch(lambda: observe_cell(cell), lambda _seen: True, conclude, 0.0)


def resolver_settings(text: str) -> tuple[list[str], str]:
    """The nameservers, and the name of the API server's Service in this cluster's domain."""
    servers: list[str] = []
    domain = "cluster.local"
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            servers.append(words[1])
        elif words and words[0] == "search":
            domain = next((word[4:].rstrip(".") for word in words[1:] if word.startswith("svc.")), domain)
    return servers, "kubernetes.default.svc." + domain


def dns_question(name: str, identity: int) -> bytes:
    labels = b"".join(struct.pack("!B", len(label)) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\x00" + struct.pack("!HH", 1, 1)


def dns_answer(message: bytes, identity: int) -> dict[str, Any] | None:
    """The response code of the answer to this very question, or None."""
    if len(message) < 12:
        return None
    answered, flags, _questions, answers = struct.unpack("!HHHH", message[:8])
    if answered != identity or not flags & 0x8000:
        return None
    code = flags & 0x000F
    return {"code": code, "answers": answers}


def ask_dns(*, server: str, port: int, protocol: str, name: str, timeout: float) -> dict[str, Any] | None:
    identity = int.from_bytes(os.urandom(2), "big")
    question = dns_question(name, identity)
    if protocol == "TCP":
        with Conversation(stream_connect(server, port, timeout), timeout) as conversation:
            conversation.hurry()
            conversation.connection.sendall(struct.pack("!H", len(question)) + question)
            size = struct.unpack("!H", conversation.read(2))[0]
            return dns_answer(conversation.read(size), identity)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.settimeout(timeout)
    datagrams.connect((server, port))
    with Conversation(datagrams, timeout) as conversation:
        datagrams.sendall(question)
        while True:  # an answer to another question may come first
            conversation.hurry()
            answer = dns_answer(datagrams.recv(4096), identity)
            if answer is not None:
                return answer


def watch_dns(question: dict[str, Any], timeout: float, until: float) -> Watch:
    def attempt() -> dict[str, Any]:
        asked = time.monotonic()
        failed: dict[str, Any] = {"outcome": "error", "error": None, "code": None, "answers": 0, "ms": None}
        try:
            answer = ask_dns(**question, timeout=timeout)
        except Exception as error:
            failed["outcome"] = failed_connect(error)
            return dict(failed, error=str(error) or type(error).__name__)
        if answer is None:
            return dict(failed, error="a message that answers another question")
        return dict(answer, outcome="open", error=None, ms=round((time.monotonic() - asked) * 1000, 1))

    def conclude(history: list[dict[str, Any]], _seconds: float) -> dict[str, Any]:
        return dict(history[-1], **question, kind="dns", attempts=len(history))

    return Watch(attempt, lambda seen: seen["outcome"] == "open", conclude, until)


# ---- the batch ------------------------------------------------------------------------------------------------------


class Crew:
    """Threads that take whatever is due, as many at a time as there may be open sockets; and one sweep for the plain ones."""

    def __init__(
        self,
        watches: list[Watch],
        plain: list[tuple[dict[str, Any], Watch]],
        report: Callable[[dict[str, Any]], None],
        size: int,
    ) -> None:
        self.due = [(0.0, number, watch) for number, watch in enumerate(watches)]
        self.plain = plain
        self.numbered = len(watches)
        self.left = len(watches) + len(plain)
        self.report = report
        self.size = size
        self.hired = 0
        self.changed = threading.Condition()
        self.watched = False

    def work(self) -> None:
        while True:
            with self.changed:
                while self.left and not (self.due and self.due[0][0] <= time.monotonic()):
                    self.wait()
                if not self.left:
                    return
                _when, number, watch = heapq.heappop(self.due)
                self.changed.notify()
            again = watch.observe()
            with self.changed:
                self.take(number, watch, again)

    def take(self, number: int, watch: Watch, again: float | None) -> None:
        """What has been tried once more: to be tried again at that time, or done."""
        if again is not None:
            heapq.heappush(self.due, (again, number, watch))
            if self.due[0][1] == number:
                self.changed.notify_all()
        elif self.left:
            self.left -= 1
            self.report(watch.conclusion())
            if not self.left:
                self.changed.notify_all()

    def wait(self) -> None:
        """One thread watches the clock for all, else every one of them would wake up for each thing that is due."""
        if self.watched or not self.due:
            self.changed.wait()
            return
        self.watched = True
        self.changed.wait(max(0.0, self.due[0][0] - time.monotonic()))
        self.watched = False

    def hire(self, wanted: int) -> None:
        """As many threads as there is something to try, if they may be that many."""
        for _turn in range(min(self.size, wanted) - self.hired):
            threading.Thread(target=self.work, daemon=True).start()
            self.hired += 1

    def sweep(self, until: float) -> None:
        """The first attempt of what is only a connection over TCP to an address, without a thread for each.

        In default deny that is nearly everything, and nearly all of it is over with that.
        """
        plain = self.plain
        at_once = max(1, self.size - self.hired)
        while plain and time.monotonic() < until:
            now, plain = plain[:at_once], plain[at_once:]
            for watch, seen in connect_together(now, until):
                self.numbered += 1
                with self.changed:
                    self.take(self.numbered, watch, watch.weigh(seen))

    def finish(self, until: float) -> int:
        """Until everything is reported or the time is over, after which nothing is; how many are missing."""
        with self.changed:
            self.changed.wait_for(lambda: not self.left, max(0.0, until - time.monotonic()))
            missing, self.left = self.left, 0
            self.changed.notify_all()
        return missing


def is_plain(cell: dict[str, Any]) -> bool:
    """Whether it is a connection over TCP to an address, and nothing is asked once that is open."""
    if cell.get("protocol", "TCP") != "TCP" or ANSWERS.get(cell.get("application") or ""):
        return False
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in cell["host"] else socket.AF_INET, cell["host"])
    except OSError:
        return False
    return True


def connect_together(plain: list[tuple[dict[str, Any], Watch]], until: float) -> Iterator[tuple[Watch, dict[str, Any]]]:
    """Connect to all at a time; what each ended in, in the order in which they end, and nothing after the given time."""
    poll = select.poll()
    waiting: dict[int, tuple[float, socket.socket, Watch]] = {}

    def ended(begun: float, watch: Watch, number: int) -> tuple[Watch, dict[str, Any]]:
        seen: dict[str, Any] = {"outcome": "open", "ms": None, "answer": None, "error": None}
        if not number:
            seen["ms"] = round((time.monotonic() - begun) * 1000, 1)
            return watch, seen
        error = OSError(number, os.strerror(number))
        seen["outcome"] = failed_connect(error)
        if seen["outcome"] == "error":
            seen["error"] = str(error)
        return watch, seen

    try:
        for cell, watch in plain:
            watch.begun = time.monotonic()
            try:
                family, address = socket_address(cell["host"], cell["port"])
                connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                yield ended(watch.begun, watch, error.errno or errno.EIO)
                continue
            number = connection.connect_ex(address)
            if number != errno.EINPROGRESS:
                connection.close()
                yield ended(watch.begun, watch, number)
                continue
            waiting[connection.fileno()] = watch.begun + cell["timeout"], connection, watch
            poll.register(connection, select.POLLOUT)
        while waiting and time.monotonic() < until:
            soonest = min(end for end, _connection, _watch in waiting.values())
            for descriptor, _event in poll.poll(max(0.0, min(soonest, until) - time.monotonic()) * 1000):
                _until, connection, watch = waiting.pop(descriptor)
                poll.unregister(descriptor)
                number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                connection.close()
                yield ended(watch.begun, watch, number)
            now = time.monotonic()
            for descriptor in [one for one, (until, _connection, _watch) in waiting.items() if until <= now]:
                _until, connection, watch = waiting.pop(descriptor)
                poll.unregister(descriptor)
                connection.close()
                yield ended(watch.begun, watch, errno.ETIMEDOUT)
    finally:
        for _until, connection, _watch in waiting.values():
            connection.close()


def run(batch: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
    """Do everything at once; `report` is called with each finished observation, so a deadline loses only the rest."""
    threading.stack_size(STACK)
    begun = time.monotonic()
    timeout, until, end = batch["timeout"], begun + batch["settle"], begun + batch["deadline"]
    # The controls first: they end soon.
    watches = [watch_self(batch["self"]["host"], port, timeout) for port in batch["self"]["ports"]]
    watches += [watch_request(request, until) for request in batch["requests"]]
    dns = batch.get("dns")
    if dns:
        try:
            with open(dns["resolver"], encoding="utf-8") as settings:
                servers, name = resolver_settings(settings.read())
        except OSError as error:
            servers, name = [], ""
            report({"kind": "note", "text": f"cannot read {error.filename}: {error.strerror}"})
        for server in servers:
            for protocol in ("UDP", "TCP"):
                question = {"server": server, "port": dns["port"], "protocol": protocol, "name": name}
                watches.append(watch_dns(question, timeout, until))
    cells = [dict(cell, timeout=timeout) for cell in batch["cells"]]
    watches += [watch_cell(cell, until) for cell in cells if not is_plain(cell)]
    plain = [(cell, watch_cell(cell, until)) for cell in cells if is_plain(cell)]
    crew = Crew(watches, plain, report, batch["concurrency"])
    crew.hire(len(watches))
    crew.sweep(end)
    crew.hire(crew.left)
    missing = crew.finish(end)
    if missing:
        report({"kind": "note", "text": f"{missing} observations were not finished in {batch['deadline']} s"})


def checksum_of(text: str) -> str:
    """Against what gets lost on the way, not against anybody; a cryptographic one would take a tenth of the start to import."""
    return format(zlib.crc32(text.encode()), "08x")


def frame(identity: str, documents: list[dict[str, Any]]) -> str:
    """The lines to print. The end line proves that nothing between was lost."""
    body = [json.dumps(document, separators=(",", ":"), sort_keys=True) for document in documents]
    checksum = checksum_of("\n".join(body))
    begin = f"{FRAME} BEGIN {identity}"
    end = f"{FRAME} END {identity} {len(body)} {checksum}"
    return "\n".join([begin, *body, end]) + "\n"


def main() -> None:
    batch = json.loads(sys.argv[1])
    documents: list[dict[str, Any]] = []
    run(batch, documents.append)
    sys.stdout.write(frame(batch["run"], documents))
    sys.stdout.flush()
    # A thread that hangs (name resolution) must not keep the container running.
    os._exit(0)


if __name__ == "__main__":
    main()
