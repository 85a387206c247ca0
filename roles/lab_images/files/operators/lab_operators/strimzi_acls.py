# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access rules of a KafkaUser as single bindings, and the difference to those a cluster has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]

RESOURCE_TYPES = {"topic": "TOPIC", "group": "GROUP", "cluster": "CLUSTER", "transactionalId": "TRANSACTIONAL_ID"}
PATTERN_TYPES = {"literal": "LITERAL", "prefix": "PREFIXED"}
OPERATIONS = {
    "All": "ALL",
    "Read": "READ",
    "Write": "WRITE",
    "Create": "CREATE",
    "Delete": "DELETE",
    "Alter": "ALTER",
    "Describe": "DESCRIBE",
    "ClusterAction": "CLUSTER_ACTION",
    "AlterConfigs": "ALTER_CONFIGS",
    "DescribeConfigs": "DESCRIBE_CONFIGS",
    "IdempotentWrite": "IDEMPOTENT_WRITE",
}
#: The only resource of type cluster has this name in Kafka.
CLUSTER_RESOURCE = "kafka-cluster"


@dataclass(frozen=True, order=True)
class Rule:
    """One binding: a principal may (or may not) do one operation on one resource pattern."""

    resource_type: str
    name: str
    pattern_type: str
    principal: str
    host: str
    operation: str
    permission: str


def user_name(user: Manifest) -> str:
    """How Kafka calls the user: a certificate's subject, or the plain name."""
    name = str(user["metadata"]["name"])
    kind = (user["spec"].get("authentication") or {}).get("type")
    return f"CN={name}" if kind in ("tls", "tls-external") else name


def user_rules(user: Manifest) -> set[Rule]:
    """The bindings that a KafkaUser's authorization stands for."""
    principal = f"User:{user_name(user)}"
    rules = set()
    for acl in (user["spec"].get("authorization") or {}).get("acls") or []:
        resource = acl["resource"]
        kind = resource["type"]
        for operation in acl["operations"]:
            rules.add(
                Rule(
                    resource_type=RESOURCE_TYPES[kind],
                    name=CLUSTER_RESOURCE if kind == "cluster" else resource["name"],
                    pattern_type="LITERAL"
                    if kind == "cluster"
                    else PATTERN_TYPES[resource.get("patternType", "literal")],
                    principal=principal,
                    host=acl.get("host", "*"),
                    operation=OPERATIONS[operation],
                    permission=acl.get("type", "allow").upper(),
                )
            )
    return rules


def acl_mistakes(user: Manifest) -> list[str]:
    """Rules that Kafka would not understand, one sentence each."""
    mistakes = []
    for index, acl in enumerate((user["spec"].get("authorization") or {}).get("acls") or []):
        where, resource = f"spec.authorization.acls[{index}]", acl["resource"]
        if resource["type"] != "cluster" and not resource.get("name"):
            mistakes.append(f"{where}.resource.name is missing")
        unknown = sorted(set(acl["operations"]) - set(OPERATIONS))
        if unknown:
            mistakes.append(f"{where}.operations: {', '.join(unknown)} is none of {', '.join(OPERATIONS)}")
    return mistakes


def difference(wanted: set[Rule], existing: Iterable[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Which rules to create and which to delete."""
    have = set(existing)
    return sorted(wanted - have), sorted(have - wanted)


def orphans(rules: Iterable[Rule], principals: set[str]) -> list[Rule]:
    """Rules of principals that no KafkaUser stands for."""
    return sorted(rule for rule in rules if rule.principal not in principals)
