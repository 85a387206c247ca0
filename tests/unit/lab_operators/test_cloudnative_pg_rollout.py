# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the instances of a Cluster are restarted."""

from __future__ import annotations

import pytest
from lab_operators.cloudnative_pg_rollout import Action, next_step
from lab_operators.cloudnative_pg_status import InstanceState

PRIMARY = {"ready": True, "is_primary": True, "timeline": 1}
STANDBY = {"ready": True, "is_streaming": True, "timeline": 1}


def three(*due: int, down: tuple[int, ...] = (), lagging: tuple[int, ...] = ()) -> list[InstanceState]:
    return [
        InstanceState(
            f"pg-{number}",
            pod_ready=number not in down,
            restart_reason="its definition changed" if number in due else "",
            answer={} if number in down else PRIMARY if number == 1 else {} if number in lagging else STANDBY,
        )
        for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("instances", "primary", "action", "instance"),
    [
        (three(1, 2, 3), "pg-1", Action.REPLACE, "pg-2"),
        (three(1, 3), "pg-1", Action.REPLACE, "pg-3"),
        (three(1), "pg-1", Action.SWITCH_OVER, "pg-1"),
        (three(1, 3, down=(2,)), "pg-1", Action.WAIT, "pg-3"),
        (three(1, down=(2,)), "pg-1", Action.WAIT, "pg-1"),
        (three(1, lagging=(2, 3)), "pg-1", Action.WAIT, "pg-1"),
        # What does not run cannot be hurt, whatever the others do.
        (three(2, 3, down=(2, 3)), "pg-1", Action.REPLACE, "pg-2"),
        (three(1, 2, 3, down=(1, 2, 3)), None, Action.REPLACE, "pg-1"),
        (three(1)[:1], "pg-1", Action.REPLACE, "pg-1"),
    ],
)
def test_one_at_a_time_and_the_primary_last(
    instances: list[InstanceState], primary: str | None, action: Action, instance: str
) -> None:
    step = next_step(instances, primary)
    assert step is not None
    assert (step.action, step.instance) == (action, instance)


def test_nothing_to_do() -> None:
    assert next_step(three(), "pg-1") is None
    going = three(2)
    going[1].terminating = True
    assert next_step(going, "pg-1") is None
