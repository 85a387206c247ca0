# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins' own schemas: they accept the examples, and refuse what the vendors' refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "roles/lab_operators/files/crds"
SHARED = ROOT.parent / "shared"


def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """Schema of each served version: (apiVersion, kind)."""
    found = {}
    for file in ("redis-enterprise.yml", "strimzi.yml"):
        for definition in yaml.safe_load((SCHEMAS / file).read_text()):
            spec = definition["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                found[key] = version["schema"]["openAPIV3Schema"]
    return found


def check(resource: dict[str, Any]) -> None:
    jsonschema.validate(resource, schemas()[resource["apiVersion"], resource["kind"]])


def examples(name: str) -> list[dict[str, Any]]:
    if not (SHARED / "examples").is_dir():
        pytest.skip("../shared/examples is not here")
    return list(yaml.safe_load_all((SHARED / "examples" / name).read_text()))


@pytest.mark.parametrize("name", ["redis.yaml", "kafka.yaml"])
def test_examples_are_accepted(name: str) -> None:
    resources = examples(name)
    assert resources
    for resource in resources:
        check(resource)


def test_structural_rules_hold() -> None:
    """Each property has a type or is an int-or-string, as the API server demands."""

    def untyped(schema: dict[str, Any], path: str) -> list[str]:
        here = [] if "type" in schema or schema.get("x-kubernetes-int-or-string") else [path]
        parts = [*schema.get("properties", {}).items()]
        parts += [("[]", schema["items"])] if "items" in schema else []
        parts += [("*", schema["additionalProperties"])] if "additionalProperties" in schema else []
        return here + [found for name, part in parts for found in untyped(part, f"{path}.{name}")]

    assert [found for key, schema in schemas().items() for found in untyped(schema, key[1])] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"operation": "Read"}, "operations"),
        ({"operations": ["Red"]}, "enum"),
    ],
)
def test_the_singular_operation_of_old_versions_is_refused(change: dict[str, Any], path: str) -> None:
    del path
    acl = {"resource": {"type": "topic", "name": "t"}, **change}
    spec = {"authorization": {"type": "simple", "acls": [acl]}}
    with pytest.raises(jsonschema.ValidationError):
        check({"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaUser", "metadata": {"name": "u"}, "spec": spec})


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Kafka", {"kafka": {"listeners": [{"name": "TLS", "port": 9093, "type": "internal", "tls": True}]}}),
        ("Kafka", {"kafka": {"listeners": [{"name": "tls", "port": 9091, "type": "internal", "tls": True}]}}),
        ("KafkaNodePool", {"replicas": 1, "roles": ["zookeeper"], "storage": {"type": "ephemeral"}}),
        ("KafkaTopic", {"partitions": 0}),
    ],
)
def test_what_strimzi_refuses_is_refused(kind: str, spec: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check({"apiVersion": "kafka.strimzi.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec})


def test_a_cluster_of_several_nodes_and_a_replicated_database_are_accepted() -> None:
    for kind, version, spec in (
        ("RedisEnterpriseCluster", "v1", {"nodes": 3}),
        ("RedisEnterpriseDatabase", "v1alpha1", {"replication": True, "proxyPolicy": "all-nodes"}),
    ):
        check({"apiVersion": f"app.redislabs.com/{version}", "kind": kind, "metadata": {"name": "x"}, "spec": spec})


def test_a_persistence_that_the_vendor_does_not_know_is_refused() -> None:
    resource = {
        "apiVersion": "app.redislabs.com/v1alpha1",
        "kind": "RedisEnterpriseDatabase",
        "metadata": {"name": "db"},
        "spec": {"persistence": "snapshotEvery1Hours"},
    }
    with pytest.raises(jsonschema.ValidationError):
        check(resource)
