# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operators by the Operator Lifecycle Manager: what it is given, how far it is, and which of its plans are approved.

Sources: https://olm.operatorframework.io/docs/concepts/crds/, and the types of github.com/operator-framework/api (operators/v1alpha1).
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest

GROUP = "operators.coreos.com"
API_VERSION, GROUP_API_VERSION = f"{GROUP}/v1alpha1", f"{GROUP}/v1"
DEFINITION = f"subscriptions.{GROUP}"
GROUP_NAME = "azora-platform"
SOURCE_NAMESPACE = "openshift-marketplace"
# OLM does not try again by itself after these.
FINAL_REASONS = frozenset(
    {"UnsupportedOperatorGroup", "TooManyOperatorGroups", "NoOperatorGroup", "InterOperatorGroupOwnerConflict"}
)

Objects = Sequence[Mapping[str, t.Any]]
Operators = Sequence[Mapping[str, t.Any]]


def olm_manifests(operators: Operators, groups: Objects = ()) -> list[Manifest]:
    """A Subscription for each operator, and an OperatorGroup for each of their namespaces that has none yet."""
    manifests: list[Manifest] = []
    theirs = {group["metadata"]["namespace"] for group in groups if group["metadata"]["name"] != GROUP_NAME}
    for namespace in dict.fromkeys(operator["namespace"] for operator in operators):
        if namespace not in theirs:
            manifests.append(
                {
                    "apiVersion": GROUP_API_VERSION,
                    "kind": "OperatorGroup",
                    "metadata": {"name": GROUP_NAME, "namespace": namespace},
                    # No targets: every namespace.
                    "spec": {"targetNamespaces": targets} if (targets := _targets(operators, namespace)) else {},
                }
            )
    return manifests + [_subscription(operator) for operator in operators]


def _targets(operators: Operators, namespace: str) -> list[str]:
    return sorted({target for one in operators if one["namespace"] == namespace for target in one["watches"]})


def _subscription(operator: Mapping[str, t.Any]) -> Manifest:
    wanted = operator["subscription"]
    spec = {
        "name": wanted["package"],
        "channel": wanted["channel"],
        "source": wanted["source"],
        "sourceNamespace": wanted.get("source_namespace", SOURCE_NAMESPACE),
        "installPlanApproval": wanted.get("approval", "Manual"),
        "startingCSV": wanted["csv"],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Subscription",
        "metadata": {"name": wanted["package"], "namespace": operator["namespace"]},
        "spec": spec,
    }


def olm_refusals(operators: Operators, groups: Objects, subscriptions: Objects) -> list[str]:
    """One sentence for each operator that OLM must not be asked for: the group is another's, or what is installed is newer."""
    sentences = []
    for namespace in dict.fromkeys(operator["namespace"] for operator in operators):
        for group in _in(namespace, groups):
            targets = (group.get("spec") or {}).get("targetNamespaces") or []
            missing = sorted(set(_targets(operators, namespace)) - set(targets)) if targets else []
            if group["metadata"]["name"] != GROUP_NAME and missing:
                sentences.append(
                    f"the OperatorGroup {group['metadata']['name']} in {namespace} does not name {', '.join(missing)}, and OLM wants"
                    " one group in a namespace: add them to its targetNamespaces, or delete it, and this role makes its own"
                )
    for operator in operators:
        wanted = operator["subscription"]["csv"]
        installed = _installed(operator, subscriptions)
        if installed and not _is_automatic(operator) and _numbers(installed) > _numbers(wanted):
            sentences.append(
                f"the operator {operator['name']} in {operator['namespace']} is {installed} and would become {wanted}: an older operator"
                " does not know what a newer one has written, so it is not replaced;"
                f" name {installed} or a newer version in operators_releases.{operator['name']}.subscription.csv"
            )
    return sentences


