# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module: manifests from files, objects from a cluster, and what it answers."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.azora.platform.plugins.module_utils import _kubernetes_client_reachability
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._policy_manifests import manifests_from
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from ansible_collections.azora.platform.plugins.modules import reachability_info
from policy_objects import default_deny, from_app, namespace, node, pod, policy, ports

OBJECTS = [
    namespace("shop"),
    pod("shop/front", address="10.0.0.1"),
    pod("shop/api", address="10.0.0.2", ports={"http": 8080}),
    default_deny("shop"),
    policy("shop/api", "api", policyTypes=["Ingress"], ingress=[{"from": [from_app("front")], "ports": ports("http")}]),
]
QUERY = {"source": "shop/front", "destination": "shop/api", "port": "http"}


@pytest.fixture
def warned(monkeypatch):
    """The module's warnings."""
    found: list[str] = []
    monkeypatch.setattr(reachability_info.AnsibleModule, "warn", lambda _module, sentence: found.append(sentence))
    return found


@pytest.fixture
def run(capsys):
    def run(**options):
        capsys.readouterr()
        with patch_module_args(options), pytest.raises(SystemExit):
            reachability_info.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "pods.yaml").write_text(yaml.safe_dump_all([*OBJECTS[:3], None]), encoding="utf-8")
    listed = {"apiVersion": "v1", "kind": "List", "items": OBJECTS[3:]}
    (tmp_path / "policies.json").write_text(json.dumps(listed), encoding="utf-8")
    (tmp_path / "README.md").write_text("not a manifest", encoding="utf-8")
    return tmp_path


def test_queries(run):
    outcome = run(manifests=OBJECTS, queries=[QUERY, {**QUERY, "port": 1}], _ansible_check_mode=True)
    assert outcome["changed"] is False
    assert [one["allowed"] for one in outcome["results"]] == [False, False]
    assert outcome["results"][0]["source"] == "shop/front"
    assert outcome["results"][0]["decided_by"][1]["sentence"] == (
        "ingress: NetworkPolicy shop/api allows it (spec.ingress[0])"
    )
    assert outcome["summary"] == {"pods": 2, "workloads": 2, "policies": 2, "groups": 4}
    assert "connections" not in outcome


def test_connections_from_a_folder(run, folder):
    egress = policy("shop/front", "front", egress=[{"to": [from_app("api")]}])
    outcome = run(manifests=[str(folder), egress])
    assert [(row["source"], row["destination"], row["ports"]) for row in outcome["connections"]] == [
        ("shop/Pod/front", "shop/Pod/api", ["8080"])
    ]


def test_expected(run):
    outcome = run(manifests=OBJECTS, expected=[QUERY])
    assert (outcome["passed"], outcome["counts"]["missing"]) == (False, 1)
    mend = outcome["missing"][0]["mend"]
    assert mend["changes"][0]["manifest"]["metadata"]["name"] == "front-egress-to-api"
    mended = run(manifests=[*OBJECTS, mend["changes"][0]["manifest"]], expected=[QUERY])
    assert mended["passed"] is True


def test_mistakes(run):
    broken = policy("shop/p", ingress=[{"ports": [{"port": 0}]}], policyTypes=["Out"])
    outcome = run(manifests=[broken])
    assert outcome["failed"]
    assert outcome["mistakes"] == [
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port is 0; it must be a port number from 1 to 65535",
        'NetworkPolicy shop/p: spec.policyTypes[0] is "Out"; it must be Ingress or Egress',
    ]
    assert outcome["msg"] == f"This cannot be judged: {'; '.join(outcome['mistakes'])}."


def test_other_products_are_a_warning(run, warned):
    foreign = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "x", "namespace": "shop"},
    }
    outcome = run(manifests=[*OBJECTS, foreign], queries=[QUERY])
    assert outcome["not_judged"] == ["CiliumNetworkPolicy shop/x (cilium.io/v2)"]
    assert warned == [
        "policies that only their own product can judge are left out, 1 of the kinds CiliumNetworkPolicy; they may close, or open, more "
        "than is told here."
    ]


# --- Files


