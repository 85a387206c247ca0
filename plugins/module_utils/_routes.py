# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateway's routes, and the files in which Tyk reads them: classic API definitions, policies and tyk.conf."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue_defaults import merged
from ansible_collections.azora.platform.plugins.module_utils._gateway_schema import HS256, JWT, METHODS, RS256, TRAFFIC

Catalogue = Mapping[str, Any]

ORGANISATION = "default"
APP_PATH = "/opt/tyk-gateway/apps"
POLICIES_FILE = "/opt/tyk-gateway/policies/policies.json"
TEMPLATE_PATH = "/opt/tyk-gateway/templates"
CLIENTS_POLICY = "clients"
# The variable with the key of HS256, in base64 as Tyk takes it; in the Secret of the gateway it is the key's name, too.
JWT_KEY = "JWT_HMAC_KEY"
# Tyk knows families: hmac takes HS384 and HS512, too, rsa the other RS and the PS ones.
TYK_SIGNING_METHOD = {HS256: "hmac", RS256: "rsa"}
HEADER_KINDS = {"request_headers": "global_headers", "response_headers": "global_response_headers"}
CORS_DEFAULTS: dict[str, Any] = {
    "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    "headers": ["Authorization", "Content-Type"],
    "exposed_headers": [],
    "credentials": False,
    "max_age_seconds": 600,
}
# Tyk's own.
PROXY_TIMEOUT_SECONDS = 30


class NoGatewayError(ValueError):
    """The catalogue describes no gateway."""


