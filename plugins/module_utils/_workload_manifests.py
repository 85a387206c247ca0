# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue's services as Kubernetes workloads: everything a Deployment of the platform comes with."""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    SECRETS_CHECKSUM,
    TEMPLATE_CHECKSUM,
    Manifest,
    checksum,
    config_map,
    container_security_context,
    manifest,
    pod_security_context,
    without_empty,
)
from ansible_collections.azora.platform.plugins.module_utils._workload_environment import (
    config_map_name,
    credentials_name,
    secret_references,
    service_environment,
)

PROBE_FIELDS = {
    "initial_delay_seconds": "initialDelaySeconds",
    "period_seconds": "periodSeconds",
    "timeout_seconds": "timeoutSeconds",
    "failure_threshold": "failureThreshold",
    "success_threshold": "successThreshold",
}


def services_of(catalogue: t.Mapping[str, t.Any]) -> list[Manifest]:
    """The workloads that are services: all but the gateway."""
    return [workload for workload in catalogue["workloads"] if workload["component"] == "service"]


def service_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """All manifests of all services, configuration before what uses it."""
    services = services_of(catalogue)
    maps = {service["name"]: _config_map(catalogue, service) for service in services}
    manifests = [service_account(service) for service in services]
    manifests += maps.values()
    manifests += [kubernetes_service(service) for service in services]
    manifests += [disruption_budget(service) for service in services]
    for service in services:
        container = {
            "envFrom": _environment_sources(service, maps[service["name"]]),
            "env": secret_references(service),
        }
        manifests.append(
            deployment(
                service,
                settings,
                container=without_empty(container),
                secrets=_secrets_of(service),
            )
        )
    manifests += [autoscaler(service) for service in services if service["autoscaling"]["enabled"]]
    return manifests


def _config_map(catalogue: t.Mapping[str, t.Any], service: t.Mapping[str, t.Any]) -> Manifest:
    return config_map(
        config_map_name(service),
        service["namespace"],
        labels=service["labels"],
        data=service_environment(catalogue, service),
    )


def _environment_sources(service: t.Mapping[str, t.Any], settings: Manifest) -> list[Manifest]:
    sources: list[Manifest] = [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    if service["stores"]:
        sources.append({"secretRef": {"name": credentials_name(service)}})
    return sources


def _secrets_of(service: t.Mapping[str, t.Any]) -> list[str]:
    names = [credentials_name(service)] if service["stores"] else []
    return names + [secret["name"] for secret in service["secrets"]]


def service_account(workload: t.Mapping[str, t.Any]) -> Manifest:
    return manifest(
        "v1",
        "ServiceAccount",
        workload["name"],
        workload["namespace"],
        labels=workload["labels"],
        automountServiceAccountToken=workload["kubernetes_api"],
    )


def kubernetes_service(
    workload: t.Mapping[str, t.Any],
    *,
    service_type: str = "ClusterIP",
    ports: t.Sequence[str] = ("http", "metrics"),
    node_port: int = 0,
) -> Manifest:
    """The Service in front of a workload; node_port is that of http."""
    entries = [
        without_empty(
            {
                "name": name,
                "port": int(workload["ports"][name]),
                "targetPort": name,
                "protocol": "TCP",
                "appProtocol": "http",
                "nodePort": (node_port or None) if name == "http" else None,
            }
        )
        for name in ports
        if name in workload["ports"]
    ]
    return manifest(
        "v1",
        "Service",
        workload["name"],
        workload["namespace"],
        labels=workload["labels"],
        spec={
            "type": service_type,
            "selector": workload["selector"],
            "ports": entries,
        },
    )


def disruption_budget(workload: t.Mapping[str, t.Any]) -> Manifest:
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        workload["name"],
        workload["namespace"],
        labels=workload["labels"],
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": workload["selector"]},
            # A pod that is not ready serves nobody: it must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )


def autoscaler(workload: t.Mapping[str, t.Any]) -> Manifest:
    scaling = workload["autoscaling"]
    targets = {"cpu": scaling.get("cpu_percent"), "memory": scaling.get("memory_percent")}
    return manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        workload["name"],
        workload["namespace"],
        labels=workload["labels"],
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload["name"]},
            "minReplicas": int(scaling["min_replicas"]),
            "maxReplicas": int(scaling["max_replicas"]),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": name,
                        "target": {"type": "Utilization", "averageUtilization": int(percent)},
                    },
                }
                for name, percent in targets.items()
                if percent
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": int(scaling["scale_up_window_seconds"]),
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": int(scaling["scale_down_window_seconds"]),
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    )


