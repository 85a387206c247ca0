# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cluster-level policies, by packets: the floor holds when a namespace loses its policies, and the Admin tier comes before them."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest

Play = Callable[..., subprocess.CompletedProcess[str]]
Rows = set[tuple[str, str, int]]

GROUP, VERSION, PLURAL = "policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies"
NAMESPACE = "azora-es"
LEVELS = ["ClusterNetworkPolicy Admin", "NetworkPolicy", "ClusterNetworkPolicy Baseline"]


class ClusterPolicies:
    """The ClusterNetworkPolicies of the lab."""

    def __init__(self, api: kubernetes.client.ApiClient) -> None:
        self._api = kubernetes.client.CustomObjectsApi(api)

    def create(self, name: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> None:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": spec,
        }
        self._api.create_cluster_custom_object(GROUP, VERSION, PLURAL, body)

    def delete(self, name: str) -> None:
        self._api.delete_cluster_custom_object(GROUP, VERSION, PLURAL, name)

    def read(self, name: str) -> dict[str, Any]:
        return dict(self._api.get_cluster_custom_object(GROUP, VERSION, PLURAL, name))

    @contextlib.contextmanager
    def standing(self, policies: dict[str, dict[str, Any]]) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for name, spec in policies.items():
                self.create(name, spec)
                stack.callback(self.delete, name)
            yield


@pytest.fixture
def cluster_policies(api: kubernetes.client.ApiClient) -> ClusterPolicies:
    return ClusterPolicies(api)


@pytest.fixture
def verified(verify: Play, tmp_path: pathlib.Path) -> Callable[[], dict[str, Any]]:
    """The report of a verification, whether it passed or not."""

    def run() -> dict[str, Any]:
        path = tmp_path / "verification.json"
        finished = verify(verify_report_path=[str(path)])
        assert path.exists(), finished.stdout + finished.stderr
        return dict(json.loads(path.read_text(encoding="utf-8")))

    return run


def pods(namespace: str, name: str) -> dict[str, Any]:
    return {
        "pods": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
        }
    }


def in_namespace(name: str) -> dict[str, Any]:
    return {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def rows(report: dict[str, Any], **wanted: Any) -> Rows:
    """Connections between workloads; what is outside is judged by its own column."""
    return {
        (row["source"], row["destination"], row["port"])
        for row in report["connections"]
        if not row.get("address") and all(row[key] == value for key, value in wanted.items())
    }


def touches(row: tuple[str, str, int], namespace: str = NAMESPACE) -> bool:
    return any(end.startswith(f"{namespace}/") for end in row[:2])


@pytest.fixture
def lawless_namespace(api: kubernetes.client.ApiClient) -> Iterator[list[str]]:
    """A namespace without a single NetworkPolicy."""
    networking = kubernetes.client.NetworkingV1Api(api)
    policies = networking.list_namespaced_network_policy(NAMESPACE).items
    networking.delete_collection_namespaced_network_policy(NAMESPACE)
    yield [policy.metadata.name for policy in policies]
    for policy in policies:
        policy.metadata = kubernetes.client.V1ObjectMeta(
            name=policy.metadata.name, namespace=NAMESPACE, labels=policy.metadata.labels
        )
        networking.create_namespaced_network_policy(NAMESPACE, policy)


@pytest.fixture
def dns_for_all(cluster_policies: ClusterPolicies) -> Iterator[None]:
    """The floor closes DNS as well; a timeout proves something only of a source that reaches something."""
    accept = {"name": "dns", "action": "Accept", "to": [in_namespace("kube-system")]}
    spec = {"tier": "Admin", "priority": 900, "subject": in_namespace(NAMESPACE), "egress": [accept]}
    with cluster_policies.standing({"dns-for-all": spec}):
        yield


@pytest.fixture
def without_floor(cluster_policies: ClusterPolicies) -> Iterator[None]:
    floor = cluster_policies.read(f"azora.{NAMESPACE}.floor")
    cluster_policies.delete(floor["metadata"]["name"])
    yield
    cluster_policies.create(floor["metadata"]["name"], floor["spec"], floor["metadata"]["labels"])


@pytest.mark.usefixtures("dns_for_all")
def test_a_namespace_without_its_policies_opens_nothing(
    lawless_namespace: list[str], verified: Callable[[], dict[str, Any]]
) -> None:
    assert "default-deny" in lawless_namespace
    report = verified()
    assert report["policy_levels"] == LEVELS
    declared = {row for row in rows(report, allowed=True) if touches(row)}
    assert declared
    assert rows(report, ok=False) == rows(report, verdict="BLOCKED", allowed=True) == declared
    assert not rows(report, verdict="INCONCLUSIVE")
    outside = [row for row in report["connections"] if row.get("address") and touches((row["source"], "", 0))]
    assert outside
    assert all(row["verdict"] != "OPEN" for row in outside)
    assert all(one["check"] != "contradiction" for one in report["mismatches"])
    [within] = [
        row
        for row in report["connections"]
        if (row["source"], row["destination"], row["port"]) == ("azora-es/llm-wrapper", "azora-es/analytics", 8080)
    ]
    assert any(f"ClusterNetworkPolicy azora.{NAMESPACE}.floor denies it" in reason for reason in within["decided_by"])


@pytest.mark.usefixtures("without_floor", "lawless_namespace")
def test_it_is_the_floor_that_keeps_it_closed(verified: Callable[[], dict[str, Any]]) -> None:
    opened = rows(verified(), verdict="OPEN", allowed=False)
    assert ("azora-es/llm-wrapper", "azora-es/analytics", 8080) in opened
    assert all(touches(row) for row in opened)


def test_the_admin_tier_comes_before_the_policies_in_the_order_of_priorities(
    cluster_policies: ClusterPolicies, verified: Callable[[], dict[str, Any]]
) -> None:
    wrapper, user = pods(NAMESPACE, "llm-wrapper"), pods("default", "user")
    to_http = [{"tcp": {"destinationPort": {"number": 8080}}}]
    by_name = [{"destinationNamedPort": "http"}]

    def admin(priority: int, subject: dict[str, Any], **rules: Any) -> dict[str, Any]:
        return {"tier": "Admin", "priority": priority, "subject": subject, **rules}

    policies = {
        # Made first and last, so that not the age decides.
        "test-deny": admin(
            40, in_namespace(NAMESPACE), ingress=[{"action": "Deny", "from": [in_namespace("default")]}]
        ),
        "test-accept": admin(10, user, egress=[{"action": "Accept", "to": [wrapper], "protocols": to_http}]),
        "test-accept-in": admin(20, wrapper, ingress=[{"action": "Accept", "from": [user], "protocols": by_name}]),
        "test-pass": admin(
            30, pods(NAMESPACE, "analytics"), ingress=[{"action": "Pass", "from": [pods("default", "course")]}]
        ),
    }
    with cluster_policies.standing(policies):
        report = verified()
    assert rows(report, verdict="OPEN", allowed=False) == {("default/user", "azora-es/llm-wrapper", 8080)}
    declared = {
        row
        for row in rows(report, allowed=True)
        if row[0].startswith("default/") and row[1].startswith(f"{NAMESPACE}/")
    }
    passed = ("default/course", "azora-es/analytics", 8080)
    assert passed in declared
    assert rows(report, verdict="BLOCKED", allowed=True) == declared - {passed}
    assert all(one["check"] != "contradiction" for one in report["mismatches"])
