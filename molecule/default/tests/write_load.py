# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A steady load of writes through the gateway, run in the network namespace of the lab's outside.

usage: write_load.py URL KIND SECONDS WRITERS RATE, with a token for the gateway in the environment variable GATEWAY_TOKEN

Posts users or sessions (KIND "users", "sessions"), or events of the type KIND, until its standard input is closed or SECONDS
have passed, RATE a second over all WRITERS, and prints the seconds at which each was acknowledged. Then it reads every
acknowledged user or session back (no service gives single events back) and prints one JSON object: `acknowledged` ([seconds since the start, id,
name]), `failed` ([seconds, why]), `lost` (ids that were acknowledged and are not there as they were written) and
`seconds`, the time it wrote.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
import urllib.parse
import uuid
from typing import Any

USERS, SESSIONS = "users", "sessions"
REQUEST_SECONDS = 10
READ_ATTEMPTS = 40
READ_PAUSE_SECONDS = 0.5


class Load:
    """What was written, and what came of it."""

    def __init__(self, url: str, kind: str, seconds: float, writers: int, rate: float) -> None:
        self._kind = kind
        self._host = urllib.parse.urlsplit(url).netloc
        self._pause = writers / rate
        self._writers = writers
        self._started = time.monotonic()
        self._end = self._started + seconds
        self._stopping = threading.Event()
        self.acknowledged: list[tuple[float, Any, str]] = []
        self.failed: list[tuple[float, str]] = []

    def now(self) -> float:
        return time.monotonic() - self._started

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        writers = [threading.Thread(target=self._write, args=(number,)) for number in range(self._writers)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()

    def lost(self) -> list[Any]:
        if self._kind not in (USERS, SESSIONS):
            return []
        return [identity for _seconds, identity, name in self.acknowledged if not self._is_there(identity, name)]

    def _write(self, number: int) -> None:
        turn = self._started + self._pause * number / self._writers
        while not self._stopping.wait(max(0.0, turn - time.monotonic())) and time.monotonic() < self._end:
            turn = max(turn + self._pause, time.monotonic() - self._pause)
            name = uuid.uuid4().hex
            status, answer = self._post(name)
            now = self.now()
            if status in (201, 202):
                self.acknowledged.append((now, answer["id"], name))
                print(f"{now:.2f}\n", end="", flush=True)
            else:
                self.failed.append((now, f"{status} {answer}"))

    def _post(self, name: str) -> tuple[int, Any]:
        if self._kind == USERS:
            return self._request("POST", "/users", {"name": name, "email": f"{name}@example.org"})
        if self._kind == SESSIONS:
            return self._request("POST", "/sessions", {"user_id": user_of(name)})
        event = {"id": name, "type": self._kind, "subject": name, "source": "write-load"}
        return self._request("POST", "/analytics/events", event)

    def _is_there(self, identity: Any, name: str) -> bool:
        for _attempt in range(READ_ATTEMPTS):
            status, answer = self._request("GET", f"/{self._kind}/{identity}")
            if status in (200, 404):
                return status == 200 and (
                    answer["name"] == name if self._kind == USERS else answer["user_id"] == user_of(name)
                )
            # A gateway or a replica that is still coming back says nothing about the row.
            time.sleep(READ_PAUSE_SECONDS)
        return False

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, timeout=REQUEST_SECONDS)
        try:
            content = json.dumps(body) if body is not None else None
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['GATEWAY_TOKEN']}"}
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if response.status < 300 else text.decode(errors="replace")[:200]
        except (OSError, ValueError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()


def user_of(name: str) -> int:
    """A session holds a number instead of a name."""
    return int(name[:12], 16)


def main() -> None:
    url, kind, seconds, writers, rate = sys.argv[1:]
    load = Load(url, kind, float(seconds), int(writers), float(rate))
    print("started", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), load.stop()), daemon=True).start()
    load.run()
    seconds = load.now()
    result = {"acknowledged": load.acknowledged, "failed": load.failed, "lost": load.lost(), "seconds": seconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
