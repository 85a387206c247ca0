# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New passwords with no failed request: each PostgreSQL role gets a bridge, a second role that is a member of it, for as long as it takes.

PostgreSQL knows one password for a role, so whoever logs in while it changes is refused. With a bridge nobody does: the workloads are rolled over
to it, the role's password changes while no pod logs in by it, and they are rolled back. A bridge acts as the role (its setting `role`), so that what
is made meanwhile belongs to the role, too. Afterwards it is dropped: all is as before but the password.

Sources: https://cloudnative-pg.io/documentation/1.30/declarative_role_management/ (DatabaseRole, passwordStatus),
https://www.postgresql.org/docs/18/sql-alterrole.html (SET).
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._credentials import (
    by_identity,
    credential_secrets,
    kept_or_generated,
)
from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import gateway_of
from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    SECRETS_CHECKSUM,
    TEMPLATE_CHECKSUM,
    Manifest,
    checksum,
    manifest,
    of_kind,
    platform_labels,
    uses_of,
)
from ansible_collections.azora.platform.plugins.module_utils._postgres_backups import API_VERSION
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import (
    object_name,
    owners_of,
    role_secret,
)
from ansible_collections.azora.platform.plugins.module_utils._workload_environment import credentials_name

Catalogue = Mapping[str, t.Any]
Plan = Mapping[str, t.Any]
Resources = Sequence[Mapping[str, t.Any]]

BRIDGE = "_bridge"


class RotationInputError(ValueError):
    """A rotation that cannot be; the message is one sentence that names the setting."""


def rotation_plan(catalogue: Catalogue, only: Sequence[str]) -> Manifest:
    """What is rotated: roles of PostgreSQL, each with its bridge and the workloads that log in by it, and the gateway's own keys.

    `only` names workloads and PostgreSQL stores; empty: everything that can be rotated.
    """
    roles = [_role(catalogue, store, owner) for store in of_kind(catalogue, "postgresql") for owner in owners_of(store)]
    gateway = gateway_of(catalogue) if catalogue.get("gateway") else None
    known = {name for role in roles for name in (role["store"], *role["workloads"])}
    known |= {gateway["name"]} if gateway else set()
    unknown = [name for name in only if name not in known]
    if unknown or not known:
        names = ", ".join(sorted(known)) or "none"
        raise RotationInputError(
            f"rotate_only names {', '.join(map(repr, unknown))}, but what can be rotated are the passwords of: {names}"
            if unknown
            else "the catalogue has neither a PostgreSQL store nor a gateway: there is nothing to rotate"
        )
    chosen = [role for role in roles if not only or {role["store"], *role["workloads"]} & set(only)]
    taken = {role["object"] for role in roles}
    for role in chosen:
        if role["bridge_object"] in taken:
            raise RotationInputError(
                f"the role {role['bridge']!r} of the store {role['store']!r} stands in the way: "
                f"a rotation of {role['role']!r} makes a role of that name; give the catalogue's another one"
            )
    is_gateway = gateway is not None and (not only or gateway["name"] in only)
    workloads = {name for role in chosen for name in role["workloads"]}
    rolled = workloads | ({gateway["name"]} if gateway and is_gateway else set())
    clusters: dict[tuple[str, str], list[str]] = {}
    for role in chosen:
        clusters.setdefault((role["namespace"], role["cluster"]), []).append(_acting_as(role))
    return {
        "roles": chosen,
        "workloads": sorted(workloads),
        "gateway": gateway["name"] if gateway and is_gateway else None,
        "secrets_in": _namespaces_of_secrets(catalogue, chosen, rolled),
        "pods_in": sorted({one["namespace"] for one in catalogue["workloads"] if one["name"] in rolled}),
        "clusters": [
            {"namespace": namespace, "name": name, "statements": "; ".join(statements)}
            for (namespace, name), statements in clusters.items()
        ],
        "instead": {
            f"{role['namespace']}/{role['object']}": f"{role['namespace']}/{role['bridge_object']}" for role in chosen
        },
        "sentences": _sentences(chosen, gateway["name"] if gateway and is_gateway else None),
    }


def _role(catalogue: Catalogue, store: Mapping[str, t.Any], owner: str) -> Manifest:
    users = [
        workload["name"]
        for workload in catalogue["workloads"]
        if any(use["user"] == owner for use in uses_of(workload, store))
    ]
    return {
        "store": store["name"],
        "namespace": store["namespace"],
        "cluster": store["cluster"],
        "role": owner,
        "object": object_name(store, owner),
        "bridge": owner + BRIDGE,
        "bridge_object": object_name(store, owner + BRIDGE),
        "labels": platform_labels(catalogue, store["name"], "store"),
        "workloads": users,
    }


