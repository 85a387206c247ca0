# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services without what they depend on: one that stays healthy, and one whose health asks another service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
import yaml
from drill import wait_for

from conftest import ansible

NAMESPACE = "default"
FRAGILE = {"app.kubernetes.io/name": "fragile"}
USER = {"app.kubernetes.io/name": "user"}
PORT = 8080
# Healthy as long as user accepts connections.
SERVER = f"""
import http.server, socket

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 404
        if self.path == "/health":
            try:
                socket.create_connection(("user", {PORT}), 2).close()
                status = 200
            except OSError:
                status = 503
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer(("", {PORT}), Health).serve_forever()
"""
PROBE = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 2, "timeoutSeconds": 5}


def policy(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"podSelector": {"matchLabels": selector}, **spec}}


@pytest.fixture
def fragile(api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api) -> Iterator[None]:
    """A Deployment whose liveness depends on user, and the policies that let it ask there."""
    apps, networking = kubernetes.client.AppsV1Api(api), kubernetes.client.NetworkingV1Api(api)
    image = apps.read_namespaced_deployment("user", NAMESPACE).spec.template.spec.containers[0].image
    container = {
        "name": "fragile",
        "image": image,
        "command": ["python3", "-c", SERVER],
        "ports": [{"name": "http", "containerPort": PORT}],
        "livenessProbe": {**PROBE, "initialDelaySeconds": 3},
        "readinessProbe": PROBE,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"securityContext": restricted, "automountServiceAccountToken": False, "containers": [container]}
    template = {"metadata": {"labels": FRAGILE}, "spec": pod}
    ports = [{"port": PORT}]
    policies = [
        policy("fragile-egress", FRAGILE, egress=[{"to": [{"podSelector": {"matchLabels": USER}}], "ports": ports}]),
        policy(
            "fragile-to-user", USER, ingress=[{"from": [{"podSelector": {"matchLabels": FRAGILE}}], "ports": ports}]
        ),
    ]
    policies[0]["spec"]["policyTypes"] = ["Egress"]
    for one in policies:
        networking.create_namespaced_network_policy(NAMESPACE, one)
    specification = {"selector": {"matchLabels": FRAGILE}, "template": template}
    apps.create_namespaced_deployment(NAMESPACE, {"metadata": {"name": "fragile"}, "spec": specification})
    try:
        wait_for(
            "a ready pod of fragile",
            60,
            lambda: apps.read_namespaced_deployment("fragile", NAMESPACE).status.ready_replicas,
        )
        yield
    finally:
        apps.delete_namespaced_deployment("fragile", NAMESPACE)
        for one in policies:
            networking.delete_namespaced_network_policy(one["metadata"]["name"], NAMESPACE)
        wait_for(
            "the end of fragile",
            60,
            lambda: not core.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=fragile").items,
        )


def workload(name: str, selector: dict[str, str], replicas: int) -> dict[str, Any]:
    probe = {"path": "/health", "port": "http"}
    return {
        "name": name,
        "namespace": NAMESPACE,
        "selector": selector,
        "replicas": replicas,
        "probes": {"liveness": probe, "readiness": probe},
        "listens": [{"name": "http", "port": PORT, "application": "http"}],
    }


@pytest.mark.usefixtures("fragile")
def test_only_what_depends_on_nothing_stays_healthy_while_it_is_cut_off(
    lab: dict[str, Any], core: kubernetes.client.CoreV1Api, api: kubernetes.client.ApiClient
) -> None:
    user = kubernetes.client.AppsV1Api(api).read_namespaced_deployment("user", NAMESPACE)
    store = core.list_namespaced_pod("azora-data", label_selector="cnpg.io/cluster=pg,cnpg.io/podRole=instance").items
    sql = {"name": "postgresql", "port": 5432, "application": "postgresql"}
    pg = {"name": "pg", "namespace": "azora-data", "kind": "store", "listens": [sql], "replicas": len(store)}
    pg["selector"] = {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance"}
    before = {pod.metadata.uid: pod.status.container_statuses[0].restart_count for pod in pods_of(core, USER)}
    options = {
        "kubeconfig": lab["kubeconfig"],
        "prober_image": user.spec.template.spec.containers[0].image,
        "workloads": [workload("user", USER, user.spec.replicas), workload("fragile", FRAGILE, 1), pg],
        "connections": [
            {"source": "default/user", "destination": "azora-data/pg", "port": 5432, "allowed": True},
            {"source": "default/fragile", "destination": "default/user", "port": PORT, "allowed": True},
        ],
        "checks": ["probes", "connectivity", "policies"],
        "cut_off": ["all"],
        "kubelet_counters": "required",
    }
    finished = ansible("ansible", "localhost", "-m", "azora.platform.verify", "-a", json.dumps(options), check=False)
    outcome = yaml.safe_load(finished.stdout.split(" => ", maxsplit=1)[1])
    tested = {one["workload"]: one["cut_off"] for one in outcome["workloads"] if one["cut_off"]}
    for one in tested.values():
        print(f"\n{one['seconds']} s: {one['sentence']}")

    assert tested["default/user"]["verdict"] == "HEALTHY", tested
    assert (tested["default/user"]["failed"], tested["default/user"]["restarts"]) == (0, 0)
    assert tested["default/user"]["cut_off_from"] == ["azora-data/pg:5432"]
    assert tested["default/fragile"]["verdict"] == "UNHEALTHY", tested
    assert "statuscode: 503" in tested["default/fragile"]["reason"]
    # Its replica is well meanwhile, and user shares its path without having declared anything.
    (mismatch,) = outcome["mismatches"]
    assert mismatch["sentence"].startswith(
        f"the liveness probe of default/fragile (GET /health on port {PORT}) fails while it is cut off from default/user:{PORT}"
    )
    assert not core.list_pod_for_all_namespaces(label_selector="azora.platform/cut-off").items
    after = {pod.metadata.uid: pod.status.container_statuses[0].restart_count for pod in pods_of(core, USER)}
    assert after == before


def pods_of(core: kubernetes.client.CoreV1Api, labels: dict[str, str]) -> list[Any]:
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return list(core.list_namespaced_pod(NAMESPACE, label_selector=selector).items)
