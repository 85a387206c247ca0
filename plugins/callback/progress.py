# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Show what a long task is waiting for, and since when
version_added: 0.1.0
author: azora.platform contributors (@azora)
description:
  - While a task runs for long, prints a line now and then with the seconds it has taken so far and what it is waiting for.
  - What that is comes from the modules of this collection that wait, such as M(azora.platform.rollout) and M(azora.platform.verify), through a
    temporary file. They have to run on this machine, as they do with P(ansible.builtin.local#connection). Of other tasks the seconds are shown.
  - Where several hosts run a task together, the newest line of any of them is shown.
requirements:
  - enabled by C(callbacks_enabled) in C(ansible.cfg), or C(ANSIBLE_CALLBACKS_ENABLED=azora.platform.progress)
options:
  interval:
    description: After how many seconds the first line is printed, and each further one.
    type: float
    default: 10.0
    env:
      - name: AZORA_PLATFORM_PROGRESS_INTERVAL
    ini:
      - section: callback_progress
        key: interval
seealso:
  - module: azora.platform.rollout
  - module: azora.platform.verify
"""

import os
import tempfile
import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.azora.platform.plugins.module_utils._progress import PLACE


class CallbackModule(CallbackBase):
    """Prints from a thread beside the tasks, which runs from the first play to the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "azora.platform.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._changed = threading.Condition()
        # The task that runs: when it began, in seconds of the monotonic clock, and where its lines begin in the file.
        self._began: float | None = None
        self._offset = 0
        self._is_over = False
        self._place = ""
        self._thread: threading.Thread | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        descriptor, self._place = tempfile.mkstemp(prefix="azora-progress-")
        os.close(descriptor)
        os.environ[PLACE] = self._place
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begin()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._begin()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._end()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._end(for_good=True)
        if self._thread is not None:
            self._thread.join()
        os.environ.pop(PLACE, None)
        if self._place:
            os.unlink(self._place)

    def _begin(self) -> None:
        with self._changed:
            self._began = time.monotonic()
            self._offset = os.stat(self._place).st_size if self._place else 0
            self._changed.notify()

    def _end(self, *, for_good: bool = False) -> None:
        with self._changed:
            self._began = None
            self._is_over = self._is_over or for_good
            self._changed.notify()

    def _show(self) -> None:
        interval = float(self.get_option("interval"))
        with self._changed:
            while not self._is_over:
                began = self._began
                if began is None:
                    self._changed.wait()
                    continue
                turn = int((time.monotonic() - began) / interval) + 1
                due = began + turn * interval
                self._changed.wait_for(lambda: self._is_over or self._began != began, timeout=due - time.monotonic())  # noqa: B023
                if not self._is_over and self._began == began:
                    self._display.display(self._line(time.monotonic() - began), color="bright gray")

    def _line(self, seconds: float) -> str:
        with open(self._place, encoding="utf-8") as file:
            file.seek(self._offset)
            # A line that is being written has no end yet.
            said = [line for line in file if line.endswith("\n")]
        return f"  … {seconds:.0f} s" + (f": {said[-1].strip()}" if said else "")