def _namespaces_of_secrets(catalogue: Catalogue, roles: Resources, rolled: set[str]) -> list[str]:
    """Where the Secrets are that the credentials of the rolled workloads are made of; the gateway's own is among them."""
    found = {role["namespace"] for role in roles}
    for workload in catalogue["workloads"]:
        if workload["name"] in rolled:
            found |= {use["namespace"] for use in workload["stores"]}
            found |= {workload["namespace"]} if workload["component"] == "gateway" else set()
    return sorted(found)


def _acting_as(role: Mapping[str, t.Any]) -> str:
    # The catalogue allows only letters, digits, '-' and '_' in these names.
    return f'ALTER ROLE "{role["bridge"]}" SET role TO "{role["role"]}"'


def _sentences(roles: Sequence[Mapping[str, t.Any]], gateway: str | None) -> list[str]:
    sentences = []
    for role in roles:
        used = f"rolls {', '.join(role['workloads'])} twice" if role["workloads"] else "no workload uses it"
        sentences.append(
            f"role {role['role']} of the PostgreSQL cluster {role['namespace']}/{role['cluster']}: a new password; {used}"
        )
    if gateway:
        sentences.append(f"the keys of {gateway}'s own API: new ones; rolls {gateway} once")
    return sentences


def bridge_secrets(plan: Plan, existing: Resources) -> list[Manifest]:
    """The Secrets of the bridges; what stands on the cluster, of a rotation that was interrupted, is kept."""
    wanted = [
        {"namespace": role["namespace"], "name": role["bridge_object"], "keys": ["password"]} for role in plan["roles"]
    ]
    passwords = kept_or_generated(wanted, existing)
    return [
        role_secret(
            role["bridge_object"],
            role["namespace"],
            role["bridge"],
            passwords[f"{role['namespace']}/{role['bridge_object']}"]["password"],
            role["labels"],
        )
        for role in plan["roles"]
    ]


def bridges(plan: Plan) -> list[Manifest]:
    """The bridges as resources; deleting one drops the role."""
    return [
        manifest(
            API_VERSION,
            "DatabaseRole",
            role["bridge_object"],
            role["namespace"],
            labels=role["labels"],
            spec={
                "cluster": {"name": role["cluster"]},
                "name": role["bridge"],
                "ensure": "present",
                "comment": f"stands in for {role['role']} while its password changes",
                "login": True,
                "inherit": True,
                "inRoles": [role["role"]],
                "passwordSecret": {"name": role["bridge_object"]},
                "databaseRoleReclaimPolicy": "delete",
            },
        )
        for role in plan["roles"]
    ]


def bridge_secret_names(plan: Plan) -> list[Manifest]:
    """The Secrets of the bridges without what is in them, to be removed."""
    return [manifest("v1", "Secret", role["bridge_object"], role["namespace"]) for role in plan["roles"]]


def renewed_secrets(plan: Plan) -> list[Manifest]:
    """The Secrets of the roles, each with a new random password."""
    wanted = [{"namespace": role["namespace"], "name": role["object"], "keys": ["password"]} for role in plan["roles"]]
    passwords = kept_or_generated(wanted, [])
    return [
        role_secret(
            role["object"],
            role["namespace"],
            role["role"],
            passwords[f"{role['namespace']}/{role['object']}"]["password"],
            role["labels"],
        )
        for role in plan["roles"]
    ]


def renewed_gateway_secret(catalogue: Catalogue, secrets: Resources) -> list[Manifest]:
    """The gateway's Secret with new keys of its own; what its stores gave it is kept."""
    gateway = gateway_of(catalogue)
    own = f"{gateway['namespace']}/{credentials_name(gateway)}"
    others = [secret for identity, secret in by_identity(secrets).items() if identity != own]
    return credential_secrets(catalogue, others, workloads=[gateway["name"]])


