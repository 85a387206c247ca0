# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an existing Prometheus selects by: the labels that monitors and rules have to carry, and whether it looks into their namespaces.

A selector that is missing selects nothing, an empty one everything; a missing namespace selector means the Prometheus' own namespace.
https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PrometheusSpec
"""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest

# The field of the Prometheus for each kind, without its ending.
FIELDS = {"PodMonitor": "podMonitor", "ServiceMonitor": "serviceMonitor", "PrometheusRule": "rule"}
NAMESPACE_NAME = "kubernetes.io/metadata.name"

Labels = t.Mapping[str, str]
Selector = t.Mapping[str, t.Any]


def prometheus_selection(
    prometheus: t.Mapping[str, t.Any], manifests: t.Iterable[Manifest], namespaces: t.Iterable[t.Mapping[str, t.Any]]
) -> dict[str, t.Any]:
    """The labels that make this Prometheus select the manifests, and a sentence for each that no label can make it select."""
    who = _who(prometheus)
    spec = prometheus.get("spec") or {}
    labels_of = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in namespaces}
    labels: dict[str, str] = {}
    findings: list[str] = []
    by_kind: dict[str, list[Manifest]] = {}
    for one in manifests:
        if one["kind"] in FIELDS:
            by_kind.setdefault(one["kind"], []).append(one)
    for kind, ours in by_kind.items():
        field = f"{FIELDS[kind]}Selector"
        if spec.get(field) is None:
            findings.append(f"{who} selects no {kind} at all, because its {field} is not set")
            continue
        wanted = _labels_for(spec[field])
        for key, value in wanted.items():
            if labels.setdefault(key, value) != value:
                findings.append(
                    f"{who} wants {key} to be {labels[key]} of one kind and {value} of {kind}; set monitoring_labels"
                )
        unmet = [one for one in ours if not selects(spec[field], {**one["metadata"].get("labels", {}), **wanted})]
        if unmet:
            findings.append(f"{who} does not select {_named(unmet)}: its {field} excludes a label that it carries")
        findings += _namespaces(prometheus, kind, ours, labels_of)
    return {"labels": labels, "findings": findings}


def _namespaces(
    prometheus: t.Mapping[str, t.Any], kind: str, ours: t.Iterable[Manifest], labels_of: t.Mapping[str, Labels]
) -> t.Iterator[str]:
    home, who = prometheus["metadata"]["namespace"], _who(prometheus)
    field = f"{FIELDS[kind]}NamespaceSelector"
    selector = (prometheus.get("spec") or {}).get(field)
    for namespace in sorted({one["metadata"]["namespace"] for one in ours}):
        if selector is None:
            if namespace != home:
                yield f"{who} looks for no {kind} in {namespace}, because its {field} is not set: only in its own, {home}"
        elif not selects(selector, {NAMESPACE_NAME: namespace, **labels_of.get(namespace, {})}):
            wanted = ", ".join(f"{key}={value}" for key, value in sorted(_labels_for(selector).items()))
            advice = (
                f"; give the namespace the label {wanted} (labels of the namespace in the catalogue)" if wanted else ""
            )
            yield f"{who} looks for no {kind} in {namespace}, which its {field} does not select{advice}"


def selects(selector: Selector, labels: Labels) -> bool:
    """Whether a label selector of Kubernetes selects something with these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(expression: t.Mapping[str, t.Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def _labels_for(selector: Selector) -> dict[str, str]:
    """Labels that satisfy what the selector demands; what it forbids is nothing to add."""
    labels = dict(selector.get("matchLabels") or {})
    for expression in selector.get("matchExpressions") or []:
        if expression["operator"] == "In":
            labels.setdefault(expression["key"], sorted(expression["values"])[0])
        elif expression["operator"] == "Exists":
            labels.setdefault(expression["key"], "true")
    return labels


def _who(prometheus: t.Mapping[str, t.Any]) -> str:
    return f"Prometheus {prometheus['metadata']['namespace']}/{prometheus['metadata']['name']}"


def _named(manifests: t.Iterable[Manifest]) -> str:
    return ", ".join(f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}" for one in manifests)
