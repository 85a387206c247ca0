# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks as a product: a tag for each stage, a summary whatever happens, and nothing that several clusters at once would share."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PLAYBOOKS = CHECKOUT / "playbooks"
STAGES = ("operators", "namespaces", "data", "services", "gateway", "monitoring")
# What makes one host's run reach into another's, or run once for all of them.
SHARED = re.compile(
    r"^\s*(-\s*)?(run_once|delegate_to|delegate_facts|any_errors_fatal|serial|throttle)\s*:", re.MULTILINE
)
FOR_CLUSTERS = sorted(
    path
    for path in [*PLAYBOOKS.glob("*.yml"), *(CHECKOUT / "roles").glob("*/**/*.yml")]
    if not any(part.startswith("lab") for part in path.relative_to(CHECKOUT).parts[1:2])
)


def play(name: str) -> dict[str, Any]:
    (only,) = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
    return only


def test_site_has_every_stage_and_the_summary_at_its_end() -> None:
    plays = yaml.safe_load((PLAYBOOKS / "site.yml").read_text(encoding="utf-8"))
    assert [one["ansible.builtin.import_playbook"] for one in plays[:-1]] == [f"{name}.yml" for name in STAGES]
    assert plays[-1]["roles"] == [{"role": "azora.platform.summary"}]
    assert plays[-1]["tags"] == ["always"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_its_tag_and_says_what_it_did_whatever_happens(name: str) -> None:
    stage = play(name)
    assert stage["tags"] == [name]
    (block,) = stage["tasks"]
    first, last = block["block"][0], block["block"][-1]
    assert first["ansible.builtin.include_role"]["tasks_from"] == "begin"
    assert first["vars"]["summary_stage"] == name
    assert last["ansible.builtin.include_role"]["tasks_from"] == "end"
    assert block["always"][-1]["ansible.builtin.include_role"]["tasks_from"] == "stopped"
    if name != "monitoring":  # its role ends with a look at every target of Prometheus
        assert block["block"][-2]["vars"]["verify_stage"] == name


@pytest.mark.parametrize("path", FOR_CLUSTERS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_clusters_share_nothing(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert SHARED.search(text) is None
    # A cluster knows itself only; the one look at the groups is where a play says for whom it is.
    rest = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("hosts:"))
    assert "hostvars" not in rest
    assert "groups[" not in rest
    assert "ansible_play_hosts" not in rest


def test_two_clusters_go_on_side_by_side_and_one_stops_alone(tmp_path: pathlib.Path) -> None:
    """Both stop: one at its description, the other where no API answers. Each says its own sentence and sums up for itself."""
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "catalogue_service_image": "a/b:1",
    }
    nowhere = tmp_path / "kubeconfig"
    cluster = {"cluster": {"server": "https://127.0.0.1:9"}, "name": "c"}
    context = {"context": {"cluster": "c", "user": "u"}, "name": "x"}
    nowhere.write_text(
        yaml.safe_dump(
            {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "current-context": "x",
             "users": [{"name": "u", "user": {"token": "none"}}]}
        ),
        encoding="utf-8",
    )  # fmt: skip
    connection = {"azora_connection": {"kubeconfig": str(nowhere)}}
    wrong = {"catalogue_platform": {"name": "shop", "namespaces": [{"name": "shop"}], "services": []}}
    hosts = {"north": common | connection, "south": common | connection | wrong, "west": common | connection}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"clusters": {"hosts": hosts}}), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [
        str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "site.yml", "-i", str(inventory), "--limit", "north,south", "--tags", "services",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    output = ran.stdout + ran.stderr
    assert ran.returncode != 0
    said = dict(re.findall(r"^fatal: \[(\w+)\]: FAILED! =>(.*?)(?=^\S|\Z)", output, re.MULTILINE | re.DOTALL))
    assert "the list is empty" in said["south"], json.dumps(said)
    assert "The cluster cannot be read" in said["north"], json.dumps(said)
    assert "west" not in said
    assert "PLAY [Services]" in output
    assert "begin | Note when" in output
    assert output.count("STOPPED in the stage services") == 2
    # Of the stages that no tag asks for, none begins.
    assert output.count("begin | Note when") == 1
