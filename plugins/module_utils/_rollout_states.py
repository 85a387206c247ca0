# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a judgement about a workload consists of."""

from __future__ import annotations

import enum
import typing as t
from collections.abc import Mapping

Object = Mapping[str, t.Any]


class State(enum.IntEnum):
    """How far a workload is; the greater, the worse."""

    READY = 0
    # On its way.
    MOVING = 1
    # Nothing will change unless something else does: room on a node, a quota, a registry.
    STUCK = 2
    # What waiting cannot heal.
    FAILED = 3
    # Nobody could look, so nothing is known.
    UNSEEN = 4


class Judgement(t.NamedTuple):
    """A workload at a moment: the state, in a sentence, and what it was found by."""

    state: State
    sentence: str
    reason: str = ""
    event: str = ""
    # Whose log may tell more; `previous`: that of the container's last run.
    pod: str = ""
    container: str = ""
    previous: bool = False
