# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order instances are restarted: standbys first, one at a time, then the primary's place is taken by one of them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from lab_operators.cloudnative_pg_status import InstanceState


class Action(enum.Enum):
    """What can be done for an instance that needs a new pod."""

    REPLACE = "replace"
    SWITCH_OVER = "switch over"
    WAIT = "wait"


@dataclass(frozen=True)
class Step:
    """One action, with what the Cluster's status says of it."""

    action: Action
    instance: str
    reason: str


def next_step(instances: Sequence[InstanceState], primary: str | None) -> Step | None:
    """The next step towards instances that are all as the Cluster says; None when they are.

    :param instances: every instance, as it is now.
    :param primary: the instance that takes writes, when one does.
    """
    due = [instance for instance in instances if instance.restart_reason and not instance.terminating]
    if not due:
        return None
    for instance in due:
        # Nothing is lost by replacing what does not run; a broken definition is mended by this.
        if not instance.pod_ready and instance.name != primary:
            return Step(Action.REPLACE, instance.name, instance.restart_reason)
    first = next((instance for instance in due if instance.name != primary), due[0])
    waiting = [other.name for other in instances if other is not first and not other.pod_ready]
    if waiting:
        return Step(Action.WAIT, first.name, f"{first.restart_reason}: waiting for {', '.join(waiting)}")
    if first.name != primary or len(instances) == 1:
        return Step(Action.REPLACE, first.name, first.restart_reason)
    if any(other.is_streaming for other in instances):
        return Step(Action.SWITCH_OVER, first.name, first.restart_reason)
    return Step(Action.WAIT, first.name, f"{first.restart_reason}: waiting for a standby that follows it")
