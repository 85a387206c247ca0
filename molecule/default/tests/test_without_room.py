# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A full volume of PostgreSQL's write-ahead log is one clear sentence, and a larger size heals it.

The lab's volumes are folders without a size, so a small file system is put over one of them, and this test plays the storage
that enlarges it when its claim asks for more.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kubernetes
import pytest
from drill import HEALTHY_SECONDS, uid_of, wait_for

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE = "azora-data"
CLUSTERS = ("postgresql.cnpg.io", "v1", NAMESPACE, "clusters", "pg")
LOG_CLAIMS = "cnpg.io/cluster=pg,cnpg.io/pvcRole=PG_WAL"
#: Less than one file of the log, which has 16 MB.
ROOM = 8 << 20
USUAL, LARGER = "1Gi", "2Gi"
#: Below what the claims have asked for first: nobody may ask for less than a volume has.
SMALLEST = "512Mi"


@dataclass(frozen=True)
class Volume:
    """Where the log of an instance is, on its node."""

    instance: str
    node: dict[str, Any]
    path: str

    @property
    def claim(self) -> str:
        return f"{self.instance}-wal"

    def run(self, *command: str) -> str:
        """As the node sees its files."""
        inside = ["nsenter", f"--mount={self.node['mount_namespace']}", *command]
        return subprocess.run(inside, capture_output=True, text=True, check=True).stdout

    def limit(self) -> None:
        """The same content on a file system of its own that has no room for one more file."""
        self.run("cp", "-a", self.path, f"{self.path}.aside")
        self.run("mount", "-t", "tmpfs", "tmpfs", self.path)
        self.run("cp", "-a", f"{self.path}.aside/.", self.path)
        self.run("rm", "-r", f"{self.path}.aside")
        used = int(self.run("df", "--output=used", "--block-size=1", self.path).split()[-1])
        self.resize(str(used + ROOM))

    def resize(self, size: str) -> None:
        self.run("mount", "-o", f"remount,size={size.removesuffix('i')}", self.path)

    def lift_limit(self) -> None:
        self.run("cp", "-a", self.path, f"{self.path}.aside")
        self.run("umount", self.path)
        self.run("find", self.path, "-mindepth", "1", "-delete")
        self.run("cp", "-a", f"{self.path}.aside/.", self.path)
        self.run("rm", "-r", f"{self.path}.aside")


def status(api: kubernetes.client.ApiClient) -> dict[str, Any]:
    found: dict[str, Any] = kubernetes.client.CustomObjectsApi(api).get_namespaced_custom_object(*CLUSTERS)["status"]
    return found


def wait_for_phase(api: kubernetes.client.ApiClient, phase: str) -> None:
    wait_for(f"the phase {phase!r}", HEALTHY_SECONDS, lambda: status(api)["phase"] == phase)


def is_ready(core: kubernetes.client.CoreV1Api, instance: str) -> bool:
    conditions = core.read_namespaced_pod(instance, NAMESPACE).status.conditions or []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def log_of_a_standby(
    lab: dict[str, Any], api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api
) -> Volume:
    found = status(api)
    instance = max(set(found["instanceNames"]) - {found["currentPrimary"]})
    claim = core.read_namespaced_persistent_volume_claim(f"{instance}-wal", NAMESPACE)
    volume = core.read_persistent_volume(claim.spec.volume_name)
    name = core.read_namespaced_pod(instance, NAMESPACE).spec.node_name
    node = next(node for node in lab["nodes"] if node["name"] == name)
    return Volume(instance, node, volume.spec.host_path.path)


@contextmanager
def stopped(core: kubernetes.client.CoreV1Api, volume: Volume) -> Iterator[None]:
    """The instance's pod is away, since its node takes none."""
    before = uid_of(core, NAMESPACE, volume.instance)
    core.patch_node(volume.node["name"], {"spec": {"unschedulable": True}})
    try:
        core.delete_namespaced_pod(volume.instance, NAMESPACE)
        wait_for("its pod to go", HEALTHY_SECONDS, lambda: uid_of(core, NAMESPACE, volume.instance) != before)
        yield
    finally:
        core.patch_node(volume.node["name"], {"spec": {"unschedulable": None}})


@contextmanager
def storage(core: kubernetes.client.CoreV1Api, volume: Volume) -> Iterator[None]:
    """What a CSI driver does: a claim that asks for more gets it."""
    finished = threading.Event()

    def enlarge() -> None:
        while not finished.wait(0.5):
            for claim in core.list_namespaced_persistent_volume_claim(NAMESPACE, label_selector=LOG_CLAIMS).items:
                asked = claim.spec.resources.requests["storage"]
                if asked != claim.status.capacity["storage"]:
                    if claim.metadata.name == volume.claim:
                        volume.resize(asked)
                    give(core, claim.metadata.name, asked)

    thread = threading.Thread(target=enlarge)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def give(core: kubernetes.client.CoreV1Api, claim: str, size: str) -> None:
    change = {"status": {"capacity": {"storage": size}}}
    core.patch_namespaced_persistent_volume_claim_status(claim, NAMESPACE, change)


def sizes(core: kubernetes.client.CoreV1Api) -> dict[str, str]:
    claims = core.list_namespaced_persistent_volume_claim(NAMESPACE, label_selector=LOG_CLAIMS).items
    return {claim.metadata.name: claim.spec.resources.requests["storage"] for claim in claims}


@pytest.fixture
def full(lab: dict[str, Any], api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api) -> Iterator[Volume]:
    """A standby comes back to a full volume; afterwards everything has the size that it had."""
    wait_for_phase(api, "Cluster in healthy state")
    volume = log_of_a_standby(lab, api, core)
    with stopped(core, volume):
        volume.limit()
    try:
        wait_for_phase(api, "Not enough disk space")
        yield volume
    finally:
        volume.resize(LARGER)
        wait_for_phase(api, "Cluster in healthy state")
        for claim in sizes(core):
            give(core, claim, SMALLEST)
        custom = kubernetes.client.CustomObjectsApi(api)
        custom.patch_namespaced_custom_object(*CLUSTERS, {"spec": {"walStorage": {"size": USUAL}}})
        wait_for("the usual size", HEALTHY_SECONDS, lambda: set(sizes(core).values()) == {USUAL})
        for claim in sizes(core):
            give(core, claim, USUAL)
        with stopped(core, volume):
            volume.lift_limit()
        wait_for("the instance", HEALTHY_SECONDS, lambda: is_ready(core, volume.instance))
        wait_for_phase(api, "Cluster in healthy state")


def test_a_full_log_is_said_and_heals_by_a_larger_size(
    play: Play, core: kubernetes.client.CoreV1Api, full: Volume
) -> None:
    run = play("playbooks/data.yml")
    assert run.returncode != 0, run.stdout
    assert " changed=0 " in run.stdout
    said = " ".join(run.stdout.split())
    assert f"no room for one more file of the write-ahead log in {full.claim} ({USUAL}): write a larger" in said, (
        run.stdout
    )

    with storage(core, full):
        healed = play("playbooks/data.yml", postgres_wal_storage_size=LARGER)
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert sizes(core) == {f"pg-{number}-wal": LARGER for number in (1, 2, 3)}, json.dumps(sizes(core))