def deployment(
    workload: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    *,
    container: t.Mapping[str, t.Any],
    secrets: t.Sequence[str],
    volumes: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> Manifest:
    """A Deployment that rolls without losing a request, spread over nodes, restricted, without a token.

    `secrets` names the Secrets the pods read: with the checksums in settings, a changed credential rolls the pods. A changed
    configuration does so by the name of its ConfigMap.
    """
    labels, selector = workload["labels"], workload["selector"]
    template: Manifest = {
        "metadata": {
            "labels": labels,
            "annotations": {SECRETS_CHECKSUM: _secrets_checksum(workload["namespace"], secrets, settings)},
        },
        "spec": _pod(workload, settings, selector, container, volumes),
    }
    # Written into the template itself, so that a pod tells whether it is of the current template.
    template["metadata"]["annotations"][TEMPLATE_CHECKSUM] = checksum(template)
    spec: Manifest = {
        "minReadySeconds": int(settings.get("min_ready_seconds", 3)),
        "progressDeadlineSeconds": int(settings.get("progress_deadline_seconds", 300)),
        "revisionHistoryLimit": int(settings.get("revision_history_limit", 5)),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "selector": {"matchLabels": selector},
        "template": template,
    }
    if not workload["autoscaling"]["enabled"]:
        # With an autoscaler the number is the autoscaler's: setting it here would undo its work on every run.
        spec["replicas"] = int(workload["replicas"])
    return manifest("apps/v1", "Deployment", workload["name"], workload["namespace"], labels=labels, spec=spec)


def _secrets_checksum(namespace: str, secrets: t.Sequence[str], settings: t.Mapping[str, t.Any]) -> str:
    checksums = settings.get("secret_checksums") or {}
    return checksum({name: checksums.get(f"{namespace}/{name}") for name in secrets})


def _pod(
    workload: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    selector: t.Mapping[str, str],
    container: t.Mapping[str, t.Any],
    volumes: t.Sequence[t.Mapping[str, t.Any]],
) -> Manifest:
    mounts = [{"name": "tmp", "mountPath": "/tmp"}, *container.get("volumeMounts", [])]  # noqa: S108
    main: Manifest = {
        "name": workload["name"],
        "image": workload["image"],
        "imagePullPolicy": settings.get("image_pull_policy") or "IfNotPresent",
        "ports": [
            {"name": name, "containerPort": int(port), "protocol": "TCP"} for name, port in workload["ports"].items()
        ],
        **{key: value for key, value in container.items() if key != "volumeMounts"},
        "resources": workload["resources"],
        "livenessProbe": probe(workload, "liveness"),
        "readinessProbe": probe(workload, "readiness"),
        "securityContext": container_security_context(),
        "volumeMounts": mounts,
    }
    pause = int(workload["pre_stop_seconds"])
    if pause:
        # Endpoints are updated while the pod still answers: no request is sent to a pod that is gone.
        main["lifecycle"] = {"preStop": {"sleep": {"seconds": pause}}}
    pod = {
        "serviceAccountName": workload["name"],
        "automountServiceAccountToken": workload["kubernetes_api"],
        "enableServiceLinks": False,
        # The names that pods are given are whole (and those outside are looked up as they are first): one question instead of four, each of
        # which would have to be answered, also while a name server's pod is dead and still an endpoint.
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "terminationGracePeriodSeconds": int(workload["termination_grace_seconds"]),
        "securityContext": pod_security_context(
            openshift=bool(settings.get("openshift")), run_as_user=int(settings.get("run_as_user") or 0)
        ),
        "imagePullSecrets": [{"name": name} for name in settings.get("image_pull_secrets") or []],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": settings.get("topology_spread") or "DoNotSchedule",
                "labelSelector": {"matchLabels": dict(selector)},
                # Each revision is spread by itself, so that a rolling update's extra pod finds a place.
                "matchLabelKeys": ["pod-template-hash"],
                # Nodes that take no pods (tainted, cordoned) do not count as empty ones.
                "nodeTaintsPolicy": "Honor",
            }
        ],
        "containers": [main],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *volumes],
    }
    return without_empty(pod)


def probe(workload: t.Mapping[str, t.Any], which: str) -> Manifest:
    given = workload["probes"][which]
    entry: Manifest = {"httpGet": {"path": given["path"], "port": given["port"]}}
    entry.update({field: int(given[key]) for key, field in PROBE_FIELDS.items() if given.get(key) is not None})
    return entry
