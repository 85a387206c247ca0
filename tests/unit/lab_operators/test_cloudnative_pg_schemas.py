# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's own schemas: they accept the examples, and refuse what the vendor's refuse."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEFINITIONS = ROOT / "roles/lab_operators/files/crds/cloudnative-pg.yml"
SHARED = ROOT.parent / "shared"


@functools.cache
def definitions() -> list[dict[str, Any]]:
    return yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8"))


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as strict field validation sees it: what is not named is refused unless it is preserved."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = strict(schema["items"])
    return result


def check(resource: dict[str, Any]) -> None:
    for definition in definitions():
        spec = definition["spec"]
        if (f"{spec['group']}/v1", spec["names"]["kind"]) == (resource["apiVersion"], resource["kind"]):
            schema = strict(spec["versions"][0]["schema"]["openAPIV3Schema"])
            jsonschema.validate(
                {key: value for key, value in resource.items() if key != "metadata"} | {"metadata": {}}, schema
            )
            return
    raise AssertionError(f"no definition of {resource['kind']}")


def cluster(**spec: Any) -> dict[str, Any]:
    defaults = {"instances": 1, "storage": {"size": "1Gi"}}
    return {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "spec": {**defaults, **spec}}


def test_examples_are_accepted() -> None:
    if not (SHARED / "examples").is_dir():
        pytest.skip("../shared/examples is not here")
    resources = list(yaml.safe_load_all((SHARED / "examples/cnpg.yaml").read_text(encoding="utf-8")))
    assert {resource["kind"] for resource in resources} >= {"Cluster", "Database", "ObjectStore", "ScheduledBackup"}
    for resource in resources:
        check(resource)


@pytest.mark.parametrize(
    "spec",
    [
        {"instances": 0},
        {"replicas": 3},
        {"storage": {"class": "fast"}},
        {"postgresql": {"parameters": {"max_connections": 100}}},
        {"managed": {"roles": [{"login": True}]}},
        {"managed": {"roles": [{"name": "a", "password": "b"}]}},
        {"primaryUpdateMethod": "reboot"},
    ],
)
def test_what_the_vendor_refuses_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(cluster(**spec))


def test_names_columns_and_subresources_are_the_vendors() -> None:
    folder = SHARED / "crds/cloudnative-pg"
    if not folder.is_dir():
        pytest.skip("../shared/crds is not here")
    compared = 0
    for definition in definitions():
        name = definition["metadata"]["name"].split(".", 1)[0]
        file = folder / f"postgresql.cnpg.io_{name}.yaml"
        if not file.is_file():
            continue
        theirs = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        ours = definition["spec"]
        assert ours["names"] == theirs["names"]
        assert ours["scope"] == theirs["scope"]
        ours_version, theirs_version = ours["versions"][0], theirs["versions"][0]
        assert ours_version["name"] == theirs_version["name"]
        assert ours_version["subresources"] == theirs_version["subresources"]
        assert ours_version["additionalPrinterColumns"] == theirs_version["additionalPrinterColumns"]
        fields = [
            v["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] for v in (ours_version, theirs_version)
        ]
        assert set(fields[0]) == set(fields[1])
        compared += 1
    assert compared == 5


def test_defaults_are_the_vendors() -> None:
    folder = SHARED / "crds/cloudnative-pg"
    if not folder.is_dir():
        pytest.skip("../shared/crds is not here")

    def defaults(schema: dict[str, Any], path: str) -> dict[str, Any]:
        found = {path: schema["default"]} if "default" in schema else {}
        for name, part in schema.get("properties", {}).items():
            found |= defaults(part, f"{path}.{name}")
        return found | (defaults(schema["items"], f"{path}[]") if "items" in schema else {})

    for definition in definitions():
        file = folder / f"postgresql.cnpg.io_{definition['metadata']['name'].split('.', 1)[0]}.yaml"
        if file.is_file():
            theirs = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"][0]["schema"][
                "openAPIV3Schema"
            ]
            ours = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            assert defaults(ours, "").items() <= defaults(theirs, "").items()
