# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Cluster's status in the vendor's words, derived from what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab_operators.cloudnative_pg_definition import RESERVED_ROLES
from lab_operators.cloudnative_pg_object_stores import BARMAN_CLOUD
from lab_operators.kubernetes_api import Manifest

HEALTHY = "Cluster in healthy state"
SETTING_UP = "Setting up primary"
WAITING = "Waiting for the instances to become active"
UPGRADING = "Upgrading cluster"
FAILING_OVER = "Failing over"
CREATING_REPLICA = "Creating a new replica"
SWITCHING_OVER = "Switchover in progress"
SCALING_DOWN = "Scaling down"
APPLYING = "Applying configuration"
INVALID = "Invalid cluster definition"
CANNOT_CREATE = "Unable to create required cluster objects"
UNKNOWN_PLUGIN = "Cluster cannot proceed to reconciliation due to an unknown plugin being required"

#: An instance has ended for want of room; the vendor's operator leaves such a Cluster alone, its claims included
#: (ensureNoFailoverOnFullDisk in internal/controller/cluster_controller.go).
NO_ROOM = "Not enough disk space"
NO_ROOM_REASON = (
    "Insufficient disk space detected in one or more pods is preventing PostgreSQL from running."
    "Please verify your storage settings. Further information inside .status.instancesReportedState"
)
#: With which the instance manager ends then.
NO_ROOM_EXIT_CODE = 4

#: Of the plugin whose resources the stand-in handles.
BARMAN_CLOUD_VERSION = "0.14.0"
#: Reasons of a waiting container that do not pass by themselves.
STUCK = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError"}
)


@dataclass
class RoleResults:
    """What became of managed.roles."""

    reconciled: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    not_managed: list[str] = field(default_factory=list)
    cannot_reconcile: dict[str, list[str]] = field(default_factory=dict)
    password_versions: dict[str, str] = field(default_factory=dict)

    def as_status(self, before: Manifest) -> Manifest:
        """The status, with what is no longer true taken back: a merge patch keeps what it does not name."""
        by_status = {
            "not-managed": sorted(self.not_managed),
            "pending-reconciliation": sorted(self.pending),
            "reconciled": sorted(self.reconciled),
            "reserved": sorted(RESERVED_ROLES),
        }
        return {
            "byStatus": {status: names or None for status, names in by_status.items()},
            "cannotReconcile": dict.fromkeys(before.get("cannotReconcile") or {}) | self.cannot_reconcile,
            "passwordStatus": dict.fromkeys(before.get("passwordStatus") or {})
            | {role: {"resourceVersion": version} for role, version in sorted(self.password_versions.items())},
        }


@dataclass
class InstanceState:
    """One instance, as its pod and its server say."""

    name: str
    pod_ready: bool = False
    terminating: bool = False
    address: str = ""
    #: What keeps it from being ready, when that is known.
    trouble: str = ""
    #: Why it needs a new pod; empty when it does not.
    restart_reason: str = ""
    #: The answer of its status endpoint.
    answer: Manifest = field(default_factory=dict)

    @property
    def is_primary(self) -> bool:
        return bool(self.answer.get("is_primary"))

    @property
    def is_streaming(self) -> bool:
        return bool(self.answer.get("is_streaming"))

    @property
    def timeline(self) -> int:
        return int(self.answer.get("timeline") or 0)


@dataclass
class Findings:
    """What one reconciliation found out."""

    phase: str
    reason: str = ""
    image: str = ""
    instances: list[InstanceState] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    secret_versions: dict[str, str] = field(default_factory=dict)
    roles: RoleResults | None = None
    #: Whether the Cluster has a place for its write-ahead log, and the Backups of it.
    archives: bool = False
    backups: list[Manifest] = field(default_factory=list)

    @property
    def primary(self) -> InstanceState | None:
        """Who takes writes. One that lost the lock may think so a moment longer: the newer timeline counts."""
        claimants = [instance for instance in self.instances if instance.pod_ready and instance.is_primary]
        return max(claimants, key=lambda instance: instance.timeline, default=None)


def one_line(error: Exception) -> str:
    """What an error says, fit for a status message: PostgreSQL's details and hints come on lines of their own."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


def pod_trouble(pod: Manifest) -> str:
    """Why a pod does not come up, in a sentence; empty when it only needs time."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod {pod['metadata']['name']} cannot be scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in STUCK:
            ended = (container.get("lastState") or {}).get("terminated") or {}
            why = ended.get("message") or waiting.get("message") or ""
            return f"pod {pod['metadata']['name']}: {waiting['reason']}: {why}".rstrip(": ")
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return (
                f"pod {pod['metadata']['name']} ended with code {ended['exitCode']}: {ended.get('message', '')}".rstrip(
                    ": "
                )
            )
    return ""


def lacks_room(pod: Manifest) -> bool:
    """Whether its server has ended for want of room and is not back yet."""
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        ends = [container.get("state") or {}, {} if container.get("ready") else container.get("lastState") or {}]
        if any((end.get("terminated") or {}).get("exitCode") == NO_ROOM_EXIT_CODE for end in ends):
            return True
    return False


def is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def cluster_status(cluster: Manifest, findings: Findings, now: str) -> Manifest:
    """The whole status of the Cluster. Times change only when what they belong to does."""
    name = cluster["metadata"]["name"]
    before: Manifest = cluster.get("status") or {}
    status: Manifest = {
        "phase": findings.phase,
        "phaseReason": findings.reason or None,
        "instances": len(findings.instances),
        "readyInstances": sum(instance.pod_ready for instance in findings.instances),
        "conditions": conditions(before.get("conditions") or [], findings, now),
        "selector": f"cnpg.io/cluster={name},cnpg.io/podRole=instance",
        "writeService": f"{name}-rw",
        "readService": f"{name}-r",
        "pluginStatus": [{"name": BARMAN_CLOUD, "version": BARMAN_CLOUD_VERSION}] if findings.archives else None,
    }
    if findings.image:
        status["image"] = findings.image
    if findings.claims:
        status |= {"pvcCount": len(findings.claims), "healthyPVC": sorted(findings.claims)}
    if findings.secret_versions:
        status["secretsResourceVersion"] = findings.secret_versions
        status["certificates"] = {
            "clientCASecret": f"{name}-ca",
            "serverCASecret": f"{name}-ca",
            "serverTLSSecret": f"{name}-server",
            "replicationTLSSecret": f"{name}-replication",
        }
    if findings.instances:
        status |= _instances(before, findings, now)
    if findings.primary:
        status |= _server(findings, findings.primary)
    if findings.roles is not None:
        status["managedRolesStatus"] = findings.roles.as_status(before.get("managedRolesStatus") or {})
    return status


def _instances(before: Manifest, findings: Findings, now: str) -> Manifest:
    names = [instance.name for instance in findings.instances]
    healthy = [instance.name for instance in findings.instances if instance.pod_ready]
    failed = [name for name in names if name not in healthy]
    status: Manifest = {
        "instanceNames": names,
        "latestGeneratedNode": max(int(name.rsplit("-", 1)[1]) for name in names),
        "instancesStatus": {"healthy": healthy or None, "failed": failed or None},
    }
    primary = findings.primary.name if findings.primary else before.get("currentPrimary")
    known = {"currentPrimary": primary, "targetPrimary": primary or names[0]}
    for field_name, name in known.items():
        if name:
            since = f"{field_name}Timestamp"
            status[field_name] = name
            status[since] = (before.get(since) if before.get(field_name) == name else None) or now
    return status


def _server(findings: Findings, primary: InstanceState) -> Manifest:
    version = str(primary.answer.get("version", "")).split(".", 1)[0]
    reported: Manifest = {
        instance.name: {
            "isPrimary": instance is primary,
            "timeLineID": instance.timeline,
            "ip": instance.address,
        }
        for instance in findings.instances
        if instance.answer.get("ready")
    }
    # A merge patch keeps what it does not name.
    absent: Manifest = {instance.name: None for instance in findings.instances if instance.name not in reported}
    status: Manifest = {
        "systemID": primary.answer.get("system_id"),
        "timelineID": primary.timeline,
        "instancesReportedState": reported | absent,
    }
    if version.isdigit():
        status["pgDataImageInfo"] = {"image": findings.image, "majorVersion": int(version)}
    return status


def conditions(before: list[Manifest], findings: Findings, now: str) -> list[Manifest]:
    """Ready follows from the phase alone. What nobody knows yet has no condition."""
    ready = findings.phase == HEALTHY
    message = "Cluster is Ready" if ready else f"Cluster Is Not Ready: {findings.phase}"
    if findings.reason and not ready:
        message += f" ({findings.reason})"
    wanted = [
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "ClusterIsReady" if ready else "ClusterIsNotReady",
            "message": message[:32000],
        }
    ]
    if findings.primary:
        wanted += [
            {
                "type": "ConsistentSystemID",
                "status": "True",
                "reason": "Unique",
                "message": "A single, unique system ID was found across reporting instances.",
            },
            {
                "type": "Initialized",
                "status": "True",
                "reason": "ClusterInitialized",
                "message": "The cluster has been initialized",
            },
        ]
        wanted += _archiving(findings, findings.primary)
    wanted += _last_backup(findings.backups)
    kinds = {condition["type"] for condition in wanted} | ({"ContinuousArchiving"} if not findings.archives else set())
    wanted += [condition for condition in before if condition["type"] not in kinds]
    since: dict[str, Any] = {
        condition["type"]: condition["lastTransitionTime"]
        for condition in before
        for other in wanted
        if other["type"] == condition["type"] and other["status"] == condition["status"]
    }
    return [{**condition, "lastTransitionTime": since.get(condition["type"], now)} for condition in wanted]


def _archiving(findings: Findings, primary: InstanceState) -> list[Manifest]:
    """Whether the primary's log arrives in the object store; nothing before the first file."""
    if not findings.archives or not (primary.answer.get("last_archived") or primary.answer.get("archiving_fails")):
        return []
    fails = bool(primary.answer.get("archiving_fails"))
    return [
        {
            "type": "ContinuousArchiving",
            "status": "False" if fails else "True",
            "reason": "ContinuousArchivingFailing" if fails else "ContinuousArchivingSuccess",
            "message": primary.answer.get("archiving_error", "") if fails else "Continuous archiving is working",
        }
    ]


def _last_backup(backups: list[Manifest]) -> list[Manifest]:
    """What became of the Backup that ended last."""
    ended = [
        backup["status"] for backup in backups if (backup.get("status") or {}).get("phase") in ("completed", "failed")
    ]
    if not ended:
        return []
    last = max(ended, key=lambda status: str(status.get("stoppedAt", "")))
    failed = last["phase"] == "failed"
    return [
        {
            "type": "LastBackupSucceeded",
            "status": "False" if failed else "True",
            "reason": "LastBackupFailed" if failed else "LastBackupSucceeded",
            "message": last.get("error", "") if failed else "Backup was successful",
        }
    ]


def changed(before: Manifest, status: Manifest) -> bool:
    """Whether a merge patch of this status would change something."""
    for key, value in status.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if changed(old, value):
                return True
        elif value is None:
            if old is not None:
                return True
        elif old != value and not (value == {} and old is None):
            return True
    return False
