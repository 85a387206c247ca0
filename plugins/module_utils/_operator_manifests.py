# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendors' operators: their release manifests fitted to this cluster's namespaces, and the APIs they must serve."""

from __future__ import annotations

import base64
import binascii
import copy
import re
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest

# What the roles of the stores use, by the kind of store: custom resource definition → version.
REQUIRED_DEFINITIONS: dict[str, dict[str, str]] = {
    "postgresql": {
        "clusters.postgresql.cnpg.io": "v1",
        "databases.postgresql.cnpg.io": "v1",
    },
    "redis": {
        "redisenterpriseclusters.app.redislabs.com": "v1",
        "redisenterprisedatabases.app.redislabs.com": "v1alpha1",
    },
    "kafka": {
        "kafkas.kafka.strimzi.io": "v1",
        "kafkanodepools.kafka.strimzi.io": "v1",
        "kafkatopics.kafka.strimzi.io": "v1",
        "kafkausers.kafka.strimzi.io": "v1",
    },
}
# The same for the operators that manage no store.
REQUIRED_BY_OPERATORS: dict[str, dict[str, str]] = {
    "barman-cloud": {"objectstores.barmancloud.cnpg.io": "v1"},
    "prometheus-operator": {
        "podmonitors.monitoring.coreos.com": "v1",
        "prometheusrules.monitoring.coreos.com": "v1",
        "servicemonitors.monitoring.coreos.com": "v1",
    },
}
CERTIFICATES = "cert-manager.io"
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PriorityClass",
        "SecurityContextConstraints",
        "ValidatingWebhookConfiguration",
    }
)
WATCHED_NAMESPACES = "STRIMZI_NAMESPACE"
# What OpenShift chooses for each namespace, and refuses where somebody else has chosen.
CHOSEN_BY_OPENSHIFT = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions")
# Bindings that an operator needs in every namespace it watches.
WATCHED_ROLES = frozenset(
    {"strimzi-cluster-operator-namespaced", "strimzi-cluster-operator-watched", "strimzi-entity-operator"}
)
# An image with the registry it comes from, as it also stands within the environment that an operator takes its operands' from.
IMAGE_OF_REGISTRY = re.compile(
    r"(?<![\w./:@-])(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?/(?P<image>[a-z0-9][\w./-]*(?:(?::[\w.-]+)?@sha256:[0-9a-f]{64}|:[\w.-]+))"
)
# The tag that names a version: of 1.30.0, v0.14.0 and 8.0.20-23.
VERSION_TAG = re.compile(r":v?(?P<version>\d+(?:\.\d+)+(?:-\d+)?)(?:@sha256:[0-9a-f]{64})?$")


def operator_manifests(
    documents: Iterable[Mapping[str, t.Any] | None],
    namespace: str,
    watches: Sequence[str] = (),
    mirror: str = "",
    *,
    images: Mapping[str, str] | None = None,
    pull_policy: str = "",
    definitions_only: bool = False,
    without_certificates: bool = False,
    openshift: bool = False,
) -> list[Manifest]:
    """A vendor's manifests, moved into `namespace` and set to watch the given namespaces.

    Namespaces are left out: they, with their labels and their default deny, are the business of the role namespaces.
    Definitions come first, so that everything else finds them. `images` are put in the place of others, and with a mirror every
    image comes from there; a pull policy is for all their containers. Certificates are left out where somebody else makes them, and
    on OpenShift the users of pods, which it gives them itself.
    """
    moved: list[Manifest] = []
    for document in documents:
        if not document or document.get("kind") == "Namespace":
            continue
        manifest = copy.deepcopy(dict(document))
        if definitions_only and manifest["kind"] != "CustomResourceDefinition":
            continue
        if without_certificates and str(manifest.get("apiVersion")).startswith(f"{CERTIFICATES}/"):
            continue
        manifest.pop("status", None)
        if manifest["kind"] not in CLUSTER_SCOPED:
            manifest["metadata"]["namespace"] = namespace
        for subject in manifest.get("subjects") or []:
            if subject.get("kind") == "ServiceAccount":
                subject["namespace"] = namespace
        for webhook in manifest.get("webhooks") or []:
            _move_service(webhook.get("clientConfig"), namespace)
        conversion = ((manifest.get("spec") or {}).get("conversion") or {}).get("webhook") or {}
        _move_service(conversion.get("clientConfig"), namespace)
        if watches:
            _watch(manifest, watches)
        if images:
            _rename_images(manifest, lambda image: images.get(image, image), lambda text: images.get(text, text))
        if mirror:
            _rename_images(manifest, lambda image: mirrored(image, mirror), lambda text: _mirrored_within(text, mirror))
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
            containers = [*pod["containers"], *(pod.get("initContainers") or [])]
            for container in containers if pull_policy else []:
                container["imagePullPolicy"] = pull_policy
            for holder in [pod, *containers] if openshift else []:
                for key in CHOSEN_BY_OPENSHIFT:
                    (holder.get("securityContext") or {}).pop(key, None)
        moved.append(manifest)
        if manifest["kind"] == "RoleBinding" and manifest["roleRef"]["name"] in WATCHED_ROLES:
            moved.extend(_copies(manifest, [watched for watched in watches if watched != namespace]))
    return sorted(moved, key=lambda manifest: manifest["kind"] != "CustomResourceDefinition")


def _move_service(client: Mapping[str, t.Any] | None, namespace: str) -> None:
    if client and client.get("service"):
        client["service"]["namespace"] = namespace


