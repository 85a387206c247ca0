# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operators by Helm and by OLM on a cluster, upgraded without loss, and webhooks that are waited for.

There are no vendors' charts and no OLM in the lab: a chart of this test, and a thread of it that does what OLM does with its resources.
"""

from __future__ import annotations

import io
import pathlib
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import kubernetes
import pytest
import yaml

from conftest import processes

Play = Callable[..., subprocess.CompletedProcess[str]]
Objects = kubernetes.client.CustomObjectsApi

NAMESPACE = "strimzi-system"
# The others stay as they are.
METHODS = {"cloudnative-pg": "present", "redis-enterprise": "present"}
OLM_GROUP, OLM_VERSION = "operators.coreos.com", "v1alpha1"
WANTED = "strimzi-cluster-operator.v1.2.0"


@pytest.fixture(scope="module")
def roles(play: Play, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run tasks of the role alone, without the rest of the stage."""
    folder = tmp_path_factory.mktemp("plays")

    def run(tasks_from: str = "main", **settings: Any) -> subprocess.CompletedProcess[str]:
        path = folder / f"{tasks_from}.yml"
        task = {
            "name": "Operators",
            "ansible.builtin.include_role": {"name": "azora.platform.operators", "tasks_from": tasks_from},
        }
        defaults = [{"group/azora.platform.k8s": "{{ azora_connection }}"}]
        play_of = {"hosts": "clusters", "connection": "local", "gather_facts": False, "module_defaults": defaults}
        path.write_text(yaml.safe_dump([{**play_of, "tasks": [task]}]), encoding="utf-8")
        return play(str(path), **settings)

    return run


@pytest.fixture(scope="module")
def helm(lab: dict[str, Any]) -> str:
    """The lab's, which lies where its control plane was started from."""
    found = shutil.which("helm")
    if found:
        return found
    started = (pathlib.Path(f"/proc/{number}/exe").resolve() for number in processes(lab, "control/etcd"))
    return str(next(started).parent / "helm")


def definition(kind: str, group: str, version: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """With the given properties of its specification, or with anything in it."""
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    described = {"type": "object", "properties": properties} if properties else anything
    spec = {"type": "object", "properties": {"spec": described, "status": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": spec}}],
        },
    }  # fmt: skip


@contextmanager
def without_definitions_after(api: kubernetes.client.ApiClient, *names: str) -> Iterator[None]:
    definitions = kubernetes.client.ApiextensionsV1Api(api)
    try:
        yield
    finally:
        for name in names:
            with suppress(kubernetes.client.ApiException):
                definitions.delete_custom_resource_definition(name)


def packed(folder: pathlib.Path, version: str, properties: dict[str, Any]) -> str:
    """A chart like Strimzi's: a definition in crds, and a Deployment (of no pods) that is told what to watch and where images are."""
    container = "{name: operator, image: '{{ .Values.defaultImageRegistry }}/strimzi/operator:{{ .Chart.AppVersion }}'}"
    watched = '{{ join "," .Values.watchNamespaces }}'
    deployment = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: of-a-chart, annotations: {{watches: '{watched}'}}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: of-a-chart}}}}
  template:
    metadata: {{labels: {{app: of-a-chart}}}}
    spec: {{containers: [{container}]}}
