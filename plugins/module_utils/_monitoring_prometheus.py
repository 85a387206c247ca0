# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Prometheus that needs no operator: PodMonitors and ServiceMonitors as its own configuration, and its workload.

The lab has no Prometheus operator; what it would make of the same monitors is written here.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._catalogue import PART_OF
from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    config_map,
    container_security_context,
    manifest,
    platform_labels,
    pod_security_context,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import (
    MONITORING,
    SERVICE_MONITOR,
    monitors,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import rule_groups

NAME, PORT, USER = "prometheus", 9090, 65534
RBAC = "rbac.authorization.k8s.io"
META = "__meta_kubernetes_"
TLS_FIELDS = {"insecureSkipVerify": "insecure_skip_verify", "serverName": "server_name"}

Catalogue = t.Mapping[str, t.Any]
Settings = t.Mapping[str, t.Any]
Relabelings = list[dict[str, t.Any]]


def prometheus_manifests(catalogue: Catalogue, settings: Settings) -> list[Manifest]:
    """Prometheus in the catalogue's namespace of monitoring, with what it has to read of the API."""
    scraped = monitors(catalogue, settings)
    namespaces = sorted({one["metadata"]["namespace"] for one in scraped})
    configuration = _config_map(catalogue, scraped, settings)
    home, labels = catalogue["monitoring"]["namespace"], platform_labels(catalogue, NAME, MONITORING)
    account = manifest("v1", "ServiceAccount", NAME, home, labels=labels, automountServiceAccountToken=True)
    access = [one for namespace in namespaces for one in _access(catalogue, namespace)]
    service = manifest(
        "v1",
        "Service",
        NAME,
        home,
        labels=labels,
        spec={"selector": _selector(catalogue), "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]},
    )
    return [account, *access, configuration, service, _deployment(catalogue, settings, configuration)]


def scrape_configs(scraped: t.Iterable[Manifest]) -> list[dict[str, t.Any]]:
    """What the operator makes of monitors, one job for each of their endpoints."""
    return [
        _job(monitor, endpoint, number)
        for monitor in scraped
        for number, endpoint in enumerate(monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"])
    ]


def _job(monitor: Manifest, endpoint: t.Mapping[str, t.Any], number: int) -> dict[str, t.Any]:
    spec, place = monitor["spec"], monitor["metadata"]
    of_service = monitor["kind"] == SERVICE_MONITOR
    kind = "serviceMonitor" if of_service else "podMonitor"
    job: dict[str, t.Any] = {
        "job_name": f"{kind}/{place['namespace']}/{place['name']}/{number}",
        "kubernetes_sd_configs": [
            {
                "role": "endpointslice" if of_service else "pod",
                "namespaces": {"names": spec["namespaceSelector"]["matchNames"]},
            }
        ],
        "metrics_path": endpoint.get("path", "/metrics"),
        "scheme": endpoint.get("scheme", "http"),
        "relabel_configs": [*_selected(spec["selector"]["matchLabels"], endpoint, of_service), *_written(endpoint)],
    }
    if endpoint.get("interval"):
        job["scrape_interval"] = endpoint["interval"]
    if endpoint.get("tlsConfig"):
        job["tls_config"] = _tls(endpoint["tlsConfig"])
    return job


def _tls(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    for field in given:
        if field not in TLS_FIELDS:
            raise MonitoringInputError(
                f"monitoring_redis_tls.{field} needs the Prometheus operator; without it known: {', '.join(TLS_FIELDS)}"
            )
    return {TLS_FIELDS[field]: value for field, value in given.items()}


def _selected(labels: t.Mapping[str, str], endpoint: t.Mapping[str, t.Any], of_service: bool) -> Relabelings:
    holder = "service" if of_service else "pod"
    keep = [_keep(f"{META}{holder}_label_{_sanitised(name)}", value) for name, value in labels.items()]
    if of_service:
        keep.append(_keep(f"{META}endpointslice_port_name", endpoint["port"]))
    elif "port" in endpoint:
        keep.append(_keep(f"{META}pod_container_port_name", endpoint["port"]))
    else:
        keep.append(_keep(f"{META}pod_container_port_number", str(endpoint["portNumber"])))
    # A pod that has ended has no metrics any more.
    return [*keep, {"source_labels": [f"{META}pod_phase"], "regex": "Failed|Succeeded", "action": "drop"}]


def _keep(label: str, value: str) -> dict[str, t.Any]:
    return {"source_labels": [label], "regex": re.escape(value), "action": "keep"}


def _written(endpoint: t.Mapping[str, t.Any]) -> Relabelings:
    found = {"namespace": "namespace", "pod": "pod_name", "container": "pod_container_name"}
    copied = [{"source_labels": [f"{META}{label}"], "target_label": name} for name, label in found.items()]
    own = [
        {"target_label": one["targetLabel"], "replacement": one["replacement"], "action": one["action"]}
        for one in endpoint["relabelings"]
    ]
    return [*copied, *own]


def _sanitised(label: str) -> str:
    """https://prometheus.io/docs/prometheus/latest/configuration/configuration/#pod (labelname)"""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)


def _config_map(catalogue: Catalogue, scraped: t.Sequence[Manifest], settings: Settings) -> Manifest:
    interval = settings.get("interval") or "30s"
    configuration = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["/etc/prometheus/rules.json"],
        "scrape_configs": scrape_configs(scraped),
    }
    # JSON is YAML, and always the same for the same content.
    data = {
        "prometheus.json": json.dumps(configuration, indent=1, sort_keys=True),
        "rules.json": json.dumps({"groups": rule_groups(catalogue, settings)}, indent=1, sort_keys=True),
    }
    labels = platform_labels(catalogue, NAME, MONITORING)
    return config_map(NAME, catalogue["monitoring"]["namespace"], labels=labels, data=data)


def _access(catalogue: Catalogue, namespace: str) -> list[Manifest]:
    """To see the pods and Services of one namespace, and nothing else."""
    name, labels = f"{catalogue['name']}-prometheus", platform_labels(catalogue, NAME, MONITORING)
    see = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": see},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": see},
    ]
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": catalogue["monitoring"]["namespace"]}
    return [
        manifest(f"{RBAC}/v1", "Role", name, namespace, labels=labels, rules=rules),
        manifest(
            f"{RBAC}/v1",
            "RoleBinding",
            name,
            namespace,
            labels=labels,
            roleRef={"apiGroup": RBAC, "kind": "Role", "name": name},
            subjects=[subject],
        ),
    ]


