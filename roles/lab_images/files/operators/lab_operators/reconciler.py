# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Level-triggered reconciliation: an event only says *that* something changed; the function reads what there is now.

kopf's own create/update handlers keep their state in annotations and finalizers of the custom resource. The stand-ins
must leave the vendors' resources as the vendors do, so kopf only watches, and its events end here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LAST_RETRY = 30.0


@dataclass(frozen=True)
class Again:
    """What the reconcile function returns: look again after so many seconds, if nothing happens before."""

    seconds: float


#: What the reconcile function returns when the object is gone and nothing of it is left to do.
GONE = None

Reconcile = Callable[[str, str], "Again | None"]


@dataclass
class Counters:
    """Numbers for the metrics endpoint."""

    reconciliations: int = 0
    errors: int = 0
    seconds: float = 0.0


class Reconciler:
    """Runs one function per object (namespace, name): never twice at once for the same object, in a thread of its own.

    A request during a run causes one more run. An exception is logged and retried with growing delay.
    """

    def __init__(self, kind: str, reconcile: Reconcile) -> None:
        self.kind = kind
        self.counters = Counters()
        self._reconcile = reconcile
        self._wake: dict[tuple[str, str], asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self, namespace: str, name: str) -> None:
        """Ask for a run soon. To be called in the event loop (kopf handlers declared `async def`)."""
        key = (namespace, name)
        if key in self._wake:
            self._wake[key].set()
            return
        self._wake[key] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._keep(key), name=f"{self.kind} {namespace}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def request_known(self, namespace: str | None = None) -> None:
        """Ask for a run of every object seen so far, in one namespace or in all."""
        for known_namespace, name in list(self._wake):
            if namespace in (None, known_namespace):
                self.request(known_namespace, name)

    async def _keep(self, key: tuple[str, str]) -> None:
        wake = self._wake[key]
        failures = 0
        while True:
            wake.clear()
            started = time.monotonic()
            try:
                result = await asyncio.to_thread(self._reconcile, *key)
                failures = 0
            except Exception:
                failures += 1
                self.counters.errors += 1
                result = Again(min(LAST_RETRY, FIRST_RETRY * 2 ** (failures - 1)))
                logger.exception("%s %s/%s: reconciliation failed, next try in %.0f s", self.kind, *key, result.seconds)
            self.counters.reconciliations += 1
            self.counters.seconds += time.monotonic() - started
            if result is None and not wake.is_set():
                del self._wake[key]
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), result.seconds if result else 0)
