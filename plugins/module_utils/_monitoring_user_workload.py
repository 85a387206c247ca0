# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenShift's monitoring of user-defined projects: whether it is on, and what it takes of monitors and rules.

Its Prometheus ignores the namespaceSelector of monitors, refuses what reads its own files, and binds each rule to the namespace it is in: a
rule for several namespaces would see one of them. So there is a rule in each, with what concerns it, which works in every version without
settings of an administrator (namespacesWithoutLabelEnforcement). No label is asked for; openshift.io/user-monitoring=false keeps away.
https://github.com/openshift/cluster-monitoring-operator/blob/main/assets/prometheus-user-workload/prometheus.yaml
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import MonitoringInputError
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import monitors
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import prometheus_rules_by_namespace

SWITCH = "enableUserWorkload"
CONFIG_MAP = "openshift-monitoring/cluster-monitoring-config"
# Labels that keep its Prometheus away from a namespace.
AWAY = {"openshift.io/user-monitoring": "false", "openshift.io/cluster-monitoring": "true"}
# Parts of a tlsConfig that name files of Prometheus' pod.
FILES = ("caFile", "certFile", "keyFile")

Labels = t.Mapping[str, str]


def user_workload_manifests(catalogue: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[Manifest]:
    """Monitors, then a rule for each namespace."""
    for name in FILES:
        if name in (settings.get("redis_tls") or {}):
            raise MonitoringInputError(
                f"monitoring_redis_tls.{name} names a file of Prometheus, which OpenShift's refuses;"
                " name a Secret or a ConfigMap of the namespace instead (ca, cert, keySecret)"
            )
    found = monitors(catalogue, settings)
    for monitor in found:
        # Each looks into its own namespace, and into no other.
        del monitor["spec"]["namespaceSelector"]
    return [*found, *prometheus_rules_by_namespace(catalogue, settings)]


def is_on(configuration: t.Any) -> bool:
    """Whether the configuration of OpenShift's monitoring, as it is parsed, has it on."""
    return isinstance(configuration, t.Mapping) and configuration.get(SWITCH) is True


def switched_on(text: str) -> str:
    """The same configuration with it on; everything else, comments included, stays as it is."""
    line = f"{SWITCH}: true"
    changed, number = re.subn(rf"(?m)^{SWITCH}:.*$", line, text)
    if number:
        return changed
    return f"{text.rstrip()}\n{line}\n" if text.strip() else f"{line}\n"


def switched_off_sentence() -> str:
    return (
        f"OpenShift does not monitor user-defined projects: {SWITCH} is not true in config.yaml of the ConfigMap {CONFIG_MAP};"
        " have an administrator set it, or set monitoring_enable_user_workload to true and this role does"
    )


def kept_away(manifests: t.Iterable[Manifest], namespaces: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """A sentence for each namespace with monitors or rules that OpenShift's Prometheus stays away from."""
    labels_of = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in namespaces}
    used = {one["metadata"]["namespace"] for one in manifests}
    return [
        f"OpenShift's user-workload monitoring stays away from {namespace}, because it has the label {label}={value}; remove it"
        for namespace in sorted(used)
        for label, value in AWAY.items()
        if labels_of.get(namespace, {}).get(label) == value
    ]
