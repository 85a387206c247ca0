# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX keeps of a run over two clusters, one of which stops: a key for each, as ansible-runner hands it over."""

from __future__ import annotations

import pathlib
from typing import Any

import ansible_runner
import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def summary(part: str, when: str = "", **variables: str) -> dict[str, Any]:
    task: dict[str, Any] = {"ansible.builtin.include_role": {"name": "azora.platform.summary", "tasks_from": part}}
    return (
        task
        | ({"when": f"inventory_hostname == '{when}'"} if when else {})
        | ({"vars": variables} if variables else {})
    )


def test_each_cluster_has_its_own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONFIG", str(CHECKOUT / "ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(CHECKOUT / ".collections"))
    changed = ["Deployment default/user", "Secret default/key", "Deployment default/course"]
    said = {"apply_changed": changed, "verify_said": ["PASSED: 1 of 1 pods ready"]}
    tasks = [
        summary("begin", summary_stage="data"),
        {"ansible.builtin.set_fact": {"apply_changed": changed[:2]}},
        summary("end"),
        summary("begin", summary_stage="services"),
        {"ansible.builtin.set_fact": said, "when": "inventory_hostname == 'north'"},
        summary("end", when="north"),
        summary("stopped", when="south"),
    ]
    # The tag of a stage, as in site.yml: what the role includes has it, too.
    plays = [{"hosts": "all", "gather_facts": False, "connection": "local", "tags": ["services"], "tasks": tasks}]
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "play.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
    ran = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook="play.yml",
        inventory="north\nsouth\n",
        cmdline="-t services",
        quiet=True,
    )
    assert ran.status == "successful", ran.stdout.read()
    (ended,) = [event["event_data"] for event in ran.events if event["event"] == "playbook_on_stats"]
    told = ended["artifact_data"]["azora_site"]
    assert sorted(told) == ["north", "south"]
    assert told["north"]["deployments"] == ["default/course", "default/user"]
    assert (told["north"]["complete"], told["north"]["verification"]) == (True, "PASSED: 1 of 1 pods ready")
    assert told["south"]["deployments"] == ["default/user"]
    assert (told["south"]["complete"], told["south"]["stages"]["services"]["complete"]) == (False, False)
    assert {name: stage["changed"] for name, stage in told["north"]["stages"].items()} == {"data": 2, "services": 1}