def test_a_folder_may_hold_other_things(folder):
    (folder / "values.yaml").write_text("replicas: 2\n", encoding="utf-8")
    objects, warnings = manifests_from([str(folder)])
    assert len(objects) == 4
    assert warnings == [
        f"document 1 of {folder}/values.yaml is a dictionary that is no Kubernetes object; it is left out"
    ]


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.yaml").write_text("kind: [", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("just text", encoding="utf-8")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyInputError) as caught:
        manifests_from([str(tmp_path / name) for name in ("a.yaml", "b.yaml", "c.yaml", "none.yaml", "empty")])
    told = [sentence.replace(f"{tmp_path}/", "") for sentence in caught.value.mistakes]
    assert told[0].startswith("a.yaml, line 1 is neither YAML nor JSON")
    assert told[1] == 'document 1 of b.yaml is "just text" that is no Kubernetes object'
    assert told[2].startswith("c.yaml")
    assert told[3] == "none.yaml cannot be read: No such file or directory"
    assert told[4] == "the folder empty has no file that ends in .yaml, .yml, .json"


# --- A cluster


class ApiDouble:
    """Lists and documents by path; what is not there is answered as the API server does."""

    def __init__(self, **answers: Any) -> None:
        self.lists: dict[str, Any] = {
            "/api/v1/namespaces": [bare(OBJECTS[0])],
            "/api/v1/pods": [bare(one) for one in OBJECTS[1:3]],
            "/api/v1/nodes": [bare(node("n1", "192.168.0.1"))],
            "/apis/networking.k8s.io/v1/networkpolicies": [bare(one) for one in OBJECTS[3:]],
        }
        self.documents: dict[str, Any] = {"/apis": {"groups": []}}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self.__dict__.update(answers)

    def list(self, path: str, **_selectors: str) -> Any:
        return self._answer(self.lists, path)

    def get(self, path: str) -> Any:
        return self._answer(self.documents, path)

    def _answer(self, answers: dict[str, Any], path: str) -> Any:
        with self._lock:
            self.asked.append(path)
        found = answers.get(path, KubernetesError(f"GET {path}: not found", 404))
        if isinstance(found, KubernetesError):
            raise found
        return found

    def serve(self, version: str, kind: str, name: str, *items: Any) -> None:
        """A kind of another API group."""
        group = version.partition("/")[0]
        groups = self.documents["/apis"]["groups"]
        entry = next((one for one in groups if one["name"] == group), None)
        if entry is None:
            entry = {"name": group, "versions": [], "preferredVersion": {"groupVersion": version}}
            groups.append(entry)
        if {"groupVersion": version} not in entry["versions"]:
            entry["versions"].append({"groupVersion": version})
        resources = self.documents.setdefault(f"/apis/{version}", {"resources": []})["resources"]
        resources += [{"kind": kind, "name": name}, {"kind": kind, "name": f"{name}/status"}]
        self.lists[f"/apis/{version}/{name}"] = list(items)


def bare(one):
    """As the API returns the items of a list."""
    return {key: value for key, value in one.items() if key not in ("kind", "apiVersion")}


@pytest.fixture
def api(monkeypatch):
    double = ApiDouble()
    monkeypatch.setattr(KubernetesClient, "from_options", classmethod(lambda _cls, _options: double))
    return double


def test_a_cluster(run, api):
    outcome = run(queries=[QUERY])
    assert outcome["results"][0]["decided_by"][1]["outcome"] == "allowed"
    assert outcome["summary"]["pods"] == 2
    assert outcome["not_judged"] == []


def test_every_kind_of_policy_that_the_cluster_serves_is_read(run, api):
    deny = {
        "metadata": {"name": "deny"},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {}},
            "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}],
        },
    }
    api.serve("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", deny)
    api.serve("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies")
    api.serve(
        "cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", {"metadata": {"name": "a", "namespace": "b"}}
    )
    api.serve("cilium.io/v2", "CiliumEndpoint", "ciliumendpoints", {"metadata": {"name": "never-read"}})
    api.serve("apps/v1", "Deployment", "deployments")
    outcome = run(queries=[QUERY])
    assert outcome["results"][0]["decided_by"][1]["policies"] == ["ClusterNetworkPolicy deny"]
    assert outcome["not_judged"] == ["CiliumNetworkPolicy b/a (cilium.io/v2)"]
    assert "/apis/cilium.io/v2/ciliumendpoints" not in api.asked


def test_a_kind_in_several_versions_is_read_once_in_the_one_that_is_judged(api):
    api.serve("policy.networking.k8s.io/v1beta1", "ClusterNetworkPolicy", "clusternetworkpolicies")
    api.serve("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies")
    objects, _warnings = _kubernetes_client_reachability.read_objects(api)
    read = [one["apiVersion"] for one in objects if one["kind"] == "ClusterNetworkPolicyList"]
    assert read == ["policy.networking.k8s.io/v1alpha2"]


def test_nodes_that_may_not_be_read_are_told(run, api, warned):
    api.lists["/api/v1/nodes"] = KubernetesError("GET /api/v1/nodes: forbidden", 403)
    outcome = run(queries=[QUERY])
    assert not outcome.get("failed")
    assert warned == ["the nodes of this cluster may not be read, so what depends on their addresses is not judged."]


@pytest.mark.parametrize("path", ["/api/v1/pods", "/apis/networking.k8s.io/v1/networkpolicies"])
def test_policies_and_pods_must_be_readable(run, api, path):
    api.lists[path] = KubernetesError(f"GET {path}: forbidden", 403)
    outcome = run(queries=[QUERY])
    assert outcome["failed"]
    assert outcome["msg"] == f"The cluster cannot be read: GET {path}: forbidden."


def test_policies_of_the_cluster_wide_kinds_must_be_readable(run, api):
    api.serve("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies")
    api.lists["/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies"] = KubernetesError("forbidden", 403)
    assert run(queries=[QUERY])["failed"]
