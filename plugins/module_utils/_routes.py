# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateway's routes, and the files in which Tyk reads them: classic API definitions, policies and tyk.conf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_defaults import merged

Catalogue = Mapping[str, Any]

ORGANISATION = "default"
APP_PATH = "/opt/tyk-gateway/apps"
POLICIES_FILE = "/opt/tyk-gateway/policies/policies.json"
TEMPLATE_PATH = "/opt/tyk-gateway/templates"


class NoGatewayError(ValueError):
    """The catalogue describes no gateway."""


def gateway_routes(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One route for each service that exposes a path, sorted by path."""
    routes = [
        {
            "service": service["name"],
            "path": service["expose"]["path"],
            "strip_path": service["expose"]["strip_path"],
            "target": service["url"],
        }
        for service in catalogue["services"]
        if service["expose"]
    ]
    return sorted(routes, key=lambda route: str(route["path"]))


def gateway_api_definitions(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """A classic API definition for each route, by the name of its service.

    Classic ones are complete by themselves; an OAS document would need a classic twin with every setting again.
    """
    return {route["service"]: _definition(route) for route in gateway_routes(catalogue)}


def _definition(route: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "api_id": route["service"],
        "org_id": ORGANISATION,
        "name": route["service"],
        "active": True,
        "use_keyless": True,
        "proxy": {
            "listen_path": route["path"],
            "target_url": route["target"],
            "strip_listen_path": route["strip_path"],
        },
        "version_data": {
            "not_versioned": True,
            "versions": {"Default": {"name": "Default", "use_extended_paths": True}},
        },
    }


def gateway_policies(_catalogue: Catalogue) -> dict[str, Any]:
    """Tyk's policies. Keyless APIs need none; the file must hold a document all the same, an empty one is an error to Tyk."""
    return {}


def gateway_settings(catalogue: Catalogue) -> dict[str, Any]:
    """tyk.conf, without a secret: TYK_GW_SECRET, TYK_GW_NODESECRET and TYK_GW_STORAGE_PASSWORD come from the environment."""
    gateway = catalogue["gateway"]
    if not gateway:
        raise NoGatewayError("the catalogue describes no gateway; add one under gateway")
    settings: dict[str, Any] = {
        "listen_port": gateway["ports"]["http"],
        "template_path": TEMPLATE_PATH,
        "use_db_app_configs": False,
        "app_path": APP_PATH,
        "policies": {"policy_source": "file", "policy_record_name": POLICIES_FILE},
        "hash_keys": True,
        "log_format": "json",
        # Exact with several replicas; the default limiter only approximates.
        "enable_fixed_window_rate_limiter": True,
        # /users answers for /users and /users/…, not for /users-of-others.
        "http_server_options": {"enable_strict_routes": True},
        "enable_analytics": False,
    }
    if "control" in gateway["ports"]:
        settings["control_api_port"] = gateway["ports"]["control"]
    redis = next((use for use in gateway["stores"] if use["kind"] == "redis"), None)
    if redis is not None:
        settings["storage"] = {
            "type": "redis",
            "addrs": [f"{redis['host']}:{redis['port']}"],
            # Redis Enterprise has database 0 only, and shards behind one address.
            "database": 0,
            "enable_cluster": False,
        }
        # Records of requests go to the same Redis and expire there unless something collects them.
        settings["enable_analytics"] = True
        settings["analytics_config"] = {"enable_detailed_recording": False, "storage_expiration_time": 60}
    return merged(settings, gateway["configuration"])
