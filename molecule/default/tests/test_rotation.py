# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database password changes under a steady load of writes: no request fails, the old password is refused, nothing else has changed."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes
from drill import OUTAGE_SECONDS, wait_for, writes

from conftest import ansible

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, CLUSTER, ROLE = "azora-data", "pg", "user"
BRIDGE = f"{ROLE}_bridge"


def password(core: kubernetes.client.CoreV1Api) -> str:
    data = core.read_namespaced_secret(f"{CLUSTER}-{ROLE}", NAMESPACE).data
    return base64.b64decode(data["password"]).decode()


def login(core: kubernetes.client.CoreV1Api, instance: str, role: str, secret: str) -> str:
    """What PostgreSQL says to a login over the network, from the pod of an instance."""
    statement = "SELECT 'in as ' || current_user"
    command = [
        "env",
        f"PGPASSWORD={secret}",
        "PGCONNECT_TIMEOUT=5",
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
    ]
    answer: str = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec,
        instance,
        NAMESPACE,
        command=[*command, f"--host={CLUSTER}-rw", f"--username={role}", f"--dbname={ROLE}", f"--command={statement}"],
        container="postgres",
        stderr=True,
        stdout=True,
    )
    return answer.strip()


def test_a_password_changes_with_no_failed_request(
    lab_name: str,
    lab: dict[str, Any],
    api: kubernetes.client.ApiClient,
    core: kubernetes.client.CoreV1Api,
    record_property: Callable[[str, object], None],
) -> None:
    custom = kubernetes.client.CustomObjectsApi(api)
    cluster = custom.get_namespaced_custom_object("postgresql.cnpg.io", "v1", NAMESPACE, "clusters", CLUSTER)
    instance = cluster["status"]["currentPrimary"]
    old = password(core)
    assert login(core, instance, ROLE, old) == f"in as {ROLE}"
    with writes(lab, "users") as load:
        wait_for("writes", OUTAGE_SECONDS, lambda: load.acknowledged_after(2))
        began = load.now()
        variables = f"{{lab_name: {lab_name}, rotate_only: [user]}}"
        rotated = ansible("ansible-playbook", "playbooks/rotate.yml", "-vvv", "--diff", "-e", variables)
        ended = load.now()
        wait_for("writes after it", OUTAGE_SECONDS, lambda: load.acknowledged_after(ended + 2))
        load.finish()
    acknowledged, failed, lost = (load.result[kind] for kind in ("acknowledged", "failed", "lost"))
    meanwhile = [write for write in acknowledged if began <= write[0] <= ended]
    print(
        f"\nrotated in {ended - began:.1f} s: {len(meanwhile)} writes acknowledged meanwhile, {len(failed)} failed, {len(lost)} lost"
    )
    record_property("rotation_seconds", round(ended - began, 1))
    assert len(meanwhile) > 10 * (ended - began), "the load was no load"
    assert failed == []
    assert lost == []

    new = password(core)
    assert new != old
    assert login(core, instance, ROLE, new) == f"in as {ROLE}"
    assert f'password authentication failed for user "{ROLE}"' in login(core, instance, ROLE, old)
    # The bridge is gone, in the database as in the cluster.
    assert f'password authentication failed for user "{BRIDGE}"' in login(core, instance, BRIDGE, new)
    known = custom.list_namespaced_custom_object("postgresql.cnpg.io", "v1", NAMESPACE, "databaseroles")["items"]
    assert [role["metadata"]["name"] for role in known] == []
    assert f"{CLUSTER}-{ROLE}-bridge" not in {
        secret.metadata.name for secret in core.list_namespaced_secret(NAMESPACE).items
    }
    output = rotated.stdout + rotated.stderr
    assert "TASK [azora.platform.rotate" in output
    for secret in (old, new):
        assert secret not in output
        assert base64.b64encode(secret.encode()).decode() not in output


def test_site_changes_nothing_after_a_rotation(lab_name: str) -> None:
    again = ansible("ansible-playbook", "playbooks/data.yml", "playbooks/services.yml", "-e", f"lab_name={lab_name}")
    assert " changed=0 " in again.stdout, again.stdout


def test_an_unknown_name_is_said(play: Play) -> None:
    refused = play("playbooks/rotate.yml", rotate_only=["usr"])
    assert refused.returncode != 0
    said = "rotate_only names 'usr', but what can be rotated are the passwords of: course, enrollment, gateway, postgres, user"
    assert said in " ".join(refused.stdout.split())
    assert " changed=0 " in refused.stdout
