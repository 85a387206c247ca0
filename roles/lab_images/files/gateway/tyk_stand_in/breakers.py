# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Circuit breakers as Tyk's: one for each API and method, each gateway its own."""

from __future__ import annotations

import time
from collections import deque

from tyk_stand_in.rules import Breaker

WINDOW_SECONDS = 10


class CircuitBreaker:
    """Opens when too many of the requests of the last ten seconds failed, and closes again after its time."""

    def __init__(self, rule: Breaker) -> None:
        self._rule = rule
        self._results: deque[tuple[float, bool]] = deque()
        self._closes = float("-inf")

    def is_open(self) -> bool:
        return time.monotonic() < self._closes

    def record(self, *, failed: bool) -> None:
        now = time.monotonic()
        if self._closes != float("-inf") and now >= self._closes:
            # What failed before it opened is forgotten.
            self._results.clear()
            self._closes = float("-inf")
        self._results.append((now, failed))
        while self._results[0][0] <= now - WINDOW_SECONDS:
            self._results.popleft()
        failures = sum(1 for _moment, bad in self._results if bad)
        enough = len(self._results) >= self._rule.samples
        if failed and enough and failures / len(self._results) >= self._rule.threshold:
            self._closes = now + self._rule.open_seconds


class CircuitBreakers:
    """Those of all APIs since the last reload."""

    def __init__(self) -> None:
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}

    def of(self, api_id: str, method: str, rule: Breaker) -> CircuitBreaker:
        return self._breakers.setdefault((api_id, method), CircuitBreaker(rule))
