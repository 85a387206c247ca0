# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A platform of its own on the lab while that looks like an OpenShift: the APIs are served, and what stands on every OpenShift is there.

Nothing is overridden: the flavour, the addresses and the resolver are found. Pods of the platform get the user of their namespace by an
admission policy that refuses others, and ask for names at openshift-dns, whose pods answer on 5353. What OpenShift's controllers would do is
done by nobody: no router takes the Routes.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest
import yaml
from drill import KNOCK, wait_for
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from conftest import CHECKOUT, ansible, playbook_command

HERE = pathlib.Path(__file__).parent / "openshift"
PLACE = pathlib.Path("/var/lib/azora-lab")
NAMESPACES = ("mall", "mall-data", "mall-monitoring")
USER = 1000700000
PEER = "kubernetes.io/metadata.name"

Run = Callable[..., subprocess.CompletedProcess[str]]
Objects = list[dict[str, Any]]


class Cluster:
    """Objects of any kind, by the client that finds out what is served."""

    def __init__(self, api: kubernetes.client.ApiClient) -> None:
        self.dynamic = kubernetes.dynamic.DynamicClient(api)

    def resource(self, one: dict[str, Any]) -> Any:
        return self.dynamic.resources.get(api_version=one["apiVersion"], kind=one["kind"])

    def apply(self, one: dict[str, Any]) -> None:
        place = {"name": one["metadata"]["name"], "namespace": one["metadata"].get("namespace")}
        # The API server tells of a new kind a moment after it is established.
        wait_for(f"{one['kind']} to be served", 20, lambda: self._served(one))
        self.resource(one).server_side_apply(body=one, field_manager="test-openshift", force_conflicts=True, **place)

    def _served(self, one: dict[str, Any]) -> bool:
        try:
            return bool(self.resource(one))
        except ResourceNotFoundError:
            self.dynamic.resources.invalidate_cache()
            return False

    def delete(self, one: dict[str, Any]) -> None:
        with contextlib.suppress(NotFoundError, ResourceNotFoundError):
            self.resource(one).delete(name=one["metadata"]["name"], namespace=one["metadata"].get("namespace"))

    def list(self, api_version: str, kind: str, namespace: str) -> dict[str, dict[str, Any]]:
        found = self.resource({"apiVersion": api_version, "kind": kind}).get(namespace=namespace).to_dict()["items"]
        return {one["metadata"]["name"]: one for one in found}


@pytest.fixture(scope="module")
def images(lab_name: str) -> dict[str, str]:
    listed = json.loads((PLACE / lab_name / "images.json").read_text(encoding="utf-8"))
    return {name: one["reference"] for name, one in listed.items()}


@pytest.fixture(scope="module")
def objects(lab: dict[str, Any], images: dict[str, str]) -> Objects:
    """What stands on an OpenShift."""
    text = (HERE / "cluster.yml").read_text(encoding="utf-8")
    own = str(lab["dns_address"]).rsplit(".", 1)[0] + ".53"
    given = {
        "pod_cidr": lab["pod_cidr"],
        "service_cidr": lab["service_cidr"],
        "lab_dns": lab["dns_address"],
        "openshift_dns": own,
        "user": str(USER),
        **{name: images[name] for name in ("base", "coredns", "prometheus")},
    }
    for name, value in given.items():
        text = text.replace(f"${name}$", value)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, lab_name: str, images: dict[str, str]) -> Run:
    """Plays for the host of the platform alone."""
    folder = tmp_path_factory.mktemp("inventory")
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"clusters": {"hosts": {"mall": host}}}), encoding="utf-8")
    variables = folder / "host_vars" / "mall"
    variables.mkdir(parents=True)
    (variables / "mall.yml").symlink_to(HERE / "mall.yml")
    named = {"mall_service_image": images["service"], "mall_gateway_image": images["gateway"]}
    (variables / "images.yml").write_text(yaml.safe_dump(named), encoding="utf-8")

    def play(playbook: str, **extra: object) -> subprocess.CompletedProcess[str]:
        inventories = ["-i", str(CHECKOUT / "inventories" / "lab"), "-i", str(folder), "--limit", "mall"]
        return ansible(*playbook_command(playbook, lab_name, extra), *inventories, check=False)

    return play


@pytest.fixture(scope="module", autouse=True)
def cluster(api: kubernetes.client.ApiClient, objects: Objects, run: Run) -> Iterator[Cluster]:
    """The lab as an OpenShift, and as it was afterwards, whatever happened: the definitions go last."""
    definitions: Objects = yaml.safe_load((HERE / "definitions.yml").read_text(encoding="utf-8"))
    core, found = kubernetes.client.CoreV1Api(api), Cluster(api)
    try:
        for one in [*definitions, *objects]:
            found.apply(one)
        yield found
    finally:
        standing = {one.metadata.name for one in core.list_namespace().items}
        taken = (
            run("playbooks/teardown.yml", teardown_data="delete", teardown_confirm="mall")
            if set(NAMESPACES) & standing
            else None
        )
        for one in reversed(objects):
            found.delete(one)
        # An operator of Redis stays where another platform has resources of its kinds; nothing of its own waits for it any more.
        for name in NAMESPACES:
            found.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        ours = {*NAMESPACES, *(one["metadata"]["name"] for one in objects if one["kind"] == "Namespace")}
        wait_for(
            "the end of the namespaces",
            120,
            lambda: not ours & {one.metadata.name for one in core.list_namespace().items},
        )
        for one in definitions:
            found.delete(one)
        assert taken is None or taken.returncode == 0, taken.stdout + taken.stderr


