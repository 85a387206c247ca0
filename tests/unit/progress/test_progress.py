# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a long task waits for is told while it runs, by a real ansible-playbook; short ones say nothing."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
from ansible_collections.azora.platform.plugins.module_utils._progress import PLACE, say
from ansible_collections.azora.platform.plugins.module_utils._rollout_course import Course, Return
from ansible_collections.azora.platform.plugins.module_utils._rollout_report import waiting_for
from ansible_collections.azora.platform.plugins.module_utils._rollout_states import Judgement, State

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PROGRESS = CHECKOUT / "plugins/module_utils/_progress.py"
# The callback has read what was written when its next line is out: then the task goes on, however slow the machine is.
LONG_TASK = (
    "import os, pathlib, runpy, sys, time\n"
    "runpy.run_path(sys.argv[1])['say']('1 of 2 done;\\n default/user is not there')\n"
    "out, end = pathlib.Path(os.environ['SEEN']), time.monotonic() + 60\n"
    "while 'is not there' not in out.read_text() and time.monotonic() < end: time.sleep(0.05)\n"
)


@pytest.fixture
def run(tmp_path):
    def run(*tasks: dict[str, object], **environment: str) -> str:
        playbook, out = tmp_path / "playbook.yml", tmp_path / "out"
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}
        plays = [play | {"vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}]
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        told = {
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "AZORA_PLATFORM_PROGRESS_INTERVAL": "0.3",
            "ANSIBLE_NOCOLOR": "1",
            "SEEN": str(out),
            "TMPDIR": str(tmp_path),
        }
        with out.open("w", encoding="utf-8") as file:
            subprocess.run(
                ["ansible-playbook", "-i", "localhost,", str(playbook)],
                cwd=CHECKOUT, env={**os.environ, **told, **environment}, stdout=file, check=True,
            )  # fmt: skip
        return out.read_text(encoding="utf-8")

    return run


def test_a_long_task_shows_seconds_and_what_its_module_said(run, tmp_path):
    python = {"argv": ["{{ ansible_playbook_python }}", "-c", LONG_TASK, str(PROGRESS)]}
    told = run({"name": "Long", "ansible.builtin.command": python}, {"name": "Next", "ansible.builtin.meta": "noop"})
    lines = re.findall(r"^  … (\d+) s(.*)$", told, re.MULTILINE)
    assert ": 1 of 2 done; default/user is not there" in [sentence for _seconds, sentence in lines], told
    assert int(lines[0][0]) <= int(lines[-1][0])
    assert list(tmp_path.glob("azora-progress-*")) == [], "the file goes with the run"


def test_short_tasks_say_nothing(run):
    told = run({"name": "Short", "ansible.builtin.debug": {}}, AZORA_PLATFORM_PROGRESS_INTERVAL="3600")
    assert "…" not in told


def test_nobody_has_to_look(monkeypatch, tmp_path):
    monkeypatch.delenv(PLACE, raising=False)
    say("into the void")
    monkeypatch.setenv(PLACE, str(tmp_path / "gone"))
    say("too late")
    assert list(tmp_path.iterdir()) == []


def test_what_is_waited_for():
    def course(name: str, sentence: str, seconds: float | None = None) -> Course:
        found = Course({"kind": "Deployment", "metadata": {"namespace": "shop", "name": name}}, 0)
        found.judgement, found.seconds = Judgement(State.MOVING, sentence), seconds
        return found

    courses = [course("a", "a is ready", 1.0), *(course(name, f"{name} waits") for name in "bcdef")]
    assert waiting_for(courses) == "1 of 6 done; b waits; c waits; d waits; and 2 more"
    returning = course("a", "a crashes", 1.0)
    returning.back = Return(1, [], 1, "", 0.0, judgement=Judgement(State.MOVING, "a has 1 of 2 pods"))
    assert waiting_for([returning]) == "0 of 1 done; a has 1 of 2 pods"