def unapplied_bridges(plan: Plan, secrets: Resources, database_roles: Resources, namespace: str = "") -> list[str]:
    """One sentence for each bridge (of one namespace, if given) that PostgreSQL does not know yet with the password of its Secret."""
    versions, found = _versions(secrets), by_identity(database_roles)
    sentences = []
    for role in _roles_of(plan, namespace):
        identity = f"{role['namespace']}/{role['bridge_object']}"
        resource = found.get(identity, {})
        status = resource.get("status") or {}
        is_current = status.get("observedGeneration") == resource.get("metadata", {}).get("generation")
        if status.get("applied") is True and is_current and _is_applied(identity, status, versions):
            continue
        sentences.append(f"DatabaseRole {identity} is not applied ({status.get('message') or 'no reason given'})")
    return sentences


def unapplied_passwords(plan: Plan, secrets: Resources, clusters: Resources, namespace: str = "") -> list[str]:
    """One sentence for each role (of one namespace, if given) that does not have the password of its Secret yet."""
    versions, found = _versions(secrets), by_identity(clusters)
    sentences = []
    for role in _roles_of(plan, namespace):
        cluster = f"{role['namespace']}/{role['cluster']}"
        managed = (found.get(cluster, {}).get("status") or {}).get("managedRolesStatus") or {}
        applied = (managed.get("passwordStatus") or {}).get(role["role"]) or {}
        refused = (managed.get("cannotReconcile") or {}).get(role["role"]) or []
        secret = f"{role['namespace']}/{role['object']}"
        if not refused and versions.get(secret) and applied.get("resourceVersion") == versions[secret]:
            continue
        sentences.append(
            f"the password of the Secret {secret} is not that of the role {role['role']} in {cluster} yet "
            f"({', '.join(refused) or 'no reason given'})"
        )
    return sentences


def _roles_of(plan: Plan, namespace: str) -> list[Mapping[str, t.Any]]:
    return [role for role in plan["roles"] if namespace in ("", role["namespace"])]


def _versions(secrets: Resources) -> dict[str, str]:
    return {identity: secret["metadata"]["resourceVersion"] for identity, secret in by_identity(secrets).items()}


def _is_applied(identity: str, status: Mapping[str, t.Any], versions: Mapping[str, str]) -> bool:
    return identity in versions and status.get("secretResourceVersion") == versions[identity]


def rollouts(plan: Plan, manifests: Resources) -> list[Mapping[str, t.Any]]:
    """Of the workloads' manifests those that a rotation rolls: their Deployments, and the autoscalers that say how many pods there are."""
    names = {*plan["workloads"], plan["gateway"]}
    kinds = ("Deployment", "HorizontalPodAutoscaler")
    return [entry for entry in manifests if entry["kind"] in kinds and entry["metadata"]["name"] in names]


def pending_changes(wanted: Resources, deployments: Resources) -> list[str]:
    """One sentence for each Deployment that differs from its manifest in more than the credentials: a rotation changes nothing else."""
    present = by_identity(deployments)
    sentences = []
    for identity, entry in by_identity(one for one in wanted if one["kind"] == "Deployment").items():
        if identity not in present:
            sentences.append(f"{identity} is not deployed")
            continue
        live = present[identity]["spec"]["template"]["metadata"].get("annotations") or {}
        template = entry["spec"]["template"]
        annotations = {
            key: value for key, value in template["metadata"]["annotations"].items() if key != TEMPLATE_CHECKSUM
        }
        annotations[SECRETS_CHECKSUM] = live.get(SECRETS_CHECKSUM)
        same = {**template, "metadata": {**template["metadata"], "annotations": annotations}}
        if live.get(TEMPLATE_CHECKSUM) != checksum(same):
            sentences.append(f"{identity} does not run as the inventory has it")
    return sentences


def former_pods(wanted: Resources, pods: Resources) -> list[str]:
    """One sentence for each pod of these Deployments with a template before this one. Also one that is on its way out answers requests."""
    selectors = [
        (
            entry["metadata"]["namespace"],
            entry["spec"]["selector"]["matchLabels"],
            _template_of(entry["spec"]["template"]),
        )
        for entry in wanted
        if entry["kind"] == "Deployment"
    ]
    return [
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']} still has the credentials before these"
        for pod in pods
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        for namespace, labels, template in selectors
        if pod["metadata"]["namespace"] == namespace
        # Ansible's own mappings cannot be compared by their items().
        and all((pod["metadata"].get("labels") or {}).get(key) == value for key, value in labels.items())
        and _template_of(pod) != template
    ]


def _template_of(resource: Mapping[str, t.Any]) -> t.Any:
    return (resource["metadata"].get("annotations") or {}).get(TEMPLATE_CHECKSUM)