"""
    files = {
        "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": "tried", "version": version, "appVersion": version}),
        "values.yaml": yaml.safe_dump({"watchNamespaces": [], "defaultImageRegistry": "quay.io"}),
        "crds/thing.yaml": yaml.safe_dump(definition("Thing", "tried.example.org", "v1", properties)),
        "templates/deployment.yaml": deployment,
    }
    path = folder / f"tried-{version}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"tried/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return str(path)


THINGS = ("tried.example.org", "v1", NAMESPACE, "things")
# Not those of the Prometheus operator itself, which runs on the lab.
MONITORS = "monitors.example.org"


@pytest.fixture
def chart_is_gone_after(api: kubernetes.client.ApiClient, lab: dict[str, Any], helm: str) -> Iterator[None]:
    names = [f"{kind}s.{MONITORS}" for kind in ("podmonitor", "prometheusrule", "servicemonitor")]
    with without_definitions_after(api, "things.tried.example.org", *names):
        yield
        subprocess.run(
            [
                helm,
                "--kubeconfig",
                lab["kubeconfig"],
                "--namespace",
                NAMESPACE,
                "uninstall",
                "--ignore-not-found",
                "strimzi",
            ],
            check=True,
        )


@pytest.mark.usefixtures("chart_is_gone_after")
def test_a_chart_is_installed_upgraded_with_its_definitions_and_then_left(
    roles: Play, api: kubernetes.client.ApiClient, helm: str, tmp_path: pathlib.Path
) -> None:
    # As the Prometheus operator's are, with a sign that YAML 1.1 has no value for.
    text = "\n---\n".join(
        yaml.safe_dump(definition(kind, MONITORS, "v1", {"match": {"type": "string", "enum": ["SIGN", "!="]}}))
        for kind in ("PodMonitor", "PrometheusRule", "ServiceMonitor")
    ).replace("SIGN", "=")
    (tmp_path / "definitions.yaml").write_text(text, encoding="utf-8")

    def install(version: str, properties: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return roles(
            operators_method="present",
            operators_methods={"strimzi": "helm"},
            operators_definitions=["prometheus-operator"],
            operators_helm_binary=helm,
            operators_image_mirror="registry.example.com/mirror",
            operators_releases=[
                {"name": "strimzi", "version": version, "chart": {"path": packed(tmp_path, version, properties)}},
                {"name": "prometheus-operator", "sources": [{"path": str(tmp_path / "definitions.yaml")}]},
            ],
        )

    apps, custom = kubernetes.client.AppsV1Api(api), Objects(api)
    first = install("1.1.0", {"size": {"type": "integer"}})
    assert first.returncode == 0, first.stdout + first.stderr
    thing = {"apiVersion": "tried.example.org/v1", "kind": "Thing", "metadata": {"name": "kept"}, "spec": {"size": 3}}
    kept = custom.create_namespaced_custom_object(*THINGS, thing)

    properties = {"size": {"type": "integer"}, "colour": {"type": "string", "default": "red"}}
    upgraded = install("1.2.0", properties)
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    found = apps.read_namespaced_deployment("of-a-chart", NAMESPACE)
    assert found.metadata.annotations["watches"] == "azora-data"
    assert found.spec.template.spec.containers[0].image == "registry.example.com/mirror/strimzi/operator:1.2.0"
    # Helm alone would have left the definition as it was.
    now = custom.get_namespaced_custom_object(*THINGS, "kept")
    assert now["metadata"]["uid"] == kept["metadata"]["uid"]
    assert now["spec"] == {"size": 3, "colour": "red"}

    again = install("1.2.0", properties)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout


def test_helm_that_is_not_there_is_missed_before_anything_is_changed(roles: Play, tmp_path: pathlib.Path) -> None:
    refused = roles(
        operators_method="present",
        operators_methods={"strimzi": "helm"},
        operators_helm_binary=str(tmp_path / "helm"),
        operators_releases=[{"name": "strimzi", "chart": {"path": str(tmp_path / "chart.tgz")}}],
    )
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert f"strimzi come by Helm, and the program {tmp_path}/helm does not run" in said, refused.stdout
    assert " changed=0 " in refused.stdout


class Olm(threading.Thread):
    """What OLM does: a plan for a Subscription, step by step through the versions, each when the one before was approved."""

    def __init__(self, custom: Objects, steps: list[str]) -> None:
        super().__init__()
        self.custom, self.steps = custom, steps
        self.ended = threading.Event()

    def place(self, plural: str) -> tuple[str, str, str, str]:
        return OLM_GROUP, OLM_VERSION, NAMESPACE, plural

    def make(self, kind: str, plural: str, name: str, **content: Any) -> None:
        body = {"apiVersion": f"{OLM_GROUP}/{OLM_VERSION}", "kind": kind, "metadata": {"name": name}, **content}
        self.custom.create_namespaced_custom_object(*self.place(plural), body)

    def await_that(self, condition: Callable[[], Any]) -> bool:
        while not self.ended.wait(0.3):
            with suppress(kubernetes.client.ApiException):
                if condition():
                    return True
        return False

    def run(self) -> None:
        if not self.await_that(
            lambda: self.custom.get_namespaced_custom_object(*self.place("subscriptions"), "strimzi-kafka-operator")
        ):
            return
        for number, version in enumerate(self.steps):
            name = f"install-{number}"
            self.make(
                "InstallPlan",
                "installplans",
                name,
                spec={"approved": False, "approval": "Manual", "clusterServiceVersionNames": [version]},
            )
            plan = self.place("installplans")
            if not self.await_that(
                lambda: self.custom.get_namespaced_custom_object(*plan, name)["spec"]["approved"]  # noqa: B023
            ):
                return
            self.make(
                "ClusterServiceVersion", "clusterserviceversions", version, spec={}, status={"phase": "Succeeded"}
            )


def test_olm_is_followed_to_the_wanted_version_and_no_further(roles: Play, api: kubernetes.client.ApiClient) -> None:
    definitions, custom = kubernetes.client.ApiextensionsV1Api(api), Objects(api)
    kinds = ("Subscription", "InstallPlan", "ClusterServiceVersion", "OperatorGroup")
    made = [definition(kind, OLM_GROUP, "v1" if kind == "OperatorGroup" else OLM_VERSION) for kind in kinds]
    settings = {
        "operators_method": "present",
        "operators_methods": {"strimzi": "olm"},
        "operators_timeout": 60,
    }
    refused = roles(**settings)
    assert refused.returncode != 0
    assert "this cluster has no Operator Lifecycle Manager" in " ".join(refused.stdout.split())
    with ExitStack() as stack:
        stack.enter_context(without_definitions_after(api, *(one["metadata"]["name"] for one in made)))
        for one in made:
            definitions.create_custom_resource_definition(one)
        olm = Olm(custom, ["strimzi-cluster-operator.v1.1.0", WANTED, "strimzi-cluster-operator.v1.3.0"])
        stack.callback(olm.join)
        stack.callback(olm.ended.set)
        olm.start()
        installed = roles(**settings)
        assert installed.returncode == 0, installed.stdout + installed.stderr
        groups = custom.list_namespaced_custom_object(OLM_GROUP, "v1", NAMESPACE, "operatorgroups")["items"]
        assert [group["spec"]["targetNamespaces"] for group in groups] == [["azora-data"]]
        assert olm.await_that(
            lambda: len(custom.list_namespaced_custom_object(*olm.place("installplans"))["items"]) == 3
        )
        again = roles(**settings)
        assert again.returncode == 0, again.stdout + again.stderr
        assert " changed=0 " in again.stdout
        plans = custom.list_namespaced_custom_object(*olm.place("installplans"))["items"]
        approved = [plan["spec"]["clusterServiceVersionNames"][0] for plan in plans if plan["spec"]["approved"]]
        assert sorted(approved) == ["strimzi-cluster-operator.v1.1.0", WANTED]


@contextmanager
def webhook_without_anybody(api: kubernetes.client.ApiClient) -> Iterator[Callable[[], None]]:
    """Of new clusters of PostgreSQL, at a Service that is not there. What is there already goes on."""
    registrations = kubernetes.client.AdmissionregistrationV1Api(api)
    name = "nobody.example.org"
    rule = {
        "apiGroups": ["postgresql.cnpg.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["clusters"],
    }
    webhook = {
        "name": name,
        "clientConfig": {"service": {"name": "nobody", "namespace": "cnpg-system", "path": "/", "port": 443}},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
    }  # fmt: skip
    registrations.create_mutating_webhook_configuration({"metadata": {"name": name}, "webhooks": [webhook]})

    def remove() -> None:
        with suppress(kubernetes.client.ApiException):
            registrations.delete_mutating_webhook_configuration(name)

    try:
        yield remove
    finally:
        remove()


def test_webhooks_are_waited_for_and_named_where_they_do_not_answer(
    roles: Play, api: kubernetes.client.ApiClient
) -> None:
    settings = {"operators_method": "lab"}
    with webhook_without_anybody(api) as remove:
        silent = roles("wait", operators_timeout=3, **settings)
        assert silent.returncode != 0
        said = " ".join(silent.stdout.split())
        assert "the webhook nobody.example.org of the operator cloudnative-pg in cnpg-system does not answer" in said, (
            silent.stdout
        )
        assert "its port 9443 must be open from the API server" in said
        # It comes while it is waited for.
        later = threading.Timer(12, remove)
        later.start()
        answered = roles("wait", operators_timeout=60, **settings)
        later.join()
        assert answered.returncode == 0, answered.stdout + answered.stderr
    clusters = Objects(api).list_namespaced_custom_object("postgresql.cnpg.io", "v1", "azora-data", "clusters")["items"]
    assert "azora-webhook-trial" not in {cluster["metadata"]["name"] for cluster in clusters}
