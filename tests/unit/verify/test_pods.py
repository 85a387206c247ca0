# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a pod that is not ready."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._verification_pods import pod_from

ENDED = {"terminated": {"exitCode": 4, "message": "password=secret"}}


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, "container it: ContainerCreating"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, "container it: CrashLoopBackOff"),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ENDED},
            "container it: CrashLoopBackOff after exit code 4",
        ),
        ({"state": {"running": {}}, "lastState": ENDED}, "phase Running"),
    ],
)
def test_why_a_pod_is_not_ready(container: dict[str, Any], words: str) -> None:
    status = {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [{"name": "it", **container}]}
    assert pod_from({"metadata": {"namespace": "data", "name": "pg-1"}, "status": status}).why_not_ready == words