def test_monitoring_that_is_off_is_refused(run: Run) -> None:
    off = run("playbooks/monitoring.yml")
    assert off.returncode != 0
    assert "OpenShift does not monitor user-defined projects: enableUserWorkload is not true" in " ".join(
        off.stdout.split()
    )
    assert " changed=0 " in off.stdout


def test_the_platform_stands_with_everything_found(run: Run, cluster: Cluster) -> None:
    done = run("site.yml", monitoring_enable_user_workload=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    # Prometheus in openshift-user-workload-monitoring gets in, through the default deny.
    assert "Prometheus gets metrics of all 1 targets" in done.stdout
    settings = cluster.list("v1", "ConfigMap", "openshift-monitoring")["cluster-monitoring-config"]["data"][
        "config.yaml"
    ]
    assert settings == "# Of the administrators.\nprometheusK8s: {retention: 30d}\nenableUserWorkload: true\n"


def test_pods_name_no_user_and_run_as_the_one_they_are_given(cluster: Cluster) -> None:
    for name in ("carts", "gateway"):
        pod = cluster.list("apps/v1", "Deployment", "mall")[name]["spec"]["template"]["spec"]
        for context in (pod["securityContext"], pod["containers"][0]["securityContext"]):
            assert {"runAsUser", "runAsGroup", "fsGroup"} & set(context) == set(), name
    live = [one["spec"] for one in cluster.list("v1", "Pod", "mall").values()]
    assert len(live) == 2
    assert {pod["containers"][0]["securityContext"]["runAsUser"] for pod in live} == {USER}


def test_routes_lead_to_the_gateway_and_routers_may_read_its_certificate(cluster: Cluster) -> None:
    routes = cluster.list("route.openshift.io/v1", "Route", "mall")
    assert {name: one["spec"]["host"] for name, one in routes.items()} == {
        "gateway": "mall.apps.example.org",
        "gateway-1": "shop.apps.example.org",
    }
    service = cluster.list("v1", "Service", "mall")["gateway"]
    for one in routes.values():
        assert one["spec"]["to"] == {"kind": "Service", "name": "gateway", "weight": 100}
        assert one["spec"]["port"]["targetPort"] in {port["name"] for port in service["spec"]["ports"]}
        assert one["spec"]["tls"] == {
            "termination": "edge",
            "insecureEdgeTerminationPolicy": "Redirect",
            "externalCertificate": {"name": "mall-tls"},
        }
    assert cluster.list("rbac.authorization.k8s.io/v1", "Role", "mall")["gateway-certificate"]["rules"][0][
        "resourceNames"
    ] == ["mall-tls"]


def test_policies_name_what_openshift_has(cluster: Cluster) -> None:
    policies = cluster.list("networking.k8s.io/v1", "NetworkPolicy", "mall")
    (names,) = policies["allow-dns"]["spec"]["egress"]
    assert [peer["namespaceSelector"]["matchLabels"] for peer in names["to"]] == [{PEER: "openshift-dns"}]
    assert {"protocol": "UDP", "port": 5353} in names["ports"]
    let_in = json.dumps(policies["gateway-ingress"]["spec"]["ingress"])
    assert "policy-group.network.openshift.io/ingress" in let_in
    assert "policy-group.network.openshift.io/host-network" in let_in
    assert "openshift-user-workload-monitoring" in json.dumps(policies["carts-ingress"]["spec"]["ingress"])


def test_a_router_reaches_the_gateway_and_no_service(cluster: Cluster, core: kubernetes.client.CoreV1Api) -> None:
    addresses = {
        one["metadata"]["labels"]["app.kubernetes.io/name"]: f"{one['status']['podIP']}:8080"
        for one in cluster.list("v1", "Pod", "mall").values()
    }
    answer = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec,
        "router-default",
        "openshift-ingress",
        command=["python3", "-c", KNOCK, *addresses.values()],
        stdout=True,
        stderr=True,
    )
    assert answer.split() == [addresses["gateway"]]


def test_monitors_and_rules_are_what_user_workload_monitoring_takes(cluster: Cluster) -> None:
    monitoring = "monitoring.coreos.com/v1"
    (monitor,) = cluster.list(monitoring, "PodMonitor", "mall").values()
    assert "namespaceSelector" not in monitor["spec"]
    rules = {name: cluster.list(monitoring, "PrometheusRule", name) for name in NAMESPACES}
    assert {name: len(found) for name, found in rules.items()} == {"mall": 1, "mall-data": 1, "mall-monitoring": 1}
    assert "PolicyDrift" in json.dumps(rules["mall-monitoring"])
    assert "PolicyDrift" not in json.dumps(rules["mall"])
