# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of the platform, after all other tests: data stay, what is others' stays, the rest is gone, and no namespace hangs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import kubernetes
import pytest

Play = Callable[..., subprocess.CompletedProcess[str]]

PLAYBOOK = "playbooks/teardown.yml"
# Redis Enterprise deletes a database's data with its resource, so that its store has to be let go by name.
KEEP = {"teardown_delete_stores": ["redis"], "teardown_confirm": "lab"}
SOMEBODYS = "notes-of-somebody"
POD_SECURITY = "pod-security.kubernetes.io/"

pytestmark = pytest.mark.ends_the_platform


def namespaces(core: kubernetes.client.CoreV1Api) -> dict[str, dict[str, str]]:
    """The labels of each that is there."""
    return {one.metadata.name: one.metadata.labels or {} for one in core.list_namespace().items}


def volumes(core: kubernetes.client.CoreV1Api) -> dict[str, str]:
    """The UIDs of all claims."""
    return {
        f"{one.metadata.namespace}/{one.metadata.name}": one.metadata.uid
        for one in core.list_persistent_volume_claim_for_all_namespaces().items
    }


def test_another_clusters_name_deletes_nothing(play: Play) -> None:
    refused = play(PLAYBOOK, teardown_data="delete", teardown_confirm="production")
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert (
        "confirm it by teardown_confirm=lab, the name of this cluster in the inventory (it is ''production'')" in said
    )
    assert " changed=0 " in refused.stdout


def test_the_platform_goes_and_its_data_stay(
    play: Play, core: kubernetes.client.CoreV1Api, api: kubernetes.client.ApiClient
) -> None:
    before = volumes(core)
    postgres, kafka = (
        {name for name in before if name.startswith(start)} for start in ("azora-data/pg", "azora-data/data-")
    )
    assert postgres and kafka  # noqa: PT018
    core.create_namespaced_config_map("azora-es", {"metadata": {"name": SOMEBODYS}})

    ended = play(PLAYBOOK, **KEEP)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = " ".join(ended.stdout.split())
    assert "namespace azora-data: it holds the data of kafka and postgres" in said
    assert f"namespace azora-es: it holds what is not this platform''s, ConfigMap azora-es/{SOMEBODYS}" in said

    after = volumes(core)
    assert {name: uid for name, uid in before.items() if name in postgres | kafka} == after
    assert core.list_namespaced_pod("azora-data").items == []
    assert {secret.metadata.name for secret in core.list_namespaced_secret("azora-data").items} >= {"pg-ca", "pg-user"}
    standing = namespaces(core)
    assert {name for name in standing if not name.startswith("kube-")} - {"local-path-storage"} == {
        "azora-data",
        "azora-es",
        "default",
    }
    assert not [label for label in standing["default"] if label.startswith(POD_SECURITY)]
    policies = kubernetes.client.NetworkingV1Api(api).list_network_policy_for_all_namespaces(
        label_selector="app.kubernetes.io/managed-by=azora.platform"
    )
    assert policies.items == []
    definitions = kubernetes.client.ApiextensionsV1Api(api).list_custom_resource_definition().items
    assert not [
        one.spec.group for one in definitions if one.spec.group.endswith(("cnpg.io", "redislabs.com", "strimzi.io"))
    ]
    assert [
        one.metadata.name for one in core.list_namespaced_config_map("azora-es").items if one.metadata.name == SOMEBODYS
    ]


def test_a_second_run_changes_nothing(play: Play) -> None:
    again = play(PLAYBOOK, **KEEP)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " changed=0 " in again.stdout
