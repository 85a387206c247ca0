# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenShift's SecurityContextConstraints restricted-v2 refuse of a pod, as every account may use them and nothing more.

https://github.com/openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests, …_scc-restricted-v2.yaml
"""

from __future__ import annotations

import typing as t

VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ],
)
# Chosen from the ranges of the namespace; a pod that is to run in any namespace names none.
RANGES = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions")
HOST = ("hostNetwork", "hostPID", "hostIPC")
CAPABILITY = "NET_BIND_SERVICE"


def refusals(pod: t.Mapping[str, t.Any]) -> list[str]:
    """A sentence for each thing that is refused, or that depends on the ranges of a namespace."""
    found = [f"{key} is set" for key in HOST if pod.get(key)]
    found += _context("the pod", pod.get("securityContext") or {})
    for volume in pod.get("volumes") or []:
        found += [f"volume {volume['name']} is a {kind}" for kind in volume if kind not in (*VOLUMES, "name")]
    for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
        name, context = container["name"], container.get("securityContext") or {}
        found += _context(name, context)
        if context.get("privileged"):
            found.append(f"{name} is privileged")
        if context.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name} may escalate its privileges")
        capabilities = context.get("capabilities") or {}
        if capabilities.get("drop") != ["ALL"]:
            found.append(f"{name} does not drop all capabilities")
        found += [f"{name} adds {one}" for one in capabilities.get("add") or [] if one != CAPABILITY]
        found += [f"{name} has hostPort" for port in container.get("ports") or [] if port.get("hostPort")]
    return found


def _context(who: str, context: t.Mapping[str, t.Any]) -> list[str]:
    found = [f"{who} sets {key}" for key in RANGES if key in context]
    if context.get("runAsNonRoot") is False:
        found.append(f"{who} may run as root")
    profile = (context.get("seccompProfile") or {}).get("type", "RuntimeDefault")
    if profile != "RuntimeDefault":
        found.append(f"{who} has the seccomp profile {profile}")
    return found


def pods_in(manifests: t.Iterable[t.Mapping[str, t.Any]]) -> list[tuple[str, dict[str, t.Any]]]:
    """Every pod that manifests make, by the identity of what makes it."""
    found = []
    for one in manifests:
        spec = one.get("spec") or {}
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] == "Pod":
            pod = spec
        elif one["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            pod = spec["template"]["spec"]
        else:
            continue
        found.append((f"{one['kind']} {one['metadata'].get('namespace')}/{one['metadata']['name']}", pod))
    return found
