# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateway (Tyk): its configuration files as ConfigMaps and the workload that reads them."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._gateway_ingress import certificate_rights, gateway_ingress
from ansible_collections.azora.platform.plugins.module_utils._gateway_schema import HS256, JWT
from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    config_map,
)
from ansible_collections.azora.platform.plugins.module_utils._routes import (
    APP_PATH,
    JWT_KEY,
    POLICIES_FILE,
    gateway_api_definitions,
    gateway_policies,
    gateway_settings,
)
from ansible_collections.azora.platform.plugins.module_utils._workload_environment import (
    credentials_name,
)
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import (
    autoscaler,
    brings_account,
    deployment,
    disruption_budget,
    kubernetes_service,
    service_account,
)

CONFIGURATION_FILE = "/opt/tyk-gateway/tyk.conf"
# Generated once: the key of the gateway's own API, and what nodes of one gateway share.
GENERATED_KEYS = ("TYK_GW_SECRET", "TYK_GW_NODESECRET")
STORAGE_PASSWORD = "TYK_GW_STORAGE_PASSWORD"  # noqa: S105 - the name of a key, not a password


def gateway_of(catalogue: t.Mapping[str, t.Any]) -> Manifest:
    """The gateway as one of the workloads, with every default filled in."""
    return next(workload for workload in catalogue["workloads"] if workload["component"] == "gateway")


def token_key(gateway: t.Mapping[str, t.Any]) -> tuple[str, str] | None:
    """The Secret in the gateway's namespace, and the key in it, that hold the key of HS256, if tokens are signed with one."""
    given = gateway["authentication"]
    if given["method"] != JWT or given["algorithm"] != HS256:
        return None
    named = given.get("secret") or {"name": f"{gateway['name']}-jwt", "key": JWT_KEY}
    return named["name"], named["key"]


def generates_token_key(gateway: t.Mapping[str, t.Any]) -> bool:
    """Whether the key of HS256 is generated here: the catalogue names no Secret that holds one."""
    return token_key(gateway) is not None and not gateway["authentication"].get("secret")


def gateway_place(catalogue: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Where the replicas of the gateway are asked, and in which Secrets the keys for it are."""
    gateway = gateway_of(catalogue)
    held = token_key(gateway)
    return {
        "namespace": gateway["namespace"],
        "selector": dict(gateway["selector"]),
        "port": gateway["ports"]["http"],
        "control_port": gateway["ports"].get("control", gateway["ports"]["http"]),
        "secret": credentials_name(gateway),
        "token_key": {"secret": held[0], "key": held[1], "variable": JWT_KEY} if held else None,
    }


def config_map_names(gateway: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Without the checksums of their data."""
    return {kind: f"{gateway['name']}-{kind}" for kind in ("config", "apis", "policies")}


def gateway_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """All manifests of the gateway, with the files that Tyk reads as the catalogue gives them."""
    gateway = gateway_of(catalogue)
    names = config_map_names(gateway)
    definitions = gateway_api_definitions(catalogue)
    files = {
        "config": {"tyk.conf": _text(gateway_settings(catalogue))},
        "apis": {f"{name}.json": _text(definition) for name, definition in definitions.items()},
        "policies": {POLICIES_FILE.rsplit("/", 1)[1]: _text(gateway_policies(catalogue))},
    }
    maps = {
        kind: config_map(names[kind], gateway["namespace"], labels=gateway["labels"], data=data)
        for kind, data in files.items()
    }
    # Rights first: OpenShift looks for them when it is given a Route.
    manifests = [*certificate_rights(gateway), *([service_account(gateway)] if brings_account(gateway) else [])]
    manifests += maps.values()
    manifests.append(
        kubernetes_service(
            gateway,
            service_type=settings.get("service_type") or "ClusterIP",
            ports=("http",),
            node_port=int(settings.get("node_port") or 0),
        )
    )
    manifests.append(disruption_budget(gateway))
    held = token_key(gateway)
    manifests.append(
        deployment(
            gateway,
            settings,
            container={"env": _environment(gateway), "volumeMounts": _mounts()},
            secrets=[credentials_name(gateway), *([held[0]] if held else [])],
            volumes=[{"name": kind, "configMap": {"name": made["metadata"]["name"]}} for kind, made in maps.items()],
        )
    )
    if gateway["autoscaling"]["enabled"]:
        manifests.append(autoscaler(gateway))
    return manifests + gateway_ingress(gateway)


def _text(content: t.Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _environment(gateway: t.Mapping[str, t.Any]) -> list[Manifest]:
    keys = [*GENERATED_KEYS, *([STORAGE_PASSWORD] if gateway["stores"] else [])]
    secret = credentials_name(gateway)
    entries: list[Manifest] = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in keys
    ]
    if held := token_key(gateway):
        entries.append({"name": JWT_KEY, "valueFrom": {"secretKeyRef": {"name": held[0], "key": held[1]}}})
    plain = gateway["environment"]
    return entries + [{"name": key, "value": str(value)} for key, value in plain.items()]


def _mounts() -> list[Manifest]:
    return [
        # One file of a folder that holds the program too. Mounted so it never changes under a running gateway:
        # a changed configuration rolls the pods.
        {"name": "config", "mountPath": CONFIGURATION_FILE, "subPath": "tyk.conf", "readOnly": True},
        {"name": "apis", "mountPath": APP_PATH, "readOnly": True},
        {"name": "policies", "mountPath": POLICIES_FILE.rsplit("/", 1)[0], "readOnly": True},
    ]