def _watch(manifest: Manifest, watches: Sequence[str]) -> None:
    if manifest["kind"] != "Deployment":
        return
    for container in manifest["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or []:
            if variable["name"] == WATCHED_NAMESPACES:
                variable.pop("valueFrom", None)
                variable["value"] = ",".join(watches)


def mirrored(image: str, mirror: str) -> str:
    """The image under the mirror's prefix instead of its registry; one without a registry is Docker Hub's."""
    moved = _mirrored_within(image, mirror)
    return moved if IMAGE_OF_REGISTRY.fullmatch(image) else f"{mirror.rstrip('/')}/{image}"


def _mirrored_within(text: str, mirror: str) -> str:
    prefix = mirror.rstrip("/")

    def move(found: re.Match[str]) -> str:
        return found.group() if found.group().startswith(f"{prefix}/") else f"{prefix}/{found['image']}"

    return IMAGE_OF_REGISTRY.sub(move, text)


def _rename_images(manifest: Manifest, image: Callable[[str], str], within: Callable[[str], str]) -> None:
    """The operator's own images, and those that its environment, its arguments and its Secrets name for what it will run."""
    if manifest["kind"] == "Secret":
        for key, value in (manifest.get("data") or {}).items():
            text = _decoded(value)
            if text and within(text) != text:
                manifest["data"][key] = base64.b64encode(within(text).encode()).decode()
    if manifest["kind"] != "Deployment":
        return
    specification = manifest["spec"]["template"]["spec"]
    for container in [*specification.get("initContainers", []), *specification["containers"]]:
        container["image"] = image(container["image"])
        if container.get("args"):
            container["args"] = [within(argument) for argument in container["args"]]
        for variable in container.get("env") or []:
            if isinstance(variable.get("value"), str):
                variable["value"] = within(variable["value"])


def _decoded(value: str) -> str:
    """The text of a Secret's value; what is no text names no image."""
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _copies(binding: Manifest, namespaces: Sequence[str]) -> list[Manifest]:
    copies = []
    for namespace in namespaces:
        other = copy.deepcopy(binding)
        other["metadata"]["namespace"] = namespace
        copies.append(other)
    return copies


def required_definitions(catalogue: Mapping[str, t.Any]) -> dict[str, str]:
    """The definitions that the catalogue's stores and its other operators need: name → version."""
    kinds = {store["kind"] for store in catalogue["stores"]}
    needed = [REQUIRED_DEFINITIONS.get(kind, {}) for kind in sorted(kinds)]
    needed += [REQUIRED_BY_OPERATORS.get(operator["name"], {}) for operator in catalogue.get("operators") or []]
    return {name: version for definitions in needed for name, version in definitions.items()}


def definition_findings(catalogue: Mapping[str, t.Any], definitions: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """One sentence for each definition that is missing, not established, or does not serve the version needed."""
    present = {entry["metadata"]["name"]: entry for entry in definitions}
    sentences = []
    for name, version in required_definitions(catalogue).items():
        entry = present.get(name)
        if entry is None:
            sentences.append(f"the custom resource definition {name} ({version}) is not there")
            continue
        served = [item["name"] for item in entry["spec"]["versions"] if item.get("served")]
        conditions = (entry.get("status") or {}).get("conditions") or []
        if version not in served:
            sentences.append(
                f"the custom resource definition {name} serves {', '.join(served) or 'nothing'}, "
                f"but {version} is needed: install a newer operator"
            )
        elif not any(item["type"] == "Established" and item["status"] == "True" for item in conditions):
            sentences.append(f"the custom resource definition {name} is not established yet")
    return sentences


def operator_findings(catalogue: Mapping[str, t.Any], deployments: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """One sentence for each operator of the catalogue whose Deployment is missing or not available."""
    sentences = []
    for operator in catalogue.get("operators") or []:
        found = _deployments_of(operator, deployments)
        where = f"the operator {operator['name']} in {operator['namespace']}"
        if not found:
            sentences.append(f"{where} has no Deployment whose pods carry its labels")
        for entry in found:
            status, wanted = entry.get("status") or {}, int(entry["spec"].get("replicas", 1))
            available = int(status.get("availableReplicas") or 0)
            updated = int(status.get("updatedReplicas") or 0)
            is_current = int(status.get("observedGeneration") or 0) >= int(entry["metadata"].get("generation") or 0)
            if not is_current or min(available, updated) < wanted:
                sentences.append(f"{where} has {available} of {wanted} pods available")
    return sentences


def operator_downgrades(
    catalogue: Mapping[str, t.Any], deployments: Sequence[Mapping[str, t.Any]], wanted: Mapping[str, str]
) -> list[str]:
    """One sentence for each operator that would be replaced by an older one; `wanted` is the version by the operator's name.

    What is installed is read from the tag of its image. A tag that is no version (latest, a digest alone) tells nothing.
    """
    sentences = []
    for operator in catalogue.get("operators") or []:
        version = wanted.get(operator["name"], "")
        for entry in _deployments_of(operator, deployments):
            tag = VERSION_TAG.search(entry["spec"]["template"]["spec"]["containers"][0].get("image", ""))
            if not tag or not VERSION_TAG.search(f":{version}"):
                continue
            installed = tag["version"]
            if _numbers(version) < _numbers(installed):
                sentences.append(
                    f"the operator {operator['name']} in {operator['namespace']} is {installed} and would become {version}: an older"
                    " operator does not know what a newer one has written, so it is not replaced;"
                    f" name {installed} or a newer version in operators_releases"
                )
    return sentences


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _deployments_of(
    operator: Mapping[str, t.Any], deployments: Sequence[Mapping[str, t.Any]]
) -> list[Mapping[str, t.Any]]:
    return [
        entry
        for entry in deployments
        if entry["metadata"]["namespace"] == operator["namespace"]
        and _carries(entry["spec"]["template"]["metadata"].get("labels") or {}, operator["pod_labels"])
    ]


def _carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())
