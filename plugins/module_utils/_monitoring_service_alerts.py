# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alerts of services and gateway, of what is scraped at all, and of the last verification."""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import (
    CRITICAL,
    DAY,
    HOUR,
    KUBE_STATE_METRICS,
    KUBELET,
    VERIFICATION,
    WARNING,
    Alert,
    any_of,
    selected,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import target_labels
from ansible_collections.azora.platform.plugins.module_utils._report_metrics import FINDINGS, PASSED, TIME

Catalogue = t.Mapping[str, t.Any]
Limits = t.Mapping[str, float]
# What a changed or missing policy is found by: packets that pass or do not, and policies that say otherwise than packets.
CHECKS_OF_POLICIES = ("connectivity", "contradiction", "enforcement", "policies")


def target_alerts(catalogue: Catalogue, monitors: t.Sequence[Manifest]) -> list[Alert]:
    """Targets that do not answer, and monitors that have none: a series that is not there raises no other alert."""
    alerts = [
        Alert(
            "MetricsTargetDown",
            f"up{selected(catalogue)} == 0",
            "5m",
            WARNING,
            "{{ $labels.pod }} does not answer Prometheus",
            "Prometheus has got no metrics from {{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.instance }}) for 5 minutes.",
        )
    ]
    for monitor in monitors:
        labels = {name: value for name, value in target_labels(monitor).items() if name != "platform"}
        place = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
        alerts.append(
            Alert(
                "MetricsTargetMissing",
                f"absent(up{selected(catalogue, **labels)})",
                "10m",
                WARNING,
                f"Prometheus scrapes nothing of {place}",
                f"The {monitor['kind']} {place} has had no target for 10 minutes.",
                labels=(("monitor", place),),
            )
        )
    return alerts


def workload_alerts(catalogue: Catalogue, limits: Limits) -> list[Alert]:
    workloads = catalogue["workloads"]
    here = f'namespace=~"{any_of(one["namespace"] for one in workloads)}"'
    names = any_of(one["name"] for one in workloads)
    deployments = f'{{{here},deployment=~"{names}"}}'
    containers = f'{here},container=~"{names}"'
    alerts = [
        Alert(
            "ServicePodsNotReady",
            f"kube_deployment_status_replicas_ready{deployments} < kube_deployment_spec_replicas{deployments}",
            "5m",
            CRITICAL,
            "{{ $labels.deployment }} has too few ready pods",
            "Of {{ $labels.namespace }}/{{ $labels.deployment }} only {{ $value }} pods have been ready for 5 minutes.",
            KUBE_STATE_METRICS,
        ),
        Alert(
            "ServiceProbesFailing",
            "sum by (namespace, pod, container, probe_type) "
            f'(increase(prober_probe_total{{{containers},result="failed"}}[5m])) >= 3',
            "5m",
            WARNING,
            "Probes of {{ $labels.pod }} fail",
            "The {{ $labels.probe_type }} probe of {{ $labels.namespace }}/{{ $labels.pod }} failed {{ $value | humanize }} times in 5 minutes.",
            KUBELET,
        ),
        Alert(
            "ServiceRestarting",
            f"sum by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total{{{containers}}}[15m])) >= 2",
            "0s",
            WARNING,
            "{{ $labels.pod }} restarts again and again",
            "{{ $labels.namespace }}/{{ $labels.pod }} restarted {{ $value | humanize }} times in 15 minutes.",
            KUBE_STATE_METRICS,
        ),
        Alert(
            "ServiceErrors",
            f"workload:http_errors:ratio5m{selected(catalogue)} > {limits['error_percent'] / 100:g}",
            "5m",
            WARNING,
            "{{ $labels.workload }} answers with errors",
            "{{ $value | humanizePercentage }} of what {{ $labels.workload }} answered within 5 minutes were server errors.",
        ),
        Alert(
            "RolloutStuck",
            f'kube_deployment_status_condition{{{here},deployment=~"{names}",condition="Progressing",status="false"}} == 1'
            f" or (kube_deployment_status_replicas_updated{deployments} < kube_deployment_spec_replicas{deployments})",
            "15m",
            CRITICAL,
            "The rollout of {{ $labels.deployment }} does not end",
            "{{ $labels.namespace }}/{{ $labels.deployment }} has had pods of an older revision for 15 minutes, or Kubernetes has given up on it.",
            KUBE_STATE_METRICS,
        ),
    ]
    return alerts + _autoscaler_alerts(catalogue)


