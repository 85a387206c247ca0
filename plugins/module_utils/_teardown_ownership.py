# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose an object is: this platform's by its labels, by what owns it, or by the store or operator it is of; else somebody else's."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._catalogue import COLLECTION, COMPONENT, MANAGED_BY, NAME
from ansible_collections.azora.platform.plugins.module_utils._inventory import Entry, Identity, identity

INSTANCE = "app.kubernetes.io/instance"
# On what stays for a store, so that a later run knows it although its cluster is gone.
KEPT_OF = "azora.platform/kept-of"
# The label by which each vendor's operator marks what it makes for a cluster.
CLUSTER_LABELS = {"postgresql": "cnpg.io/cluster", "redis": "redis.io/cluster", "kafka": "strimzi.io/cluster"}
# The resource that is a store's cluster.
CLUSTER_KINDS = {"Cluster": "postgresql", "RedisEnterpriseCluster": "redis", "Kafka": "kafka"}
GROUPS = {"postgresql": "postgresql.cnpg.io", "redis": "app.redislabs.com", "kafka": "kafka.strimzi.io"}
# What Kubernetes, or OpenShift, puts into every namespace.
OF_EVERY_NAMESPACE = frozenset(
    {
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "openshift-service-ca.crt"),
        ("ServiceAccount", "default"),
        ("ServiceAccount", "builder"),
        ("ServiceAccount", "deployer"),
        ("RoleBinding", "system:deployers"),
        ("RoleBinding", "system:image-builders"),
        ("RoleBinding", "system:image-pullers"),
    }
)
# Their tokens and pull secrets on OpenShift.
OF_ACCOUNTS = ("default-token-", "default-dockercfg-", "builder-", "deployer-")


class Cluster(t.NamedTuple):
    """A store's cluster, by its kind of store, its namespace and its name."""

    kind: str
    namespace: str
    name: str


