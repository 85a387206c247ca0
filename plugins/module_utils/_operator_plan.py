# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which operator is installed how: the catalogue's operators, each with its method and with what its release says of it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

MANIFEST, HELM, OLM, PRESENT, LAB = "manifest", "helm", "olm", "present", "lab"
METHODS = (MANIFEST, HELM, OLM, PRESENT, LAB)
# What the lab has stand-ins for.
STAND_INS = frozenset({"cloudnative-pg", "redis-enterprise", "strimzi"})
# What a release must say for each method.
NEEDED = {MANIFEST: "sources", HELM: "chart", OLM: "subscription"}
APPROVALS = ("Manual", "Automatic")

Operator = dict[str, t.Any]


def operator_plan(
    catalogue: Mapping[str, t.Any],
    releases: Sequence[Mapping[str, t.Any]],
    method: str,
    methods: Mapping[str, str],
    definitions: Sequence[str] = (),
) -> list[Operator]:
    """The operators of the catalogue with their methods, then those of which only the definitions are installed.

    `version` is the operator's own: a chart may install another one than the manifest.
    """
    by_name = {release["name"]: release for release in releases}
    plan = [
        _planned(
            operator,
            by_name.get(operator["name"], {}),
            # What another platform provides is there already, however this one's own operators come.
            PRESENT if operator.get("provided") else methods.get(operator["name"], method),
        )
        for operator in catalogue.get("operators") or []
    ]
    installed = {operator["name"] for operator in plan if operator["method"] != PRESENT}
    for name in definitions:
        if name not in installed:
            operator = {"name": name, "namespace": "", "watches": []}
            plan.append({**_planned(operator, by_name.get(name, {}), MANIFEST), "definitions_only": True})
    return plan


def _planned(operator: Mapping[str, t.Any], release: Mapping[str, t.Any], method: str) -> Operator:
    chart = dict(release.get("chart") or {})
    version = str(release.get("version") or "")
    if method == HELM and chart.get("app_version"):
        version = str(chart["app_version"])
    return {
        **operator,
        "method": method,
        "definitions_only": False,
        "version": version,
        "sources": list(release.get("sources") or []),
        "images": dict(release.get("images") or {}),
        "chart": chart,
        "subscription": dict(release.get("subscription") or {}),
    }


def operator_mistakes(
    catalogue: Mapping[str, t.Any],
    releases: Sequence[Mapping[str, t.Any]],
    method: str,
    methods: Mapping[str, str],
    definitions: Sequence[str] = (),
) -> list[str]:
    """One sentence for each setting that cannot be followed: the key, what is wrong, what would be right."""
    known = [operator["name"] for operator in catalogue.get("operators") or []]
    sentences = []
    for name, chosen in methods.items():
        if name not in known:
            sentences.append(f"operators_methods.{name}: the catalogue has no such operator; it has {_listed(known)}")
        if chosen not in METHODS:
            sentences.append(f"operators_methods.{name}: {chosen!r} is no method; write one of {', '.join(METHODS)}")
    for operator in catalogue.get("operators") or []:
        if operator.get("provided") and methods.get(operator["name"], PRESENT) != PRESENT:
            name = operator["name"]
            sentences.append(f"operators_methods.{name}: the catalogue says that {name} is provided; leave one out")
    for operator in operator_plan(catalogue, releases, method, methods, definitions):
        sentences += _mistakes_of(operator)
    return sentences


def _mistakes_of(operator: Operator) -> t.Iterator[str]:
    name, method = operator["name"], operator["method"]
    key = f"operators_releases.{name}"
    if method == LAB and name not in STAND_INS:
        yield f"operators_methods.{name}: the lab has no stand-in for it; write {', '.join((*NEEDED, PRESENT))}"
    needed = NEEDED.get(method)
    if needed and not operator[needed]:
        offers = [other for other, part in NEEDED.items() if operator[part]]
        yield (
            f"{key}.{needed}: is missing, and the method of {name} is {method}; "
            f"give it, or choose another method in operators_methods.{name}: {', '.join([*offers, PRESENT])}"
        )
    elif method == MANIFEST:
        yield from _mistakes_of_sources(f"{key}.sources", operator["sources"])
    elif method == HELM:
        yield from _mistakes_of_chart(f"{key}.chart", operator["chart"])
    elif method == OLM:
        yield from _mistakes_of_subscription(f"{key}.subscription", operator["subscription"])


def _mistakes_of_sources(key: str, sources: Iterable[Mapping[str, t.Any]]) -> t.Iterator[str]:
    for number, source in enumerate(sources):
        if bool(source.get("url")) == bool(source.get("path")):
            yield f"{key}[{number}]: needs a url or a path, one of them"
        elif source.get("url") and not source.get("sha256"):
            yield f"{key}[{number}].sha256: is missing; a download needs its checksum: {source['url']}"


def _mistakes_of_chart(key: str, chart: Mapping[str, t.Any]) -> t.Iterator[str]:
    reference = chart.get("ref") or ""
    if bool(reference) == bool(chart.get("path")):
        yield f"{key}: needs a ref (with the chart's repository in repo, or beginning with oci://) or a path, one of them"
    elif reference:
        if not reference.startswith("oci://") and not chart.get("repo"):
            yield f"{key}.repo: is missing; write the URL of the chart's repository, or a ref that begins with oci://"
        if not chart.get("version"):
            yield f"{key}.version: is missing; a chart that is downloaded needs the version to be installed"


def _mistakes_of_subscription(key: str, subscription: Mapping[str, t.Any]) -> t.Iterator[str]:
    for part in ("package", "channel", "source"):
        if not subscription.get(part):
            yield f"{key}.{part}: is missing; `kubectl get packagemanifests` tells packages, their channels and sources"
    if not subscription.get("csv"):
        yield (
            f"{key}.csv: is missing; write the ClusterServiceVersion to be installed, "
            f"one that `kubectl get packagemanifest {subscription.get('package', '')} -o yaml` tells for the channel"
        )
    if subscription.get("approval", APPROVALS[0]) not in APPROVALS:
        yield f"{key}.approval: {subscription['approval']!r} is no approval; write {' or '.join(APPROVALS)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