def _selector(catalogue: Catalogue) -> dict[str, str]:
    """Those by which the network policies know Prometheus, and whose it is."""
    return {**catalogue["monitoring"]["pod_labels"], PART_OF: catalogue["labels"][PART_OF]}


def _deployment(catalogue: Catalogue, settings: Settings, configuration: Manifest) -> Manifest:
    labels = {**platform_labels(catalogue, NAME, MONITORING), **_selector(catalogue)}
    container = {
        "name": NAME,
        "image": settings["image"],
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--config.file=/etc/prometheus/prometheus.json",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={settings['retention']}",
            f"--web.listen-address=:{PORT}",
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}, "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"httpGet": {"path": "/-/healthy", "port": "http"}, "initialDelaySeconds": 30},
        "resources": settings["resources"],
        "securityContext": container_security_context(),
        "volumeMounts": [
            {"name": "configuration", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    pod = {
        "serviceAccountName": NAME,
        "securityContext": pod_security_context(openshift=bool(settings.get("openshift")), run_as_user=USER),
        "containers": [container],
        "volumes": [
            {"name": "configuration", "configMap": {"name": configuration["metadata"]["name"]}},
            {"name": "data", "emptyDir": {"sizeLimit": settings["storage_size"]}},
        ],
    }
    return manifest(
        "apps/v1",
        "Deployment",
        NAME,
        catalogue["monitoring"]["namespace"],
        labels=labels,
        spec={
            "replicas": 1,
            # Two on the same data would both be wrong.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _selector(catalogue)},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )
