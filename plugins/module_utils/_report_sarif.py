# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mismatches of a verification as SARIF 2.1.0, the format of code scanning: one result each, one rule a kind of check."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    COLLECTION,
    TOOL,
    Occasion,
    Result,
    headline,
    lead,
    printable,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import INCONCLUSIVE

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
DOCUMENTATION = f"{COLLECTION}/blob/main/docs/verification.md"
FINGERPRINT = "azoraVerification/v1"
BASE = "CLUSTER"
WHOLE_CLUSTER = "cluster"
# What a path of a URI may carry as it is; the names of Kubernetes have nothing else.
UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")


@dataclass(frozen=True)
class Rule:
    check: str
    name: str
    short: str
    help: str


RULES = (
    Rule(
        "enforcement",
        "PoliciesAreEnforced",
        "The cluster enforces network policies",
        "Every connection that should be closed is open. Either the network plugin of the cluster does not enforce network policies, or"
        " one policy allows everything. Look for a policy without a peer under ingress or egress, then at the network plugin. The single"
        " connections are told as well, but have this one cause.",
    ),
    Rule(
        "readiness",
        "PodsAreReady",
        "Every workload has its ready pods",
        "A workload has fewer or more ready pods than declared. Look at the events and the logs of the pods named.",
    ),
    Rule(
        "probes",
        "ProbesAreDeclaredAndAnswered",
        "Pods have the declared probes and answer them",
        "Either the probes of the live pod are not those of the catalogue, or the pod does not answer the path of a probe on its own"
        " address, as the kubelet asks for it. Deploy the workload again, or look at its log.",
    ),
    Rule(
        "prober",
        "ProbersReport",
        "Every prober reports",
        "The prober in a pod could not be started or its report cannot be used, so that nothing is known from there. The message says why:"
        " a right that is missing, an image that cannot be pulled, a pod that went away.",
    ),
    Rule(
        "dns",
        "NameServersAnswer",
        "Every workload gets answers from its name servers",
        "A name server does not answer a workload, over UDP or over TCP, or not with an address. A network policy must allow port 53 over"
        " both.",
    ),
    Rule(
        "workloads",
        "WorkloadsCanAct",
        "Workloads can be rolled out, reached, drained and scaled",
        "What stands around the pods cannot do what it is there for: a rollout that is not complete, pods of different images, endpoints that"
        " are not the ready pods, pods on one node, a disruption budget or an autoscaler that cannot act, or a pod that restarted meanwhile.",
    ),
    Rule(
        "backups",
        "StoresCanBeRecovered",
        "Stores that should be backed up can be recovered",
        "The write-ahead log of a PostgreSQL cluster does not arrive in its object store, or the last backup of a store failed. The message"
        " has the operator's reason: often a key or an address of the object store, or a policy on the way there. Until it is mended, the log"
        " fills a PostgreSQL cluster's own volume.",
    ),
    Rule(
        "contradiction",
        "PacketsFollowPolicies",
        "Packets do what the policies say",
        "A packet got through that the policies deny, or did not though they allow it. Look at the network plugin on the nodes of both ends,"
        " and at whatever else may filter on the way: a firewall of the nodes, policies of another kind.",
    ),
    Rule(
        "policies",
        "PoliciesAreAsDeclared",
        "The policies allow exactly the declared connections",
        "By the policies alone, without a packet, a connection is open that nothing declares, or a declared one is closed. The message names"
        " the policy. The playbook azora.platform.namespaces puts the derived policies back.",
    ),
    Rule(
        "connectivity",
        "ConnectionsAreAsDeclared",
        "Exactly the declared connections are open",
        "A connection is open that nothing declares, or a declared one is blocked, or opens without an answer, or could not be judged. Real"
        " packets were sent from a real replica of the source. Compare the network policies of both ends with the catalogue: the playbook"
        " azora.platform.namespaces puts them back.",
    ),
)


def sarif_report(result: Result, occasion: Occasion) -> str:
    rules = _rules(result)
    numbers = {rule.check: number for number, rule in enumerate(rules)}
    told: Counter[str] = Counter()
    run = {
        "tool": {
            "driver": {
                "name": TOOL,
                "version": occasion.version,
                "semanticVersion": occasion.version,
                "informationUri": COLLECTION,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "automationDetails": {"id": "azora.platform/verify/"},
        "invocations": [
            # The tool did what it was asked to, whatever it found.
            {"executionSuccessful": True, "endTimeUtc": occasion.time, "properties": dict(result["summary"])}
        ],
        "originalUriBaseIds": {
            BASE: {"description": {"text": "What is called namespace/name lies in the cluster, not in a file."}}
        },
        "columnKind": "unicodeCodePoints",
        "results": [_finding(mismatch, numbers, told) for mismatch in result["mismatches"]],
        "properties": {
            "cluster": printable(occasion.cluster),
            "headline": headline(result),
            "lead": lead(result),
            "complete": result["complete"],
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=True) + "\n"


def _rules(result: Result) -> list[Rule]:
    known = {rule.check for rule in RULES}
    strange = sorted({mismatch["check"] for mismatch in result["mismatches"]} - known)
    return [
        *RULES,
        *(Rule(check, check, check, f"The check {check} found something else than expected.") for check in strange),
    ]


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.check,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": f"{rule.short}."},
        "help": {"text": rule.help, "markdown": rule.help},
        "helpUri": DOCUMENTATION,
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["kubernetes", "network", "verification"], "precision": "very-high"},
    }


def _finding(mismatch: Mapping[str, Any], numbers: Mapping[str, int], told: Counter[str]) -> dict[str, Any]:
    unknown = mismatch["found"] == INCONCLUSIVE
    mark = fingerprint(mismatch)
    told[mark] += 1
    located = [str(mismatch[end]) for end in ("source", "destination") if mismatch[end] != "*"]
    return {
        "ruleId": mismatch["check"],
        "ruleIndex": numbers[mismatch["check"]],
        "level": "warning" if unknown else "error",
        # Of a text like [this](that) a viewer makes a link; what pods say shall not choose where it leads.
        "message": {"text": printable(str(mismatch["sentence"])).replace("](", "] (")},
        "locations": [_location(located)],
        # Twins (two pods of one workload with the same fault) are told apart by their order.
        "partialFingerprints": {FINGERPRINT: mark if told[mark] == 1 else f"{mark}:{told[mark]}"},
        "properties": {
            key: printable(value) if isinstance(value, str) else value
            for key, value in mismatch.items()
            if key not in ("check", "sentence") and value is not None
        },
    }


def _location(ends: list[str]) -> dict[str, Any]:
    names = [printable(end) for end in dict.fromkeys(ends)] or [WHOLE_CLUSTER]
    path = "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in names[0].encode())
    return {
        # Code scanning of GitHub takes no result without a file and a line; this one leads to the workload's name.
        "physicalLocation": {"artifactLocation": {"uri": path, "uriBaseId": BASE}, "region": {"startLine": 1}},
        "logicalLocations": [
            {"name": name.rsplit("/", maxsplit=1)[-1], "fullyQualifiedName": name, "kind": "resource"} for name in names
        ],
    }


def fingerprint(mismatch: Mapping[str, Any]) -> str:
    """The same for the same fault in the next run: pods get new names, and a silence may look different every time."""
    of_pods = mismatch["check"] in ("probes", "prober")
    parts = [
        mismatch["check"],
        mismatch["source"],
        "" if of_pods else mismatch["destination"],
        mismatch["port"],
        mismatch["expected"] if mismatch["check"] != "readiness" else "",
        mismatch["reason"] if mismatch["check"] == "probes" else "",
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
