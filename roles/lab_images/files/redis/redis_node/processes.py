# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process: started, looked after, stopped."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 20
LONGEST_PAUSE = 10.0
SHORTEST_PAUSE = 0.5


class ChildProcess:
    """One program. One that dies at once is not started again and again without a pause."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = 0.0
        self._next_start = 0.0
        self._ended_noted = True

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with the environment of this process unless another one is given."""
        self._process = subprocess.Popen(command, env=environment)
        self._ended_noted = False
        self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, self._pause * 2))
        self._next_start = time.monotonic() + self._pause

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def due(self) -> bool:
        """Whether it is time to start the program (again)."""
        if self.alive():
            if time.monotonic() > self._next_start + LONGEST_PAUSE:
                self._pause = 0.0
            return False
        if self._process is not None and not self._ended_noted:
            logger.warning("%s ended with exit code %d", self.name, self._process.returncode)
            self._ended_noted = True
        return time.monotonic() >= self._next_start

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive():
            self._process.send_signal(number)

    def stop(self) -> None:
        process, self._process = self._process, None
        # Whoever stops it may start it at once.
        self._next_start = 0.0
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop in %d s", self.name, STOP_TIMEOUT)
            process.kill()
            process.wait()
