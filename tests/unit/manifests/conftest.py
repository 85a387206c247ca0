# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small platform in its normalised form, and settings as the roles' own defaults give them."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.azora.platform.plugins.module_utils import _catalogue

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"

PLATFORM: dict[str, t.Any] = {
    "name": "shop",
    "namespaces": [{"name": name} for name in ("front", "back", "data", "cache", "operators")],
    "operators": [
        {
            "name": "cloudnative-pg",
            "namespace": "operators",
            "pod_labels": {"app.kubernetes.io/name": "cloudnative-pg"},
        },
        {"name": "redis-enterprise", "namespace": "cache", "pod_labels": {"name": "redis-enterprise-operator"}},
        {"name": "strimzi", "namespace": "operators", "pod_labels": {"strimzi.io/kind": "cluster-operator"}},
    ],
    "stores": [
        {
            "name": "postgres",
            "kind": "postgresql",
            "namespace": "data",
            "databases": [
                {"name": "orders", "owner": "order_keeper", "extensions": ["vector"]},
                {"name": "archive", "owner": "order_keeper"},
            ],
        },
        {
            "name": "redis",
            "kind": "redis",
            "namespace": "cache",
            "databases": [
                {"name": "carts", "port": 12000, "memory": "150MB", "replication": True},
                {"name": "searches", "port": 12001, "version": "7.4", "modules": ["search"]},
                {"name": "gateway", "port": 12003, "version": "8.4", "modules": ["search"]},
            ],
        },
        {
            "name": "kafka",
            "kind": "kafka",
            "namespace": "data",
            "topics": [{"name": "sales", "partitions": 6}, {"name": "returns"}],
        },
    ],
    "defaults": {"image": "registry.example/shop:1.0"},
    "services": [
        {
            "name": "orders",
            "namespace": "front",
            "calls": ["statistics"],
            "stores": [{"name": "postgres", "database": "orders"}, {"name": "kafka", "produce": ["sales"]}],
            "expose": {"path": "/orders"},
            "environment": {"CURRENCY": "EUR"},
            "secrets": [{"name": "payment", "keys": ["PAYMENT_KEY", "PAYMENT_USER"]}],
        },
        {
            "name": "statistics",
            "namespace": "back",
            "stores": [
                {"name": "redis", "database": "carts"},
                {"name": "kafka", "produce": ["returns"], "consume": ["sales", "returns"]},
            ],
            "autoscaling": {
                "enabled": True,
                "min_replicas": 3,
                "max_replicas": 6,
                "scale_down_window_seconds": 120,
            },
        },
        {"name": "page", "namespace": "front", "calls": ["orders"], "pre_stop_seconds": 0, "ports": {"http": 8000}},
    ],
    "gateway": {
        "name": "gateway",
        "namespace": "front",
        "image": "registry.example/tyk:5.14",
        "stores": [{"name": "redis", "database": "gateway"}],
    },
}

Catalogue = dict[str, t.Any]
Manifests = list[dict[str, t.Any]]
Find = t.Callable[[Manifests, str, str], dict[str, t.Any]]


@pytest.fixture
def platform() -> dict[str, t.Any]:
    return PLATFORM


@pytest.fixture
def catalogue() -> Catalogue:
    return _catalogue.normalised(PLATFORM)


def _role_variables(role: str, **given: t.Any) -> Templar:
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for folder in ("defaults", "vars"):
        path = ROLES / role / folder / "main.yml"
        if path.exists():
            variables |= loader.load_from_file(str(path), trusted_as_template=True)
    return Templar(loader=loader, variables=variables | given)


@pytest.fixture
def settings() -> t.Callable[..., dict[str, t.Any]]:
    """What a role hands to its filter, with the role's own defaults."""

    def of(role: str, **given: t.Any) -> dict[str, t.Any]:
        templar = _role_variables(role, **{"cluster": {"openshift": False}, **given})
        return dict(templar.template(templar.available_variables[f"__{role}_settings"]))

    return of


@pytest.fixture(params=["small", "standard", "ha"])
def azora(request: pytest.FixtureRequest) -> Catalogue:
    """The catalogue that the collection brings, in each of its sizes."""
    templar = _role_variables("catalogue", catalogue_profile=request.param)
    return _catalogue.normalised(templar.template(templar.available_variables["catalogue_platform"]))


@pytest.fixture
def find() -> Find:
    def one(manifests: Manifests, kind: str, name: str) -> dict[str, t.Any]:
        found = [entry for entry in manifests if (entry["kind"], entry["metadata"]["name"]) == (kind, name)]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    return one