def gateway_routes(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One route for each service that exposes a path, sorted by path."""
    gateway = catalogue["gateway"] or {}
    known = gateway.get("authentication", {}).get("method") == JWT
    routes = [
        {
            "service": service["name"],
            "path": service["expose"]["path"],
            "strip_path": service["expose"]["strip_path"],
            "target": service["url"],
            "authentication": known and service["expose"].get("authentication", True),
            **_traffic(gateway, service["expose"]),
        }
        for service in catalogue["services"]
        if service["expose"]
    ]
    return sorted(routes, key=lambda route: str(route["path"]))


def _traffic(gateway: Mapping[str, Any], expose: Mapping[str, Any]) -> dict[str, Any]:
    """What is done with the requests of a route: as the gateway says, but for what the route says itself."""
    said = {
        key: entry[key] for entry in (gateway, expose) for key in TRAFFIC if entry.get(key) and key not in HEADER_KINDS
    }
    for kind in HEADER_KINDS:
        both = [entry[kind] for entry in (gateway, expose) if entry.get(kind)]
        removed = dict.fromkeys(name for entry in both for name in entry.get("remove", []))
        if both:
            said[kind] = {"add": merged(*(entry.get("add") for entry in both)), "remove": list(removed)}
    if "cors" in said:
        said["cors"] = merged(CORS_DEFAULTS, said["cors"])
    return said


def gateway_api_definitions(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """A classic API definition for each route, by the name of its service.

    Classic ones are complete by themselves; an OAS document would need a classic twin with every setting again.
    """
    return {route["service"]: _definition(catalogue, route) for route in gateway_routes(catalogue)}


def _definition(catalogue: Catalogue, route: Mapping[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "api_id": route["service"],
        "org_id": ORGANISATION,
        "name": route["service"],
        "active": True,
        "use_keyless": not route["authentication"],
        "proxy": {
            "listen_path": route["path"],
            "target_url": route["target"],
            "strip_listen_path": route["strip_path"],
        },
        "version_data": {
            "not_versioned": True,
            "versions": {"Default": {"name": "Default", "use_extended_paths": True, **_version(route)}},
        },
    }
    if route["authentication"]:
        definition.update(_authentication(catalogue["gateway"]["authentication"]))
    if "rate_limit" in route:
        definition["global_rate_limit"] = _rate(route["rate_limit"])
    if "cors" in route:
        cors = route["cors"]
        definition["CORS"] = {
            "enable": True,
            "allowed_origins": cors["origins"],
            "allowed_methods": cors["methods"],
            "allowed_headers": cors["headers"],
            "exposed_headers": cors["exposed_headers"],
            "allow_credentials": cors["credentials"],
            "max_age": cors["max_age_seconds"],
            # The gateway answers a browser's question itself: it comes without a token.
            "options_passthrough": False,
        }
    return definition


def _authentication(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "enable_jwt": True,
        "jwt_signing_method": TYK_SIGNING_METHOD[given["algorithm"]],
        "jwt_source": _key_source(given),
        "jwt_identity_base_field": given["subject_claim"],
        "jwt_default_policies": [CLIENTS_POLICY],
        # The kid of a token names its key, never its client.
        "jwt_skip_kid": True,
        # Claims such as client_id belong to the issuer; Tyk would look for them among clients of its own.
        "idp_client_id_mapping_disabled": True,
        "auth_configs": {"jwt": {"auth_header_name": "Authorization"}},
    }


def _key_source(given: Mapping[str, Any]) -> str:
    if given["algorithm"] == HS256:
        # Tyk puts the variable's value in its place when it loads the file, so that the key stands in no ConfigMap.
        return f"env://{JWT_KEY}"
    source = given.get("jwks_url") or given["public_key"].strip() + "\n"
    return base64.b64encode(source.encode()).decode()


def _version(route: Mapping[str, Any]) -> dict[str, Any]:
    version: dict[str, Any] = {}
    for kind, prefix in HEADER_KINDS.items():
        if kind in route:
            version[prefix] = route[kind]["add"]
            version[f"{prefix}_remove"] = route[kind]["remove"]
    if "size_limit_bytes" in route:
        version["global_size_limit"] = route["size_limit_bytes"]
    paths: dict[str, Any] = {}
    if "timeout_seconds" in route:
        # Tyk 5.14 has one setting for a whole API; these are read by older ones, too.
        paths["hard_timeouts"] = _for_each_method(timeout=route["timeout_seconds"])
    if "circuit_breaker" in route:
        breaker = route["circuit_breaker"]
        paths["circuit_breakers"] = _for_each_method(
            threshold_percent=breaker["threshold_percent"] / 100,
            samples=breaker["samples"],
            return_to_service_after=breaker["open_seconds"],
            # Open for as long as said: the half-open state would let single requests through after half a second.
            disable_half_open_state=True,
        )
    if paths:
        version["extended_paths"] = paths
    return version


def _for_each_method(**settings: Any) -> list[dict[str, Any]]:
    """Tyk compares methods literally. The path is a regular expression that is searched for: every path has a slash."""
    return [{"path": "/", "method": method, **settings} for method in METHODS]


def _rate(limit: Mapping[str, Any]) -> dict[str, Any]:
    return {"rate": limit["rate"], "per": limit["per_seconds"]}


def gateway_policies(catalogue: Catalogue) -> dict[str, Any]:
    """Tyk's policies, by id. Without authentication there is none; the file must hold a document all the same, an empty one is an error to Tyk."""
    authenticated = [route["service"] for route in gateway_routes(catalogue) if route["authentication"]]
    if not authenticated:
        return {}
    # Zero is without a limit.
    limit = catalogue["gateway"]["client_rate_limit"] or {"rate": 0, "per_seconds": 0}
    policy = {
        "id": CLIENTS_POLICY,
        "org_id": ORGANISATION,
        "name": CLIENTS_POLICY,
        "state": "active",
        "active": True,
        **_rate(limit),
        "quota_max": -1,
        "access_rights": {
            name: {"api_id": name, "api_name": name, "versions": ["Default"]} for name in sorted(authenticated)
        },
    }
    return {CLIENTS_POLICY: policy}


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
    timeouts = [route["timeout_seconds"] for route in gateway_routes(catalogue) if "timeout_seconds" in route]
    if max(timeouts, default=0) > PROXY_TIMEOUT_SECONDS:
        # No route can wait longer than the gateway.
        settings["proxy_default_timeout"] = max(timeouts)
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
