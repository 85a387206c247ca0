# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every custom resource that is rendered passes its vendor's own schema, strictly: no unknown field, no wrong type."""

from __future__ import annotations

import copy
import pathlib
import typing as t

import jsonschema
import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import kafka_manifests
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_manifests
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import redis_manifests
from ansible_collections.azora.platform.plugins.module_utils._rotation import bridges, rotation_plan

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
VENDORS = CHECKOUT.parent / "shared" / "crds"
# Some of these files are half a megabyte.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Redis Enterprise's own definitions carry no licence; the lab's stand-in has its own, with the same fields.
STAND_INS = CHECKOUT / "roles" / "lab_operators" / "files" / "crds"


def strict(schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """A structural schema as JSON schema in which a field that is not described is an error."""
    result = {
        key: value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-") and key not in ("description", "default", "format", "nullable")
    }
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    for key in ("properties", "patternProperties"):
        if key in schema:
            result[key] = {name: strict(value) for name, value in schema[key].items()}
    if "items" in schema:
        result["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    if "properties" in schema and "additionalProperties" not in schema:
        is_open = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource")
        if not is_open:
            result["additionalProperties"] = False
    if schema.get("nullable") and "type" in result:
        result["type"] = [result["type"], "null"]
    return result


def definitions_in(folder: pathlib.Path) -> dict[tuple[str, str], dict[str, t.Any]]:
    found = {}
    for path in sorted(folder.rglob("*.y*ml")):
        documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=LOADER))
        # The vendors write streams of documents, the lab one list.
        for document in documents[0] if isinstance(documents[0], list) else documents:
            if document and document["kind"] == "CustomResourceDefinition":
                spec = document["spec"]
                for version in spec["versions"]:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    # What every resource has; a definition need not repeat it.
                    schema["properties"] |= {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                    }
                    identity = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                    found[identity] = schema
    return found


def mistakes(manifest: dict[str, t.Any], schema: dict[str, t.Any]) -> list[str]:
    validator = jsonschema.Draft7Validator(schema)
    identity = f"{manifest['kind']} {manifest['metadata']['name']}"
    return [
        f"{identity}: {'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(manifest)
    ]


@pytest.fixture(scope="module")
def vendors() -> dict[tuple[str, str], dict[str, t.Any]]:
    if not VENDORS.is_dir():
        pytest.skip("the vendors' definitions are not beside this checkout (../shared/crds)")
    return definitions_in(VENDORS)


FULL = {
    "postgres": {
        "postgres_storage_class": "fast",
        "postgres_wal_storage_size": "5Gi",
        "postgres_parameters": {"max_connections": 200},
        "postgres_backup_access_key_id": "AK",
        "postgres_backup_secret_access_key": "SK",
        "postgres_backup_ca": "-----BEGIN",
    },
    "kafka": {
        "kafka_storage_class": "fast",
        "kafka_image": "registry.example/kafka:1",
        "kafka_jvm_options": {"-Xms": "1024m", "-Xmx": "1024m"},
        "kafka_config": {"log.retention.hours": 24},
        "kafka_anti_affinity": "preferred",
    },
    "redis": {
        "redis_storage_class": "fast",
        "redis_image": "registry.example/redis:1",
        "redis_license_secret_name": "x",
        "redis_backup_ca": "-----BEGIN",
        "redis_backup_region": "eu-central-1",
    },
}
RENDER = {"postgres": postgres_manifests, "kafka": kafka_manifests, "redis": redis_manifests}


def rendered(role, catalogues, settings):
    variants: list[dict[str, t.Any]] = [{}, FULL[role]]
    if role == "kafka":
        variants.append({"kafka_controllers": 0})
    return [
        entry
        for catalogue in catalogues
        for given in variants
        for entry in RENDER[role](catalogue, settings(role, **given))
    ]


@pytest.fixture
def catalogues(platform, catalogue, azora):
    given = copy.deepcopy(platform)
    given["stores"][0]["backup"] = {"destination": "s3://shop/pg", "endpoint": "https://s3.example.org:9000"}
    given["stores"][1]["backup"] = {"destination": "s3://shop/redis", "endpoint": "https://s3.example.org:9000"}
    return [catalogue, azora, _catalogue.normalised(given)]


@pytest.mark.parametrize("role", ["postgres", "kafka"])
def test_resources_pass_the_vendors_schema(role, vendors, catalogues, settings):
    manifests = rendered(role, catalogues, settings)
    assert manifests
    found = []
    for manifest in manifests:
        identity = (manifest["apiVersion"], manifest["kind"])
        assert identity in vendors, f"{identity} is not among the vendors' definitions"
        found += mistakes(manifest, vendors[identity])
    assert found == []


def test_bridges_of_a_rotation_pass_the_vendors_schema(vendors, catalogues):
    manifests = [bridge for catalogue in catalogues for bridge in bridges(rotation_plan(catalogue, []))]
    assert len(manifests) > len(catalogues)
    assert [mistake for one in manifests for mistake in mistakes(one, vendors[one["apiVersion"], one["kind"]])] == []


def test_resources_of_redis_pass_the_schema_of_the_stand_in(catalogues, settings):
    definitions = definitions_in(STAND_INS) if STAND_INS.is_dir() else {}
    if ("app.redislabs.com/v1", "RedisEnterpriseCluster") not in definitions:
        pytest.skip("no definitions of Redis Enterprise are here")
    found = []
    for manifest in rendered("redis", catalogues, settings):
        found += mistakes(manifest, definitions[manifest["apiVersion"], manifest["kind"]])
    assert found == []


def test_the_check_is_strict(vendors, catalogue, settings):
    """What the API server would drop without a word is a mistake here."""
    cluster = postgres_manifests(catalogue, settings("postgres"))[0]
    schema = vendors["postgresql.cnpg.io/v1", "Cluster"]
    assert mistakes(cluster, schema) == []
    cluster["spec"]["storage"]["clas"] = "fast"
    cluster["spec"]["instances"] = "three"
    assert len(mistakes(cluster, schema)) == 2
