# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service is told about its surroundings: the environment that every image of the platform reads.

Settings stand in the ConfigMap NAME-config-CHECKSUM, credentials in the Secret NAME-credentials; a container takes both whole.
"""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest


def config_map_name(workload: t.Mapping[str, t.Any]) -> str:
    return f"{workload['name']}-config"


def credentials_name(workload: t.Mapping[str, t.Any]) -> str:
    return f"{workload['name']}-credentials"


def service_environment(catalogue: t.Mapping[str, t.Any], workload: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The settings of a service, without any secret. What the catalogue says under `environment` wins."""
    environment = {
        "SERVICE_NAME": workload["name"],
        "SERVICE_KIND": workload["kind"],
        "HTTP_PORT": str(workload["ports"]["http"]),
        "LOG_LEVEL": "info",
    }
    if "metrics" in workload["ports"]:
        environment["METRICS_PORT"] = str(workload["ports"]["metrics"])
    urls = {entry["name"]: entry["url"] for entry in catalogue["workloads"]}
    environment.update({f"{callee.upper().replace('-', '_')}_URL": urls[callee] for callee in workload["calls"]})
    for use in workload["stores"]:
        environment.update(_store_environment(use))
    environment.update({key: str(value) for key, value in workload["environment"].items()})
    return environment


def _store_environment(use: t.Mapping[str, t.Any]) -> dict[str, str]:
    host, port = use["host"], str(use["port"])
    if use["kind"] == "postgresql":
        return {"POSTGRES_HOST": host, "POSTGRES_PORT": port, "POSTGRES_DATABASE": use["database"]}
    if use["kind"] == "redis":
        return {"REDIS_HOST": host, "REDIS_PORT": port}
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"{host}:{port}",
        "KAFKA_PRODUCE_TOPICS": ",".join(use["produce"]),
        "KAFKA_CONSUME_TOPICS": ",".join(use["consume"]),
        "KAFKA_GROUP": use["group"],
    }


def secret_references(workload: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Environment entries that take single keys of other Secrets."""
    return [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret["name"], "key": key}}}
        for secret in workload["secrets"]
        for key in secret["keys"]
    ]
