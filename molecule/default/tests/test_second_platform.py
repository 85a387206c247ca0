# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platform of docs/examples/shop.yml beside Azora's on the same lab: put up, both verified side by side, run again, taken away.

The inventory has a host for each, so that the plays of the two go on in parallel, as those of two clusters do.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import kubernetes
import pytest
import yaml
from drill import KNOCK

from conftest import CHECKOUT, ansible, playbook_command

EXAMPLE = CHECKOUT / "docs" / "examples" / "shop.yml"
NAMESPACES = {"shop", "shop-staff", "shop-data"}
PART_OF = "app.kubernetes.io/part-of=shop"
PLACE = pathlib.Path("/var/lib/azora-lab")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory, lab_name: str) -> pathlib.Path:
    """What a user writes: a host, and the catalogue file among its variables."""
    folder = tmp_path_factory.mktemp("inventory")
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"clusters": {"hosts": {"shop": host}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    images = json.loads((PLACE / lab_name / "images.json").read_text(encoding="utf-8"))
    variables = folder / "host_vars" / "shop"
    variables.mkdir(parents=True)
    (variables / "shop.yml").symlink_to(EXAMPLE)
    (variables / "image.yml").write_text(f"shop_image: {images['service']['reference']}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(inventory: pathlib.Path, lab_name: str) -> Run:
    def play(playbook: str, *options: str, **extra: object) -> subprocess.CompletedProcess[str]:
        inventories = ["-i", str(CHECKOUT / "inventories" / "lab"), "-i", str(inventory)]
        return ansible(*playbook_command(playbook, lab_name, extra), *inventories, *options, check=False)

    return play


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left(run: Run, core: kubernetes.client.CoreV1Api) -> Iterator[None]:
    yield
    if NAMESPACES & {one.metadata.name for one in core.list_namespace().items}:
        taken = run("playbooks/teardown.yml", "--limit", "shop", teardown_data="delete", teardown_confirm="shop")
        assert taken.returncode == 0, taken.stdout + taken.stderr


def changes(output: str) -> dict[str, int]:
    """What the recap says of each host."""
    return {host: int(number) for host, number in re.findall(r"^(\S+) +: ok=.* changed=(\d+) ", output, re.MULTILINE)}


def test_it_stands_beside_the_first(run: Run) -> None:
    first = run("site.yml", "--limit", "shop")
    assert first.returncode == 0, first.stdout + first.stderr
    assert changes(first.stdout)["shop"] > 0
    assert "shop/orders" in first.stdout
    assert "PASSED" in first.stdout


def test_a_second_run_changes_nothing(run: Run) -> None:
    again = run("site.yml", "--limit", "shop")
    assert again.returncode == 0, again.stdout + again.stderr
    assert changes(again.stdout) == {"shop": 0}


def test_both_are_verified_side_by_side(run: Run) -> None:
    both = run("playbooks/verify.yml", verify_force=True)
    assert both.returncode == 0, both.stdout + both.stderr
    assert set(changes(both.stdout)) == {"lab", "shop"}
    assert both.stdout.count("PASSED:") == 2


def test_no_packet_goes_from_one_to_the_other(core: kubernetes.client.CoreV1Api) -> None:
    def pod_of(namespace: str, name: str) -> kubernetes.client.V1Pod:
        pods = core.list_namespaced_pod(namespace, label_selector=f"app.kubernetes.io/name={name}").items
        return next(one for one in pods if any(c.type == "Ready" and c.status == "True" for c in one.status.conditions))

    def let_in(pod: kubernetes.client.V1Pod, addresses: list[str]) -> set[str]:
        answer = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            pod.metadata.name,
            pod.metadata.namespace,
            command=["python3", "-c", KNOCK, *addresses],
            container=pod.metadata.labels["app.kubernetes.io/name"],
            stdout=True,
            stderr=True,
        )
        return set(answer.split())

    staff, orders = pod_of("shop-staff", "staff"), pod_of("shop", "orders")
    agent, user = pod_of("azora-es", "ai-agent"), pod_of("default", "user")
    of_shop, of_azora = f"{orders.status.pod_ip}:8080", f"{user.status.pod_ip}:8080"
    # Each reaches what its own catalogue says, so that its silence to the other means something.
    assert let_in(staff, [of_shop, of_azora]) == {of_shop}
    assert let_in(agent, [of_shop, of_azora]) == {of_azora}


def test_its_end_leaves_the_first_as_it_was(
    run: Run, core: kubernetes.client.CoreV1Api, api: kubernetes.client.ApiClient
) -> None:
    ended = run("playbooks/teardown.yml", "--limit", "shop", teardown_data="delete", teardown_confirm="shop")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "another platform provides it" in " ".join(ended.stdout.split())
    assert not NAMESPACES & {one.metadata.name for one in core.list_namespace().items}
    policies = kubernetes.client.NetworkingV1Api(api).list_network_policy_for_all_namespaces(label_selector=PART_OF)
    floors = kubernetes.client.CustomObjectsApi(api).list_cluster_custom_object(
        "policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", label_selector=PART_OF
    )
    assert policies.items == floors["items"] == []
    after = run("playbooks/verify.yml", "--limit", "lab", verify_force=True)
    assert after.returncode == 0, after.stdout + after.stderr
