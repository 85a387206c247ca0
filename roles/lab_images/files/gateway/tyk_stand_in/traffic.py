# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests in flight; knows when the last one is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET_SECONDS = 0.5


class Traffic:
    """Counts requests, and waits at the end until there are none."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.draining = False
        self._change = asyncio.Event()

    @contextmanager
    def request(self) -> Iterator[None]:
        self.in_flight += 1
        self._change.set()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._change.set()

    async def drained(self) -> None:
        """Wait until nothing is in flight and nothing new has come for a moment.

        Closing at once would break the request that a client is just writing to a connection it holds.
        """
        while True:
            self._change.clear()
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    await self._change.wait()
            except TimeoutError:
                if not self.in_flight:
                    return
