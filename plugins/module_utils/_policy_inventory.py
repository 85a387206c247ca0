# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes objects, from a cluster or from manifests, as the inventory that is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _policy_rules
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import address, joined
from ansible_collections.azora.platform.plugins.module_utils._policy_model import (
    NAMESPACE_LABEL,
    ContainerPort,
    Inventory,
    Node,
    Pod,
    Policy,
    PolicyInputError,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_reading import Notes, Reader, listed, shown

POLICY_GROUP = "policy.networking.k8s.io"
POLICY_READERS: dict[tuple[str, str], Callable[[Reader, Mapping[str, Any], str, str], Policy]] = {
    ("networking.k8s.io/v1", "NetworkPolicy"): _policy_rules.network_policy,
    (f"{POLICY_GROUP}/v1alpha1", "AdminNetworkPolicy"): _policy_rules.admin_network_policy,
    (f"{POLICY_GROUP}/v1alpha1", "BaselineAdminNetworkPolicy"): _policy_rules.baseline_admin_network_policy,
    (f"{POLICY_GROUP}/v1alpha2", "ClusterNetworkPolicy"): _policy_rules.cluster_network_policy,
}
# Kinds that also decide about connections, and that only their own product can judge.
FOREIGN: dict[str, tuple[str, ...]] = {
    "cilium.io": ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"),
    "crd.projectcalico.org": ("NetworkPolicy", "GlobalNetworkPolicy"),
    "projectcalico.org": ("NetworkPolicy", "GlobalNetworkPolicy"),
    "crd.antrea.io": ("NetworkPolicy", "ClusterNetworkPolicy"),
    "k8s.ovn.org": ("EgressFirewall",),
    "network.openshift.io": ("EgressNetworkPolicy",),
    "security.istio.io": ("AuthorizationPolicy", "PeerAuthentication"),
    "policy.linkerd.io": ("Server", "ServerAuthorization", "AuthorizationPolicy"),
    "kuma.io": ("MeshTrafficPermission",),
    "k8s.cni.cncf.io": ("MultiNetworkPolicy",),
    "networking.gke.io": ("FQDNNetworkPolicy",),
    POLICY_GROUP: ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"),
}
# Workloads whose templates are read, with the path to the template.
TEMPLATES = {
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
# Their labels come and go with a revision or a replica, so no selector should rest on them.
PASSING_LABELS = (
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
)
# No process of theirs runs any more.
COMPLETED = ("Succeeded", "Failed")
BARE_POD = "Pod"


class _Objects:
    """The objects of one input, each known by kind, namespace and name."""

    def __init__(self, notes: Notes, default_namespace: str) -> None:
        self.notes = notes
        self.default_namespace = default_namespace
        self.inventory = Inventory()
        self.policies: dict[tuple[str, str, str], Policy] = {}
        self.owners: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.pods: dict[tuple[str, str], Pod] = {}
        self.nodes: dict[str, Node] = {}
        self.pod_networks: list[tuple[int, int]] = []
        self.templates: dict[tuple[str, str, str], Pod] = {}

    def read(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            self.notes.mistakes.append(f"{where} is {shown(value)}; it must be a Kubernetes object")
            return
        kind, version = value.get("kind"), value.get("apiVersion")
        if not isinstance(kind, str) or not isinstance(version, str) or not kind or not version:
            self.notes.mistakes.append(f"{where} has no kind or no apiVersion; it must be a Kubernetes object")
            return
        group = version.partition("/")[0] if "/" in version else ""
        if (version, kind) in POLICY_READERS:
            self._policy(value, version, kind, where)
        elif kind in FOREIGN.get(group, ()):
            self._foreign(value, version, kind, where)
        elif version == "v1" and kind in ("Namespace", "Node", "Pod"):
            {"Namespace": self._namespace, "Node": self._node, "Pod": self._pod}[kind](value, where)
        elif (version, kind) in TEMPLATES:
            self._template(value, version, kind, where)

    def _named(self, value: Mapping[str, Any], kind: str, where: str, *, namespaced: bool) -> tuple[Reader, str, str]:
        """A reader that calls the object by its name, its namespace and its name."""
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if namespaced and namespace is None:
            namespace = self.default_namespace
        if not isinstance(name, str) or not name:
            self.notes.mistakes.append(f"{where} ({kind}) has no metadata.name")
            name = ""
        if namespaced and (not isinstance(namespace, str) or not namespace):
            self.notes.mistakes.append(f"{kind} {name}: metadata.namespace is {shown(namespace)}; it must be text")
            namespace = ""
        namespace = str(namespace) if namespaced else ""
        reader = Reader(f"{kind} {namespace}/{name}" if namespaced else f"{kind} {name}", self.notes)
        if namespaced and metadata.get("namespace") is None:
            self.notes.warn(f"{kind} {name} names no namespace; it is judged in {namespace}")
        return reader, namespace, name

    def _policy(self, value: Mapping[str, Any], version: str, kind: str, where: str) -> None:
        reader, namespace, name = self._named(value, kind, where, namespaced=kind == "NetworkPolicy")
        policy = POLICY_READERS[version, kind](reader, value, namespace, name)
        if policy.place in self.policies:
            reader.warn("", "is given more than once; the last one counts")
        self.policies[policy.place] = policy

    def _foreign(self, value: Mapping[str, Any], version: str, kind: str, where: str) -> None:
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        place = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
        self.inventory.not_judged.append(f"{kind} {place or where} ({version})")

    def _namespace(self, value: Mapping[str, Any], where: str) -> None:
        reader, _none, name = self._named(value, "Namespace", where, namespaced=False)
        metadata = reader.mapping(value.get("metadata"), "metadata")
        # The API server sees to this label, whatever the manifest says.
        self.inventory.namespaces[name] = {
            **reader.labels(metadata.get("labels"), "metadata.labels"),
            NAMESPACE_LABEL: name,
        }

    def _node(self, value: Mapping[str, Any], where: str) -> None:
        reader, _none, name = self._named(value, "Node", where, namespaced=False)
        metadata = reader.mapping(value.get("metadata"), "metadata")
        status = reader.mapping(value.get("status"), "status")
        spec = reader.mapping(value.get("spec"), "spec")
        for index, network in enumerate(reader.sequence(spec.get("podCIDRs"), "spec.podCIDRs")):
            bounds = reader.cidr(network, f"spec.podCIDRs[{index}]")
            self.pod_networks += [bounds] if bounds is not None else []
        found = []
        for index, entry in enumerate(reader.sequence(status.get("addresses"), "status.addresses")):
            described = reader.mapping(entry, f"status.addresses[{index}]")
            if described.get("type") in ("InternalIP", "ExternalIP"):
                found += _addresses(reader, [described.get("address")], f"status.addresses[{index}].address")
        self.nodes[name] = Node(name, reader.labels(metadata.get("labels"), "metadata.labels"), tuple(found))

    def _pod(self, value: Mapping[str, Any], where: str) -> None:
        reader, namespace, name = self._named(value, "Pod", where, namespaced=True)
        metadata = reader.mapping(value.get("metadata"), "metadata")
        status = reader.mapping(value.get("status"), "status")
        if status.get("phase") in COMPLETED:
            return
        spec = reader.mapping(value.get("spec"), "spec")
        given = [
            reader.mapping(entry, f"status.podIPs[{index}]").get("ip")
            for index, entry in enumerate(reader.sequence(status.get("podIPs"), "status.podIPs"))
        ] or ([status["podIP"]] if status.get("podIP") else [])
        self.pods[namespace, name] = Pod(
            namespace=namespace,
            name=name,
            labels=reader.labels(metadata.get("labels"), "metadata.labels"),
            owner=_controller(reader, metadata) or (BARE_POD, name),
            ports=_container_ports(reader, spec, "spec"),
            addresses=tuple(_addresses(reader, given, "status.podIPs")),
            node=reader.text(spec.get("nodeName"), "spec.nodeName"),
            host_network=spec.get("hostNetwork") is True,
        )

    def _template(self, value: Mapping[str, Any], version: str, kind: str, where: str) -> None:
        reader, namespace, name = self._named(value, kind, where, namespaced=True)
        controller = _controller(reader, reader.mapping(value.get("metadata"), "metadata"))
        if controller is not None:
            self.owners[kind, namespace, name] = controller
        if kind == "Job" and _ended(reader, value):
            return
        template: Any = value
        place = ""
        for key in TEMPLATES[version, kind]:
            place = f"{place}.{key}" if place else key
            template = reader.mapping(template, place).get(key)
        template = reader.mapping(template, place)
        metadata = reader.mapping(template.get("metadata"), f"{place}.metadata")
        spec = reader.mapping(template.get("spec"), f"{place}.spec")
        own = reader.mapping(value.get("spec"), "spec")
        selector = reader.mapping(own.get("selector"), "spec.selector") if kind in _SELECTED else {}
        labels = reader.labels(metadata.get("labels"), f"{place}.metadata.labels")
        self.templates[kind, namespace, name] = Pod(
            namespace=namespace,
            name=name,
            labels=labels,
            owner=(kind, name),
            ports=_container_ports(reader, spec, f"{place}.spec"),
            host_network=spec.get("hostNetwork") is True,
            template=True,
            several=own.get("replicas", own.get("parallelism")) != 1,
            selector=reader.labels(selector.get("matchLabels"), "spec.selector.matchLabels") or labels,
        )

    def owner_of(self, pod: Pod) -> tuple[str, str]:
        """The workload at the head of the chain of owners."""
        kind, name = pod.owner
        if kind == "ReplicaSet" and ("ReplicaSet", pod.namespace, name) not in self.owners:
            # Without the ReplicaSet itself its name tells: the Deployment's, and the hash that the pod has as a label.
            revision = pod.labels.get("pod-template-hash")
            if revision and name.endswith(f"-{revision}"):
                return "Deployment", name[: -len(revision) - 1]
        for _step in range(3):
            above = self.owners.get((kind, pod.namespace, name))
            if above is None:
                break
            kind, name = above
        return kind, name

    def finish(self, given: Iterable[Mapping[str, Any]]) -> Inventory:
        inventory = self.inventory
        running = [_owned(pod, self.owner_of(pod)) for pod in self.pods.values()]
        alive = {(pod.owner[0], pod.namespace, pod.owner[1]) for pod in running}
        for place, template in self.templates.items():
            kind, name = self.owner_of(template)
            head = kind, template.namespace, name
            # One pod for each workload that has none; a ReplicaSet's or a Job's head speaks for it.
            if head not in alive and (head == place or head not in self.templates):
                running.append(template)
        inventory.pods = [_selected(pod, self.templates) for pod in running]
        inventory.nodes = list(self.nodes.values())
        inventory.policies = list(self.policies.values())
        _add_given(inventory, given, self.notes)
        used = {pod.namespace for pod in inventory.pods} | {policy.namespace for policy in inventory.policies}
        for name in sorted(used - {""}):
            if name not in inventory.namespaces:
                inventory.namespaces[name] = {NAMESPACE_LABEL: name}
                self.notes.warn(
                    f"the Namespace {name} is not among the objects; it is judged with no label but its name"
                )
        return inventory


# Kinds with a selector of labels of their own; that of a Job is made by the API server.
_SELECTED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def read_objects(
    objects: Iterable[Any],
    *,
    workloads: Iterable[Mapping[str, Any]] = (),
    pod_networks: Sequence[str] = (),
    default_namespace: str = "default",
) -> Inventory:
    """The inventory, with warnings; PolicyInputError with every mistake."""
    notes = Notes()
    found = _Objects(notes, default_namespace)
    for where, value in flattened(objects):
        found.read(value, where)
    inventory = found.finish(workloads)
    networks = Reader("pod_networks", notes)
    bounds = [networks.cidr(entry, f"[{index}]") for index, entry in enumerate(pod_networks)]
    inventory.pod_networks = joined([one for one in bounds if one is not None] or found.pod_networks)
    if notes.mistakes:
        raise PolicyInputError(notes.mistakes)
    inventory.warnings = notes.warnings
    return inventory


def flattened(objects: Iterable[Any], prefix: str = "object") -> Iterator[tuple[str, Any]]:
    """Each object with words for its place; lists, such as kubectl prints, are opened."""
    for number, value in enumerate(objects, 1):
        where = f"{prefix} {number}"
        if value is None:  # an empty document of a YAML file
            continue
        kind = value.get("kind") if isinstance(value, Mapping) else None
        items = value.get("items") if isinstance(value, Mapping) else None
        if isinstance(kind, str) and kind.endswith("List") and isinstance(items, Sequence):
            if kind != "List":
                # The API leaves out in each item what the list says for all.
                same = {"kind": kind.removesuffix("List"), "apiVersion": value.get("apiVersion")}
                items = [{**same, **item} if isinstance(item, Mapping) else item for item in items]
            yield from flattened(items, f"{where}, item")
        else:
            yield where, value


def _controller(reader: Reader, metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    for index, entry in enumerate(reader.sequence(metadata.get("ownerReferences"), "metadata.ownerReferences")):
        owner = reader.mapping(entry, f"metadata.ownerReferences[{index}]")
        if owner.get("controller") is True and owner.get("kind") and owner.get("name"):
            # A mirror pod belongs to its node, which says nothing about what it is.
            return None if owner["kind"] == "Node" else (str(owner["kind"]), str(owner["name"]))
    return None


def _container_ports(reader: Reader, spec: Mapping[str, Any], path: str) -> tuple[ContainerPort, ...]:
    """The named ports of all containers that run as long as the pod: sidecars are among the init containers."""
    found: list[ContainerPort] = []
    for key in ("containers", "initContainers"):
        for index, value in enumerate(reader.sequence(spec.get(key), f"{path}.{key}")):
            place = f"{path}.{key}[{index}]"
            container = reader.mapping(value, place)
            if key == "initContainers" and container.get("restartPolicy") != "Always":
                continue
            for number, entry in enumerate(reader.sequence(container.get("ports"), f"{place}.ports")):
                port = reader.mapping(entry, f"{place}.ports[{number}]")
                if not port.get("name"):
                    continue
                name = reader.text(port["name"], f"{place}.ports[{number}].name")
                protocol = reader.protocol(port.get("protocol"), f"{place}.ports[{number}].protocol")
                bound = reader.port(port.get("containerPort"), f"{place}.ports[{number}].containerPort")
                if protocol is not None and bound is not None:
                    found.append(ContainerPort(name, protocol, bound))
    return tuple(sorted(set(found)))


def _addresses(reader: Reader, given: Iterable[Any], path: str) -> list[int]:
    found = []
    for value in given:
        try:
            found.append(address(value if isinstance(value, str) else ""))
        except ValueError:
            reader.wrong(path, f"{shown(value)} is not an address")
    return found


def _ended(reader: Reader, job: Mapping[str, Any]) -> bool:
    status = reader.mapping(job.get("status"), "status")
    conditions = [
        reader.mapping(entry, f"status.conditions[{index}]")
        for index, entry in enumerate(reader.sequence(status.get("conditions"), "status.conditions"))
    ]
    return any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions)


def _owned(pod: Pod, owner: tuple[str, str]) -> Pod:
    return pod if pod.owner == owner else _changed(pod, owner=owner)


def _selected(pod: Pod, templates: Mapping[tuple[str, str, str], Pod]) -> Pod:
    """With the selector of its workload, where that is among the objects."""
    head = templates.get((pod.owner[0], pod.namespace, pod.owner[1]))
    return _changed(pod, selector=head.selector) if head is not None and head is not pod else pod


def _changed(pod: Pod, **values: Any) -> Pod:
    every = {name: getattr(pod, name) for name in Pod.__dataclass_fields__}
    return Pod(**{**every, **values})


def _add_given(inventory: Inventory, given: Iterable[Mapping[str, Any]], notes: Notes) -> None:
    """Give the pods that a caller's workload selects its name; one that selects nothing is judged by its labels alone."""
    owners: dict[int, str] = {}
    for index, value in enumerate(given):
        reader = Reader(f"workloads[{index}]", notes)
        entry = reader.mapping(value, "")
        name, namespace = reader.text(entry.get("name"), "name"), reader.text(entry.get("namespace"), "namespace")
        selector = entry.get("selector")
        if isinstance(selector, Mapping) and isinstance(selector.get("matchLabels"), Mapping):
            selector = selector["matchLabels"]
        labels = reader.labels(selector, "selector")
        if not name or not namespace or not labels:
            reader.wrong("", "needs name, namespace and selector, a dictionary of pod labels")
            continue
        found = [
            number
            for number, pod in enumerate(inventory.pods)
            if pod.namespace == namespace and labels.items() <= pod.labels.items()
        ]
        identity = f"{namespace}/{name}"
        for number in found:
            if number in owners:
                pod = inventory.pods[number]
                reader.wrong("selector", f"selects {pod.namespace}/{pod.name}, which is already of {owners[number]}")
            owners[number] = identity
            inventory.pods[number] = _changed(inventory.pods[number], owner=("", name), selector=labels)
        if not found:
            notes.warn(
                f"no pod of {identity} is among the objects; it is judged as a pod with just its selector's labels"
            )
            inventory.pods.append(_imagined(reader, entry, namespace, name, labels))


def _imagined(reader: Reader, entry: Mapping[str, Any], namespace: str, name: str, labels: Mapping[str, str]) -> Pod:
    listens = reader.sequence(entry.get("listens"), "listens")
    container = {
        "ports": [
            {"name": one.get("name"), "protocol": one.get("protocol", "TCP"), "containerPort": one.get("port")}
            for one in listens
            if isinstance(one, Mapping)
        ]
    }
    return Pod(
        namespace=namespace,
        name=name,
        labels=dict(labels),
        owner=("", name),
        ports=_container_ports(reader, {"containers": [container]}, "listens"),
        template=True,
        several=entry.get("replicas") != 1,
        selector=dict(labels),
    )


def identity_of(pod: Pod) -> str:
    """The name of the pod's workload: ns/Kind/name, or ns/name for one that the caller named."""
    kind, name = pod.owner
    return f"{pod.namespace}/{kind}/{name}" if kind else f"{pod.namespace}/{name}"


def durable_labels(pods: Sequence[Pod]) -> dict[str, str]:
    """The labels to select these pods by: those of their workload's selector, else all that they share and keep."""
    for pod in pods:
        if pod.selector:
            return dict(pod.selector)
    shared = set(pods[0].labels.items()).intersection(*(pod.labels.items() for pod in pods[1:]))
    return {key: value for key, value in sorted(shared) if key not in PASSING_LABELS}


def kinds_in_words() -> str:
    return listed([kind for _version, kind in POLICY_READERS], "and")
