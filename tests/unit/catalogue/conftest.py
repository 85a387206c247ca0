# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azora's own catalogue, as the role's defaults give it, and a cluster to put it on."""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from jinja2.nativetypes import NativeEnvironment

DEFAULTS = pathlib.Path(__file__).resolve().parents[3] / "roles" / "catalogue" / "defaults" / "main.yml"


def rendered(overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """catalogue_platform with its variables filled in, the way Ansible would."""
    variables = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8")) | (overrides or {})
    environment = NativeEnvironment()

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item) for item in value]
        if isinstance(value, str) and "{{" in value:
            return environment.from_string(value).render(**variables)
        return value

    # Some follow from another one, such as sizes from the profile; none from one of these.
    variables |= {
        name: fill(value)
        for name, value in variables.items()
        if isinstance(value, str) and "{{" in value and name != "catalogue_platform"
    }
    return fill(variables["catalogue_platform"])


@pytest.fixture(scope="session")
def azora() -> dict[str, Any]:
    return rendered()


@pytest.fixture
def platform(azora: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(azora)


@pytest.fixture
def render() -> Any:
    return rendered


@pytest.fixture
def catalogue(platform: dict[str, Any]) -> dict[str, Any]:
    return _catalogue.normalised(platform)


@pytest.fixture
def cluster() -> dict[str, Any]:
    return {
        "pod_cidrs": ["10.154.0.0/16"],
        "service_cidrs": ["10.155.0.0/17"],
        "node_cidrs": ["10.155.128.11/32", "10.155.128.12/32", "10.155.128.13/32"],
        "api_server": [{"address": "10.155.128.2", "port": 6443}],
        "dns": {
            "namespace": "kube-system",
            "pod_labels": {"k8s-app": "kube-dns"},
            "addresses": ["10.155.0.10"],
            "ports": [
                {"name": "dns", "protocol": "UDP", "port": 53, "service_port": 53},
                {"name": "dns-tcp", "protocol": "TCP", "port": 53, "service_port": 53},
            ],
        },
    }


@pytest.fixture
def small() -> dict[str, Any]:
    """The smallest catalogue that says something: two services, one calls the other."""
    return {
        "name": "small",
        "namespaces": [{"name": "shop"}],
        "services": [
            {"name": "front", "namespace": "shop", "image": "registry.example/front:1", "calls": ["back"]},
            {"name": "back", "namespace": "shop", "image": "registry.example/back:1"},
        ],
    }
