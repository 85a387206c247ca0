# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may use the gateway, how often, and what it does with requests on the way: seen from outside and in the services' answers."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest
from tokens import signing_key, token

from conftest import GATEWAY_PORT

Request = Callable[..., tuple[int, Any]]
RATE, PER_SECONDS, REQUESTS = 40, 30, 60
# What of a window must be left to send them in.
NEEDED_SECONDS = 20
ATTEMPTS = 3
# A service answers with the id that its request had, and takes one that it is given.
MARK = "set-by-the-gateway"
# Who reaches whom does not change by this, and is tried by others.
VERIFIED = ["workloads"]
PODS = "app.kubernetes.io/name=gateway,app.kubernetes.io/part-of=azora"


@pytest.fixture(scope="module")
def key(lab: dict[str, Any]) -> bytes:
    return signing_key(lab)


@pytest.fixture(scope="module")
def limited(play: Callable[..., subprocess.CompletedProcess[str]]) -> Iterator[None]:
    """The gateway with a low limit for each client, and a header that shows in answers; afterwards as it was."""
    changed = play(
        "playbooks/gateway.yml",
        catalogue_gateway_client_rate_limit={"rate": RATE, "per_seconds": PER_SECONDS},
        catalogue_gateway_request_headers={"add": {"X-Request-ID": MARK}},
        verify_checks=VERIFIED,
    )
    try:
        assert changed.returncode == 0, changed.stdout
        assert "every API of the catalogue is loaded, and every route answers" in changed.stdout
        yield
    finally:
        restored = play("playbooks/gateway.yml", verify_checks=VERIFIED)
        assert restored.returncode == 0, restored.stdout


def test_who_has_no_good_token_does_not_pass(outside: Request, key: bytes) -> None:
    assert outside("GET", "/users", token=None) == (400, {"error": "Authorization field missing"})
    for wrong in ("nonsense", token(bytes(32))):
        assert outside("GET", "/users", token=wrong) == (403, {"error": "Key not authorized"})
    expired = outside("GET", "/users", token=token(key, seconds=-5))
    assert expired == (401, {"error": "Key not authorized: token has expired"})
    assert outside("GET", "/users")[0] == 200


def test_the_gateway_s_own_api_is_not_for_the_outside(outside: Request) -> None:
    for path in ("/tyk/apis", "/hello", "/ready"):
        assert outside("GET", path)[0] == 404


@pytest.mark.usefixtures("limited")
def test_a_client_s_limit_is_one_for_both_replicas(
    outside: Request, core: kubernetes.client.CoreV1Api, key: bytes
) -> None:
    for attempt in range(ATTEMPTS):
        # Windows begin at multiples of their length.
        if (left := PER_SECONDS - time.time() % PER_SECONDS) < NEEDED_SECONDS:
            time.sleep(left)
        window, began = int(time.time() // PER_SECONDS), time.time()
        anna = token(key, subject=f"anna-{window}")
        statuses = [outside("GET", "/users", token=anna)[0] for _turn in range(REQUESTS)]
        if int(time.time() // PER_SECONDS) == window:
            break
        assert attempt < ATTEMPTS - 1, f"{REQUESTS} requests took {time.time() - began:.0f} s"
    passed = statuses.count(200)
    shares = [
        answers_of(core, pod.metadata.name, began)
        for pod in core.list_namespaced_pod("default", label_selector=PODS).items
    ]
    print(f"\n{passed} of {REQUESTS} passed with a limit of {RATE} in {PER_SECONDS} s; by replica: {shares}")
    assert abs(passed - RATE) <= 1
    assert set(statuses) == {200, 429}
    assert len(shares) == 2
    assert all(shares), "one of the replicas had no part in it"
    # Another client is not held up by this one.
    assert outside("GET", "/users", token=token(key, subject=f"berta-{window}"))[0] == 200


@pytest.mark.usefixtures("limited")
def test_a_header_of_the_gateway_arrives_at_the_service(lab: dict[str, Any], key: bytes) -> None:
    command = [
        "nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}", "curl", "--silent", "--show-error", "--max-time", "20",
        "--include", "--header", "@-", f"http://{lab['nodes'][0]['address']}:{GATEWAY_PORT}/courses",
    ]  # fmt: skip
    sent = f"Authorization: Bearer {token(key, subject='carla')}\nX-Request-ID: set-by-the-client\n"
    answer = subprocess.run(command, input=sent, capture_output=True, text=True, check=True).stdout.lower()
    assert f"x-request-id: {MARK}" in answer
    assert "x-content-type-options: nosniff" in answer


def answers_of(core: kubernetes.client.CoreV1Api, pod: str, began: float) -> int:
    """How many requests a replica let pass since then, by its log."""
    log = core.read_namespaced_pod_log(pod, "default", since_seconds=int(time.time() - began) + 1)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return sum(
        1 for line in lines if line["message"] == "proxied" and line["api_id"] == "user" and line["status"] == 200
    )
