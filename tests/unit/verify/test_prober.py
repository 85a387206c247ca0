# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of a prober's log, and the container that a restricted namespace admits."""

from __future__ import annotations

import ast
import json
import random
import string
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils._prober import (
    LONGEST_ARGUMENT,
    Batch,
    DamagedFrameError,
    Patience,
    ephemeral_container,
    observations,
    packed,
    program_source,
    user_of,
    without_words,
)
from ansible_collections.azora.platform.plugins.module_utils._prober_program import frame
from ansible_collections.azora.platform.plugins.module_utils._verification_input import VerificationError

DOCUMENTS = [{"kind": "cell", "id": number, "last": "open"} for number in range(5)]
LOG = frame("r1", DOCUMENTS)


def test_a_whole_frame_is_read_whatever_is_around_it() -> None:
    assert observations(LOG, "r1") == DOCUMENTS
    assert observations(f"warning: something\n{LOG}trailing\n", "r1") == DOCUMENTS
    assert observations(frame("r1", []), "r1") == []


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        ("", "its log has no begin mark"),
        ("Traceback\nPermissionError: no\n", 'its log begins otherwise and ends with "PermissionError: no"'),
        (frame("other", DOCUMENTS), "its log begins otherwise"),
        ("\n".join(LOG.splitlines()[:-1]), "no end mark"),
        (LOG[: len(LOG) // 2], "no end mark"),
        ("\n".join([*LOG.splitlines()[:2], *LOG.splitlines()[3:]]), "holds 4 of 5 observations"),
        (LOG.replace('"id":3', '"id":4'), "does not match its checksum"),
        (LOG.replace("open", "shut", 1), "does not match its checksum"),
    ],
)
def test_a_damaged_frame_is_no_report(damaged: str, reason: str) -> None:
    with pytest.raises(DamagedFrameError, match=reason):
        observations(damaged, "r1")


def pod(*contexts: Any, pod_context: Any = None) -> dict[str, Any]:
    containers = [{"name": str(number), "securityContext": context} for number, context in enumerate(contexts)]
    return {"spec": {"containers": containers, "securityContext": pod_context}}


@pytest.mark.parametrize(
    ("manifest", "user"),
    [
        (pod(None), 65532),
        (pod({"runAsUser": 10020}), 10020),
        (pod(None, pod_context={"runAsUser": 1000660000}), 1000660000),
        (pod({"runAsUser": 26}, pod_context={"runAsUser": 1000}), 26),
        (pod({"runAsUser": 0}), 65532),
    ],
)
def test_the_prober_runs_as_the_pods_own_user_and_never_as_root(manifest: dict[str, Any], user: int) -> None:
    assert user_of(manifest) == user


def test_the_container_meets_the_restricted_level() -> None:
    container = ephemeral_container("azora-verify-r1", "python:3", Batch("r1", "10.0.0.1"), Patience(), pod(None))
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    # What the API refuses in an ephemeral container.
    assert not {"ports", "resources", "livenessProbe", "readinessProbe", "lifecycle"} & set(container)
    # What the kubelet would expand in an argument.
    assert not [argument for argument in [*container["command"], *container["args"]] if "$" in argument]


def test_a_container_stays_small_because_a_pod_keeps_it_for_ever() -> None:
    cells = [{"id": n, "host": f"10.0.{n % 9}.{n}", "port": 8080, "expect": "blocked"} for n in range(250)]
    container = ephemeral_container("c", "python:3", Batch("r1", "10.0.0.1", cells=cells), Patience(), pod(None))
    assert len(json.dumps(container)) < 12_000


def test_what_is_sent_is_the_program_without_its_words() -> None:
    source = program_source()
    sent = without_words(source)
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) and node.body[1:]:
            node.body.pop(0)
    assert ast.dump(ast.parse(sent)) == ast.dump(tree)
    assert "#" not in "".join(line.lstrip()[:1] for line in sent.splitlines())
    assert len(packed(sent)) < 0.8 * len(packed(source))


def test_a_batch_that_no_argument_can_carry_is_refused() -> None:
    generator = random.Random(1)
    noise = "".join(generator.choices(string.printable, k=2 * LONGEST_ARGUMENT))
    with pytest.raises(VerificationError, match="verify fewer workloads"):
        packed(noise)