def olm_progress(
    operators: Operators, subscriptions: Objects, plans: Objects, versions: Objects
) -> dict[str, list[t.Any]]:
    """How far OLM is: `approve` are plans to be approved now, `failed` and `waiting` sentences, one for each operator.

    Approved are the plans that lead to the wanted version and not beyond it: an upgrade may go through versions between.
    """
    progress: dict[str, list[t.Any]] = {"approve": [], "failed": [], "waiting": []}
    for operator in operators:
        namespace, wanted = operator["namespace"], operator["subscription"]["csv"]
        where = f"the operator {operator['name']} in {namespace}"
        found = [one for one in _in(namespace, versions) if _fits(one["metadata"]["name"], operator)]
        if any((one.get("status") or {}).get("phase") == "Succeeded" for one in found):
            continue
        status = (found[0].get("status") or {}) if found else {}
        if status.get("phase") == "Failed" and status.get("reason") in FINAL_REASONS:
            progress["failed"].append(f"{where}: {_words(wanted, status)}")
            continue
        mine = [plan for plan in _in(namespace, plans) if _leads_to(plan, operator)]
        broken = next((plan for plan in mine if (plan.get("status") or {}).get("phase") == "Failed"), None)
        if broken:
            message = _condition(broken, "Installed") or "it says no reason"
            progress["failed"].append(f"{where}: the InstallPlan {broken['metadata']['name']} failed: {message}")
            continue
        pending = [plan for plan in mine if not plan["spec"].get("approved")]
        progress["approve"] += [_approval(plan) for plan in pending]
        progress["waiting"].append(f"{where}: {_why(operator, status, subscriptions, plans)}")
    return progress


def _is_automatic(operator: Mapping[str, t.Any]) -> bool:
    return bool(operator["subscription"].get("approval") == "Automatic")


def _fits(name: str, operator: Mapping[str, t.Any]) -> bool:
    """Whether a ClusterServiceVersion is the wanted one. Where OLM upgrades by itself, a newer one is, too."""
    wanted = operator["subscription"]["csv"]
    if not _is_automatic(operator):
        return bool(name == wanted)
    return _stem(name) == _stem(wanted) and _numbers(name) >= _numbers(wanted)


def _leads_to(plan: Mapping[str, t.Any], operator: Mapping[str, t.Any]) -> bool:
    """Whether a plan installs this operator's wanted version, or one on the way to it. Other operators' plans are never touched."""
    wanted = operator["subscription"]["csv"]
    package = _stem(wanted)
    names = plan["spec"].get("clusterServiceVersionNames") or []
    # A plan is approved as a whole: everything in it must be this operator's.
    return bool(names) and all(_stem(name) == package and _numbers(name) <= _numbers(wanted) for name in names)


def _approval(plan: Mapping[str, t.Any]) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "InstallPlan",
        "metadata": {key: plan["metadata"][key] for key in ("name", "namespace")},
        "spec": {"approved": True},
    }


def _why(operator: Mapping[str, t.Any], status: Mapping[str, t.Any], subscriptions: Objects, plans: Objects) -> str:
    """What stands between an operator and its wanted version, in OLM's own words where it has some."""
    wanted = operator["subscription"]
    if status.get("phase"):
        return _words(wanted["csv"], status)
    mine = next(
        (one for one in _in(operator["namespace"], subscriptions) if one["spec"]["name"] == wanted["package"]), None
    )
    if mine is None:
        return f"there is no Subscription of the package {wanted['package']}"
    unresolved = _condition(mine, "ResolutionFailed", "True") or _condition(mine, "CatalogSourcesUnhealthy", "True")
    if unresolved:
        return f"OLM cannot resolve its Subscription: {unresolved}"
    others = [
        name
        for plan in _in(operator["namespace"], plans)
        for name in plan["spec"].get("clusterServiceVersionNames") or []
        if not plan["spec"].get("approved")
    ]
    if others:
        return (
            f"OLM plans {', '.join(sorted(others))}, and wanted is {wanted['csv']} alone, so the plan is not approved;"
            " name another csv or channel, or approve it yourself"
        )
    return f"OLM has not made a plan for {wanted['csv']} yet (Subscription {(mine.get('status') or {}).get('state') or 'without a state'})"


def _words(name: str, status: Mapping[str, t.Any]) -> str:
    reason = status.get("reason") or "no reason given"
    return f"the ClusterServiceVersion {name} is {status['phase']} ({reason}): {status.get('message') or 'it says no more'}"


def _condition(entry: Mapping[str, t.Any], kind: str, status: str = "") -> str:
    for condition in (entry.get("status") or {}).get("conditions") or []:
        if condition.get("type") == kind and status in ("", condition.get("status")):
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def _installed(operator: Mapping[str, t.Any], subscriptions: Objects) -> str:
    for one in _in(operator["namespace"], subscriptions):
        if one["spec"]["name"] == operator["subscription"]["package"]:
            return str((one.get("status") or {}).get("installedCSV") or "")
    return ""


def _in(namespace: str, entries: Objects) -> list[Mapping[str, t.Any]]:
    return [entry for entry in entries if entry["metadata"]["namespace"] == namespace]


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _numbers(name: str) -> list[int]:
    """The numbers of a version: of strimzi-cluster-operator.v1.2.0 and of 8.0.20-23."""
    return [int(number) for number in re.findall(r"\d+", name.partition(".")[2])]