def _autoscaler_alerts(catalogue: Catalogue) -> list[Alert]:
    scaled = [one for one in catalogue["workloads"] if one["autoscaling"]["enabled"]]
    if not scaled:
        return []
    here = (
        f'namespace=~"{any_of(one["namespace"] for one in scaled)}",'
        f'horizontalpodautoscaler=~"{any_of(one["name"] for one in scaled)}"'
    )
    return [
        Alert(
            "AutoscalerAtLimit",
            f"kube_horizontalpodautoscaler_status_desired_replicas{{{here}}}"
            f" >= (kube_horizontalpodautoscaler_spec_max_replicas{{{here}}} > kube_horizontalpodautoscaler_spec_min_replicas{{{here}}})",
            "15m",
            WARNING,
            "{{ $labels.horizontalpodautoscaler }} cannot grow any further",
            "The autoscaler {{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} has wanted its most, {{ $value }} pods, for 15 minutes.",
            KUBE_STATE_METRICS,
        ),
        Alert(
            "AutoscalerBlind",
            f'kube_horizontalpodautoscaler_status_condition{{{here},condition="ScalingActive",status="false"}} == 1',
            "10m",
            WARNING,
            "{{ $labels.horizontalpodautoscaler }} gets no measurements",
            "The autoscaler {{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} has not been able to scale for 10 minutes.",
            KUBE_STATE_METRICS,
        ),
    ]


def operator_alerts(catalogue: Catalogue) -> list[Alert]:
    if not any(operator["metrics_port"] for operator in catalogue["operators"]):
        return []
    own = selected(catalogue, component="operator")
    return [
        Alert(
            "OperatorFailing",
            f"sum by (operator) (increase(controller_runtime_reconcile_errors_total{own}[15m])) >= 5"
            f" or sum by (operator) (increase(strimzi_reconciliations_failed_total{own}[15m])) >= 3",
            "15m",
            WARNING,
            "The operator {{ $labels.operator }} fails again and again",
            "{{ $labels.operator }} failed {{ $value | humanize }} times within 15 minutes to bring about what the resources ask for.",
        )
    ]


def verification_alerts(limits: Limits) -> list[Alert]:
    age = limits["verification_age_hours"]
    return [
        Alert(
            "VerificationFailed",
            f"{PASSED} == 0",
            "0s",
            CRITICAL,
            "The platform is not as the catalogue declares it",
            "The last verification did not pass. Its report names each mismatch.",
            VERIFICATION,
        ),
        Alert(
            "PolicyDrift",
            f'sum without (check) ({FINDINGS}{{check=~"{any_of(CHECKS_OF_POLICIES)}"}}) > 0',
            "0s",
            CRITICAL,
            "Connections are not as the catalogue declares them",
            "The last verification found {{ $value }} connections or policies that are not as declared.",
            VERIFICATION,
        ),
        Alert(
            "VerificationOld",
            f"time() - {TIME} > {age * HOUR:g}",
            "0s",
            WARNING,
            "The platform has not been verified for long",
            f"The last verification is {{{{ $value | humanizeDuration }}}} old; it should be at most {age:g} hours.",
            VERIFICATION,
        ),
    ]


def volume_alerts(catalogue: Catalogue, limits: Limits) -> list[Alert]:
    if not catalogue["stores"]:
        return []
    here = f'{{namespace=~"{any_of(store["namespace"] for store in catalogue["stores"])}"}}'
    free = limits["volume_free_percent"]
    return [
        Alert(
            "StoreVolumeFilling",
            f"kubelet_volume_stats_available_bytes{here} / kubelet_volume_stats_capacity_bytes{here} < {free / 100:g}",
            "5m",
            CRITICAL,
            "The volume {{ $labels.persistentvolumeclaim }} is nearly full",
            "Of {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} only {{ $value | humanizePercentage }} are free.",
            KUBELET,
        )
    ]


def certificate_alerts(limits: Limits) -> list[Alert]:
    """Certificates of cert-manager, which CloudNativePG's backup plugin has; without cert-manager there is no such series."""
    return [
        Alert(
            "CertificateExpires",
            f"certmanager_certificate_expiration_timestamp_seconds - time() < {limits['certificate_days'] * DAY:g}",
            "1h",
            WARNING,
            "The certificate {{ $labels.name }} ends soon",
            "cert-manager's certificate {{ $labels.namespace }}/{{ $labels.name }} ends in {{ $value | humanizeDuration }}.",
            "cert-manager",
        )
    ]
