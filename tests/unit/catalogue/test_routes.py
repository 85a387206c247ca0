# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes of the gateway and the files that Tyk reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _routes


def test_routes_of_azora(catalogue: dict[str, Any]) -> None:
    routes = {route["path"]: (route["service"], route["strip_path"]) for route in _routes.gateway_routes(catalogue)}
    assert routes == {
        "/ai": ("ai-agent", True),
        "/analytics": ("analytics", True),
        "/courses": ("course", False),
        "/enrollments": ("enrollment", False),
        "/sessions": ("session", False),
        "/users": ("user", False),
    }
    assert list(routes) == sorted(routes)


def test_definitions_are_complete_classic_ones(catalogue: dict[str, Any]) -> None:
    definitions = _routes.gateway_api_definitions(catalogue)
    assert sorted(definitions) == ["ai-agent", "analytics", "course", "enrollment", "session", "user"]
    for name, definition in definitions.items():
        assert definition["api_id"] == definition["name"] == name
        assert definition["active"] is True
        # An OAS marker would make Tyk look for a second file.
        assert not definition.get("is_oas")
        # Azora's clients show a token on every route.
        assert (definition["use_keyless"], definition["enable_jwt"]) == (False, True)
        assert definition["version_data"]["versions"]["Default"]["name"] == "Default"
        # With strict routes a trailing slash would turn away the bare path.
        assert not definition["proxy"]["listen_path"].endswith("/")
        # Tyk skips files named *-oas.json.
        assert not name.endswith(("-oas", "-mcp"))
    assert definitions["ai-agent"]["proxy"] == {
        "listen_path": "/ai",
        "target_url": "http://ai-agent.azora-es.svc.cluster.local:8080",
        "strip_listen_path": True,
    }


def test_settings(catalogue: dict[str, Any]) -> None:
    settings = _routes.gateway_settings(catalogue)
    assert settings["listen_port"] == 8080
    assert settings["use_db_app_configs"] is False
    assert settings["http_server_options"]["enable_strict_routes"] is True
    assert settings["storage"]["addrs"] == ["gateway.azora-redis.svc.cluster.local:12003"]
    assert settings["storage"]["database"] == 0
    assert settings["policies"] == {
        "policy_source": "file",
        "policy_record_name": "/opt/tyk-gateway/policies/policies.json",
    }


def test_settings_hold_no_secret(catalogue: dict[str, Any]) -> None:
    """The product ships a public default secret: neither that one nor any other belongs into a ConfigMap."""
    settings = _routes.gateway_settings(catalogue)
    assert not {"secret", "node_secret"} & set(settings)
    assert "password" not in settings["storage"]


def test_settings_of_the_catalogue_win(platform: dict[str, Any]) -> None:
    platform["gateway"]["configuration"] = {"storage": {"timeout": 5}, "enable_analytics": False}
    settings = _routes.gateway_settings(_catalogue.normalised(platform))
    assert settings["enable_analytics"] is False
    assert settings["storage"]["timeout"] == 5
    assert settings["storage"]["type"] == "redis"


def test_control_port(platform: dict[str, Any]) -> None:
    platform["gateway"]["ports"] = {"http": 8080, "control": 8081}
    assert _routes.gateway_settings(_catalogue.normalised(platform))["control_api_port"] == 8081


def test_policies_file_is_a_document(catalogue: dict[str, Any]) -> None:
    policies = json.loads(json.dumps(_routes.gateway_policies(catalogue)))
    assert sorted(policies["clients"]["access_rights"]) == sorted(_routes.gateway_api_definitions(catalogue))


def test_no_gateway(small: dict[str, Any]) -> None:
    catalogue = _catalogue.normalised(small)
    assert _routes.gateway_routes(catalogue) == []
    with pytest.raises(_routes.NoGatewayError, match="no gateway"):
        _routes.gateway_settings(catalogue)
