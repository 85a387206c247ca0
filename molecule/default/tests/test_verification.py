# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verification finds what is broken on purpose, and names it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest

from conftest import processes

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def networking(api: kubernetes.client.ApiClient) -> kubernetes.client.NetworkingV1Api:
    return kubernetes.client.NetworkingV1Api(api)


def test_the_platform_as_it_stands_passes(verify: Play) -> None:
    finished = verify()
    assert finished.returncode == 0, finished.stdout
    assert "INCONCLUSIVE" not in finished.stdout.split("PLAY RECAP", maxsplit=1)[0].replace("0 inconclusive", "")


def test_while_nothing_changes_nothing_is_probed_again(verify: Play) -> None:
    before = verify(verify_force=False)
    assert before.returncode == 0, before.stdout
    again = verify(verify_force=False)
    assert again.returncode == 0, again.stdout
    assert "no packet was sent, for nothing has changed" in again.stdout


@pytest.fixture
def without_policy(networking: kubernetes.client.NetworkingV1Api) -> Iterator[None]:
    policy = networking.read_namespaced_network_policy("analytics-ingress", "azora-es")
    networking.delete_namespaced_network_policy("analytics-ingress", "azora-es")
    yield
    policy.metadata = kubernetes.client.V1ObjectMeta(
        name=policy.metadata.name, namespace=policy.metadata.namespace, labels=policy.metadata.labels
    )
    networking.create_namespaced_network_policy("azora-es", policy)


@pytest.mark.usefixtures("without_policy")
def test_a_missing_policy_is_named_by_the_connection_that_no_longer_works(verify: Play) -> None:
    finished = verify()
    assert finished.returncode != 0
    for source in ["default/user", "default/course", "default/enrollment", "default/session", "default/gateway"]:
        assert f"{source} cannot reach azora-es/analytics:8080" in finished.stdout
    told = " ".join(finished.stdout.split())
    assert "ingress: NetworkPolicy azora-es/default-deny isolates the destination" in told


@pytest.fixture
def misled_service(core: kubernetes.client.CoreV1Api) -> Iterator[None]:
    def lead(port: Any) -> None:
        ports = [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": port}]
        core.patch_namespaced_service("course", "default", ports)

    before = core.read_namespaced_service("course", "default").spec.ports[0].target_port
    lead(8099)
    yield
    lead(before)


@pytest.mark.usefixtures("misled_service")
def test_a_service_that_leads_to_another_port_is_named(verify: Play) -> None:
    finished = verify()
    assert finished.returncode != 0
    told = " ".join(finished.stdout.split())
    assert "no Service leads to port 8080 of default/course, which is declared" in told
    assert "default/course to 8099" in told


@pytest.fixture
def lawless_node(lab: dict[str, Any]) -> Iterator[str]:
    """A node whose agent hangs, and whose rules are gone."""
    node = lab["nodes"][1]
    agent = processes(lab, f"{node['name']}/network-policy-agent")
    for number in agent:
        os.kill(number, signal.SIGSTOP)
    enter = ["nsenter", f"--net=/var/run/netns/{node['netns']}"]
    subprocess.run([*enter, "nft", "delete", "table", "inet", "azora_network_policy"], check=True)
    yield node["name"]
    for number in agent:
        os.kill(number, signal.SIGCONT)


def test_a_node_that_enforces_nothing_is_the_first_finding(verify: Play, lawless_node: str) -> None:
    finished = verify()
    assert finished.returncode != 0
    findings = finished.stdout.split("MISMATCHES", maxsplit=1)[1]
    assert findings.splitlines()[1].strip().startswith(f"1. policies are not enforced on {lawless_node}: ")
    assert "the network plugin does not do what the policies say" in findings


@pytest.fixture
def open_door(networking: kubernetes.client.NetworkingV1Api) -> Iterator[None]:
    specification = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    for namespace in ["default", "azora-es"]:
        networking.create_namespaced_network_policy(
            namespace, {"metadata": {"name": "open-door", "namespace": namespace}, "spec": specification}
        )
    yield
    for namespace in ["default", "azora-es"]:
        networking.delete_namespaced_network_policy("open-door", namespace)


@pytest.mark.usefixtures("open_door")
def test_an_allow_all_policy_is_named_by_each_connection_that_should_be_closed(verify: Play) -> None:
    finished = verify()
    assert finished.returncode != 0
    services = {
        "default/user": {"azora-es/ai-agent", "azora-es/analytics"},
        "default/session": {"azora-es/analytics"},
        "azora-es/llm-wrapper": set(),
        "azora-es/analytics": set(),
    }
    everybody = [
        *(f"default/{name}" for name in ["user", "course", "enrollment", "session"]),
        *(f"azora-es/{name}" for name in ["ai-agent", "analytics", "llm-wrapper"]),
    ]
    for source, allowed in services.items():
        for destination in everybody:
            if destination not in {source, *allowed}:
                assert f"{source} can reach {destination}:8080" in finished.stdout


@pytest.fixture
def silent_pod(core: kubernetes.client.CoreV1Api, kubectl: list[str]) -> Iterator[str]:
    """A pod whose /health stops answering: the service image knows the signals for it."""
    pod = core.list_namespaced_pod("default", label_selector="app.kubernetes.io/name=course").items[0].metadata.name

    def signal(name: str) -> None:
        script = f"import os, signal; os.kill(1, signal.{name})"
        subprocess.run([*kubectl, "exec", pod, "--", "python3", "-c", script], check=True)

    signal("SIGUSR1")
    yield pod
    signal("SIGUSR2")


def test_a_health_path_that_stops_answering_is_named_by_its_pod(verify: Play, silent_pod: str) -> None:
    finished = verify()
    assert finished.returncode != 0
    assert silent_pod in finished.stdout


def test_five_mistakes_give_five_sentences_and_change_nothing(play: Play, api: kubernetes.client.ApiClient) -> None:
    deployments = kubernetes.client.AppsV1Api(api)

    def generations() -> dict[str, int]:
        items = deployments.list_deployment_for_all_namespaces().items
        return {item.metadata.uid: item.metadata.generation for item in items}

    before = generations()
    service = {"name": "alpha", "namespace": "default", "image": "example.org/alpha:1"}
    finished = play(
        "site.yml",
        catalogue_platform={
            "name": "broken",
            "namespaces": [{"name": "default"}],
            "services": [
                {**service, "calls": ["nobody"]},
                {**service, "name": "Beta_2"},
                {**service, "name": "gamma", "stores": [{"name": "oracle"}]},
                {**service, "name": "delta", "ports": {"http": 70000}},
                {**service, "name": "epsilon", "replica": 2},
            ],
        },
    )
    assert finished.returncode != 0
    for expected in ["nobody", "Beta_2", "oracle", "70000", "replicas"]:
        assert expected in finished.stdout, f"no sentence about {expected}"
    assert "Traceback" not in finished.stdout + finished.stderr
    assert "changed=0 " in finished.stdout
    assert before == generations()