class Ownership:
    """Judges the objects of one inventory."""

    def __init__(
        self,
        catalogue: Mapping[str, t.Any],
        objects: Sequence[Entry],
        operator_objects: Sequence[Mapping[str, t.Any]],
        releases: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._platform: str = catalogue["name"]
        self._labels: dict[str, str] = dict(catalogue["labels"])
        self._namespaces = {namespace["name"] for namespace in catalogue["namespaces"]}
        self._by_uid = {entry["metadata"]["uid"]: entry for entry in objects if entry["metadata"]["uid"]}
        self._of_operators: set[Identity] = {identity(one) for one in operator_objects}
        self._operators = [
            (operator["namespace"], dict(operator["pod_labels"]))
            for operator in catalogue.get("operators") or []
            if not operator.get("provided")
        ]
        self._releases = {(release["namespace"], release["name"]) for release in releases}
        self._stores = {
            Cluster(store["kind"], store["namespace"], store["cluster"]): str(store["name"])
            for store in catalogue["stores"]
        }
        # Those that a recovery made, or that the catalogue has given up.
        for entry in objects:
            kind = CLUSTER_KINDS.get(entry["kind"])
            if kind and identity(entry)[0] == GROUPS[kind] and self.is_labelled(entry):
                metadata = entry["metadata"]
                self._stores.setdefault(Cluster(kind, metadata["namespace"], metadata["name"]), metadata["name"])

    def _own_cluster(self, entry: Entry) -> Cluster | None:
        kind, metadata = CLUSTER_KINDS.get(entry["kind"], ""), entry["metadata"]
        cluster = Cluster(kind, metadata.get("namespace") or "", metadata["name"])
        return cluster if cluster in self._stores and identity(entry)[0] == GROUPS[kind] else None

    def is_labelled(self, entry: Entry) -> bool:
        """Whether it carries this platform's labels, all of them."""
        return _carries(entry["metadata"]["labels"], self._labels) or self._is_record(entry)

    def _is_record(self, entry: Entry) -> bool:
        # What the role verify remembers, beside the platform that it is about.
        wanted = {MANAGED_BY: COLLECTION, COMPONENT: "verification"}
        metadata = entry["metadata"]
        return metadata.get("namespace") in self._namespaces and _carries(metadata["labels"], wanted)

    def is_noted(self, entry: Entry) -> bool:
        """Whether an earlier end of this platform has kept it."""
        return entry["metadata"]["annotations"].get(KEPT_OF) == self._platform

    def is_root(self, entry: Entry) -> bool:
        """Whether it stands by itself: what is owned goes with its owner."""
        return not entry["metadata"]["ownerReferences"]

    def cluster_of(self, entry: Entry) -> Cluster | None:
        """The cluster of a store to which the object belongs by its operator's labels."""
        metadata = entry["metadata"]
        for kind, label in CLUSTER_LABELS.items():
            name = metadata["labels"].get(label)
            cluster = Cluster(kind, metadata.get("namespace") or "", name or "")
            if name and cluster in self._stores:
                return cluster
        return None

    def named_cluster(self, entry: Entry) -> Cluster | None:
        """The cluster of a store that a custom resource names."""
        group, _kind, namespace, _name = identity(entry)
        for kind, own_group in GROUPS.items():
            cluster = Cluster(kind, namespace, str(entry.get("cluster") or ""))
            if group == own_group and cluster in self._stores:
                return cluster
        return None

    def store_of(self, entry: Entry) -> str:
        """The store whose cluster the object is, whose data, or the key to them; empty if of none."""
        cluster = self._own_cluster(entry) or self.cluster_of(entry)
        if cluster is not None:
            return self._stores[cluster]
        metadata = entry["metadata"]
        if self.is_labelled(entry) and metadata["labels"].get(COMPONENT) == "store":
            return str(metadata["labels"].get(NAME, ""))
        if self.is_noted(entry):
            # Of a cluster that is gone and that the catalogue does not have.
            return str(
                next((metadata["labels"][one] for one in CLUSTER_LABELS.values() if one in metadata["labels"]), "")
            )
        return ""

    def store_named(self, entry: Entry) -> str:
        """The store in whose cluster a custom resource says that it lives; empty if in none."""
        cluster = self.named_cluster(entry)
        return "" if cluster is None else self._stores[cluster]

    def is_ours(self, entry: Entry) -> bool:
        """Whether it, or what owns it in the end, is this platform's, of one of its stores, or of an operator it brought."""
        seen: set[str] = set()
        while True:
            if self._is_ours_itself(entry):
                return True
            owners = [self._by_uid.get(owner["uid"]) for owner in entry["metadata"]["ownerReferences"]]
            owner = next((one for one in owners if one is not None), None)
            if owner is None or owner["metadata"]["uid"] in seen:
                return False
            seen.add(owner["metadata"]["uid"])
            entry = owner

    def _is_ours_itself(self, entry: Entry) -> bool:
        metadata = entry["metadata"]
        return (
            self.is_labelled(entry)
            or self.is_noted(entry)
            or identity(entry) in self._of_operators
            or (self._is_of_store(entry) and not self._is_of_person(entry))
            or self._is_of_release(entry)
            or any(
                metadata.get("namespace") == namespace and _carries(metadata["labels"], labels)
                for namespace, labels in self._operators
                if self._of_operators
            )
        )

    def _is_of_release(self, entry: Entry) -> bool:
        """Whether Helm made it of a chart that this collection has installed, or remembers that chart in it."""
        namespace, labels = entry["metadata"].get("namespace"), entry["metadata"]["labels"]
        if labels.get("owner") == "helm":
            return (namespace, labels.get("name")) in self._releases
        return labels.get(MANAGED_BY) == "Helm" and (namespace, labels.get(INSTANCE)) in self._releases

    def _is_of_store(self, entry: Entry) -> bool:
        # Backups taken by hand carry no label; they name their cluster.
        return self.cluster_of(entry) is not None or (
            entry["kind"] == "Backup" and self.named_cluster(entry) is not None
        )

    @staticmethod
    def _is_of_person(entry: Entry) -> bool:
        # A topic or a user of Kafka carries the label of the cluster that it is for, whoever made it.
        return identity(entry)[0] == GROUPS["kafka"]

    def is_of_everybody(self, entry: Entry) -> bool:
        """Whether Kubernetes puts it into every namespace."""
        kind, name = entry["kind"], entry["metadata"]["name"]
        return (kind, name) in OF_EVERY_NAMESPACE or (kind == "Secret" and name.startswith(OF_ACCOUNTS))


def is_managed_namespace(catalogue: Mapping[str, t.Any], namespace: Entry) -> bool:
    """Whether the platform made the namespace, as its labels say."""
    return _carries(namespace["metadata"]["labels"], catalogue["labels"])


def _carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())
