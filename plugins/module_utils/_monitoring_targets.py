# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Prometheus gets metrics of everything it should: its own list of targets against what the catalogue has."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import target_labels

Catalogue = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Judgement:
    """How many targets are up, and a sentence for each thing that is not as it should be."""

    up: int
    findings: tuple[str, ...]


def expected_targets(catalogue: Catalogue, monitors: t.Iterable[Manifest]) -> list[dict[str, t.Any]]:
    """For each monitor the labels of its targets and how many there are at least."""
    replicas = {("workload", one["name"]): _least(one) for one in catalogue["workloads"]}
    replicas |= {("store", one["name"]): int(one["replicas"]) for one in catalogue["stores"]}
    expected = []
    for monitor in monitors:
        labels = target_labels(monitor)
        place = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
        own = next((pair for pair in labels.items() if pair in replicas), None)
        # A part of a store, such as Strimzi's entity operator, has a number of its own.
        whole = labels["component"] in ("service", "gateway", "store")
        endpoints = len(monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"])
        least = replicas[own] if own and whole else endpoints
        expected.append({"monitor": place, "labels": labels, "least": least})
    return expected


def _least(workload: t.Mapping[str, t.Any]) -> int:
    scaling = workload["autoscaling"]
    return int(scaling["min_replicas"] if scaling["enabled"] else workload["replicas"])


def judge(targets: t.Iterable[t.Mapping[str, t.Any]], expected: t.Iterable[t.Mapping[str, t.Any]]) -> Judgement:
    """Targets as Prometheus' API lists the active ones (/api/v1/targets); those of others are not looked at."""
    listed = list(targets)
    up, findings = 0, []
    for one in expected:
        own = [target for target in listed if _carries(target["labels"], one["labels"])]
        good = [target for target in own if target["health"] == "up"]
        up += len(good)
        findings += [_sentence(target) for target in own if target["health"] != "up"]
        if len(own) < one["least"]:
            findings.append(f"{one['monitor']} has {len(own)} targets, and should have at least {one['least']}")
    return Judgement(up, tuple(findings))


def _carries(labels: t.Mapping[str, str], wanted: t.Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _sentence(target: t.Mapping[str, t.Any]) -> str:
    pod = target["labels"].get("pod") or target["labels"].get("instance", "?")
    place = f"{target['labels'].get('namespace', '?')}/{pod} ({target.get('scrapeUrl', '')})"
    if target["health"] == "unknown":
        return f"{place} has not been scraped yet"
    return f"{place} does not answer Prometheus: {target.get('lastError') or 'it does not say why'}"
