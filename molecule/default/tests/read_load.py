# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A steady load of reads through the gateway, run in the network namespace of the lab's outside.

usage: read_load.py URL SECONDS RATE PATH…, with a token for the gateway in the environment variable GATEWAY_TOKEN

Asks for each PATH in turn, RATE requests a second together, until its standard input is closed or SECONDS have passed. Then it prints one
JSON object: `answered`, how many, and `failed`, [seconds since the start, path, why]. An answer counts if it is the
service's own, whatever it says: none of 500 and above, and no refusal of the gateway.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse

REQUEST_SECONDS = 10
# Enough for 200 requests a second that take 50 ms each, and some that take long.
READERS = 16
# No token, a wrong one, over the limit.
REFUSALS = (400, 401, 403, 429)


class Load:
    """Readers who share one rate."""

    def __init__(self, url: str, seconds: float, rate: float, paths: list[str]) -> None:
        self._host = urllib.parse.urlsplit(url).netloc
        self._pause = READERS / rate
        self._started = time.monotonic()
        self._end = self._started + seconds
        self._paths = itertools.cycle(paths)
        self._stopping = threading.Event()
        self.answered: list[str] = []
        self.failed: list[tuple[float, str, str]] = []

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        readers = [threading.Thread(target=self._read, args=(number,)) for number in range(READERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

    def _read(self, number: int) -> None:
        turn = self._started + self._pause * number / READERS
        while not self._stopping.wait(max(0.0, turn - time.monotonic())) and time.monotonic() < self._end:
            turn += self._pause
            path = next(self._paths)
            why = self._ask(path)
            if why:
                self.failed.append((round(time.monotonic() - self._started, 2), path, why))
            else:
                self.answered.append(path)

    def _ask(self, path: str) -> str:
        connection = http.client.HTTPConnection(self._host, timeout=REQUEST_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {os.environ['GATEWAY_TOKEN']}"})
            response = connection.getresponse()
            text = response.read()
            answered = response.status < 500 and response.status not in REFUSALS
            return "" if answered else f"{response.status} {text.decode(errors='replace')[:200]}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()


def main() -> None:
    url, seconds, rate, *paths = sys.argv[1:]
    load = Load(url, float(seconds), float(rate), paths)
    print("started", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), load.stop()), daemon=True).start()
    load.run()
    print(json.dumps({"answered": len(load.answered), "failed": load.failed}))


if __name__ == "__main__":
    main()
