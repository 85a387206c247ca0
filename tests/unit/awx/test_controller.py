# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/awx.yml with the modules of awx.awx against a controller in memory: what stands afterwards, and that nothing secret is said."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from .controller_double import Controller, Server

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
ROLE = yaml.load(
    (CHECKOUT / "roles/awx/vars/main.yml").read_text(encoding="utf-8").replace("!unsafe ", ""), yaml.SafeLoader
)
TEMPLATES = {one["name"]: one for one in ROLE["__awx_templates"]}
CONTROLLER_TOKEN = "c0ntr0ller-t0ken"
SECRETS = ("t0ken-0f-the-cluster", "passw0rd-0f-the-webh00k")
SETTINGS: dict[str, Any] = {
    "awx_execution_environment_image": "registry.internal/azora-ee:1",
    "awx_clusters": [
        {"name": "north", "variables": {"azora_connection": {"context": "north"}}},
        {"name": "south", "variables": {}},
        {"name": "west"},
    ],
    "awx_variables": {"catalogue_profile": "ha"},
    "awx_credential_inputs": {"host": "https://north.internal:6443", "bearer_token": SECRETS[0], "verify_ssl": True},
    "awx_notification_type": "webhook",
    "awx_notification_configuration": {"url": "https://chat.internal/hook", "username": "awx", "password": SECRETS[1]},
}


class Run(NamedTuple):
    """What a run printed, and what it wrote."""

    output: str
    status: int
    writes: list[tuple[str, str]]


class World:
    """A controller, and the playbook against it."""

    def __init__(self, controller: Controller, url: str, folder: pathlib.Path) -> None:
        self.controller, self.url, self.folder = controller, url, folder

    def run(self, *options: str, **settings: Any) -> Run:
        before = len(self.controller.writes)
        given = self.folder / "settings.json"
        given.write_text(json.dumps(SETTINGS | settings), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "CONTROLLER_HOST": self.url,
            "CONTROLLER_OAUTH_TOKEN": CONTROLLER_TOKEN,
        }
        ran = subprocess.run(
            [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "azora.platform.awx", "-i", "localhost,", "-e", f"@{given}", *options],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return Run(ran.stdout + ran.stderr, ran.returncode, self.controller.writes[before:])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    controller = Controller(CONTROLLER_TOKEN, CHECKOUT)
    with Server(controller) as server:
        yield World(controller, server.url, tmp_path_factory.mktemp("awx"))


@pytest.fixture(scope="module")
def first(world: World) -> Run:
    ran = world.run("-vvv")
    assert ran.status == 0, ran.output[-8000:]
    return ran


@pytest.fixture(scope="module")
def controller(world: World, first: Run) -> Controller:
    return world.controller


def test_project_and_execution_environment_are_the_organizations(controller: Controller) -> None:
    organization = controller.one("organizations", "Azora")["id"]
    project = controller.one("projects", "azora platform")
    environment = controller.one("execution_environments", "azora execution environment")
    assert (project["organization"], environment["organization"]) == (organization, organization)
    assert (project["scm_type"], project["scm_update_on_launch"]) == ("git", True)
    assert (environment["image"], project["default_environment"]) == ("registry.internal/azora-ee:1", environment["id"])
    # Without it AWX installs no collection and says nothing.
    assert controller.names("organizations", "Azora", "galaxy_credentials") == ["Ansible Galaxy"]


def test_each_cluster_is_a_host_of_the_group_that_the_plays_are_for(controller: Controller) -> None:
    inventory = controller.one("inventories", "azora clusters")
    assert json.loads(inventory["variables"]) == {
        "ansible_connection": "local",
        # AWX evaluates it where the job runs.
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "catalogue_profile": "ha",
    }
    hosts = controller.objects["hosts"].values()
    assert {host["name"]: json.loads(host["variables"]) for host in hosts} == {
        "north": {"azora_connection": {"context": "north"}},
        "south": {},
        "west": {},
    }
    assert {host["inventory"] for host in hosts} == {inventory["id"]}
    assert sorted(controller.names("groups", "clusters", "hosts")) == ["north", "south", "west"]


def test_a_kubeconfig_becomes_a_file_of_the_job(controller: Controller) -> None:
    kind = controller.one("credential_types", "azora kubeconfig")
    assert kind["kind"] == "cloud"
    assert kind["injectors"] == {
        "file": {"template": "{{ kubeconfig }}"},
        "env": {"K8S_AUTH_KUBECONFIG": "{{ tower.filename }}"},
    }
    (field,) = kind["inputs"]["fields"]
    assert (field["id"], field["secret"], kind["inputs"]["required"]) == ("kubeconfig", True, ["kubeconfig"])


def test_the_token_is_of_the_type_that_awx_has(controller: Controller) -> None:
    credential = controller.one("credentials", "azora cluster")
    kind = controller.objects["credential_types"][credential["credential_type"]]
    assert kind["name"] == "OpenShift or Kubernetes API Bearer Token"
    assert credential["inputs"] == SETTINGS["awx_credential_inputs"]


def test_each_playbook_has_a_template_with_its_survey(controller: Controller) -> None:
    templates = controller.objects["job_templates"]
    assert sorted(one["name"] for one in templates.values()) == sorted(f"azora {name}" for name in TEMPLATES)
    for name, wanted in TEMPLATES.items():
        template = controller.one("job_templates", f"azora {name}")
        assert template["playbook"] == wanted["playbook"]
        assert template["inventory"] == controller.one("inventories", "azora clusters")["id"]
        assert (
            template["execution_environment"]
            == controller.one("execution_environments", "azora execution environment")["id"]
        )
        assert (template["ask_limit_on_launch"], template["allow_simultaneous"]) == (True, False)
        assert controller.names("job_templates", f"azora {name}", "credentials") == ["azora cluster"]
        survey = controller.surveys.get(template["id"], {"spec": []})
        assert [one["variable"] for one in survey["spec"]] == wanted["questions"]
        assert template["survey_enabled"] == bool(wanted["questions"])
        assert survey["spec"] == [ROLE["__awx_questions"][one] | {"variable": one} for one in wanted["questions"]]


def test_failures_and_returns_are_told(controller: Controller) -> None:
    def told(name: str, when: str, kind: str = "job_templates") -> bool:
        return controller.names(kind, name, f"notification_templates_{when}") == ["azora notification"]

    assert all(told(f"azora {name}", "error") for name in TEMPLATES)
    assert [name for name in TEMPLATES if told(f"azora {name}", "success")] == ["restore", "rollback", "teardown"]
    assert told("azora deploy", "error", "workflow_job_templates")
    configuration = controller.one("notification_templates", "azora notification")["notification_configuration"]
    assert configuration["url"] == "https://chat.internal/hook"


def test_the_workflow_goes_from_site_to_verify_and_back_where_that_fails(controller: Controller) -> None:
    nodes = controller.objects["workflow_job_template_nodes"]
    kind = "workflow_job_template_nodes"
    edges = {
        (one["identifier"], edge, other)
        for one in nodes.values()
        for edge in ("success_nodes", "failure_nodes", "always_nodes")
        for other in controller.names(kind, one["identifier"], edge)
    }
    assert edges == {
        ("site", "success_nodes", "verify"),
        ("verify", "failure_nodes", "rollback"),
        ("rollback", "success_nodes", "verify_again"),
    }
    templates = {
        one["identifier"]: controller.objects["job_templates"][one["unified_job_template"]] for one in nodes.values()
    }
    assert {name: one["playbook"] for name, one in templates.items()} == {
        "site": "site.yml",
        "verify": "playbooks/verify.yml",
        "rollback": "playbooks/rollback.yml",
        "verify_again": "playbooks/verify.yml",
    }
    assert controller.one(kind, "rollback")["extra_data"] == {"rollback_revision": "previous", "rollback_since": "site"}
    assert controller.one("workflow_job_templates", "azora deploy")["ask_limit_on_launch"]


def test_everything_is_verified_by_the_clock(controller: Controller) -> None:
    schedule = controller.one("schedules", "azora verify")
    assert controller.objects["job_templates"][schedule["unified_job_template"]]["playbook"] == "playbooks/verify.yml"
    assert (schedule["extra_data"], schedule["enabled"]) == ({"verify_force": "true"}, True)
    assert "FREQ=DAILY" in schedule["rrule"]


def test_no_secret_is_said_however_much_is(first: Run) -> None:
    assert "azora rollback" in first.output
    assert [secret for secret in (*SECRETS, CONTROLLER_TOKEN) if secret in first.output] == []


def test_a_second_run_writes_nothing_and_check_mode_neither(world: World, controller: Controller) -> None:
    second = world.run()
    assert second.status == 0, second.output[-8000:]
    assert " changed=0 " in second.output
    assert second.writes == []
    # Its end once more, with something to change: that is told, and nothing is done.
    often = "DTSTART:20260101T030000Z RRULE:FREQ=HOURLY;INTERVAL=6"
    check = world.run("--check", "--start-at-task", "azora.platform.awx : Schedule", awx_verify_schedule=often)
    assert check.status == 0, check.output[-8000:]
    assert " changed=1 " in check.output
    assert check.writes == []
    assert "FREQ=DAILY" in controller.one("schedules", "azora verify")["rrule"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"awx_execution_environment_image": ""},
            "awx_execution_environment_image is empty: build extensions/patterns",
        ),
        ({"awx_clusters": []}, "awx_clusters is empty: name at least one cluster"),
        ({"awx_clusters": [{"name": "north"}, {"name": "north"}]}, "awx_clusters has a name twice: north, north."),
        ({"awx_credential_inputs": {}}, "awx_credentials and awx_credential_inputs are both empty"),
        (
            {"awx_credential_type": "password"},
            "value of awx_credential_type must be one of: token, kubeconfig, got: password",
        ),
    ],
    ids=["no execution environment", "no cluster", "one cluster twice", "no credential", "no such type"],
)
def test_what_is_missing_is_said_before_anything_is_made(world: World, wrong: dict[str, Any], sentence: str) -> None:
    refused = world.run(**wrong)
    assert refused.status != 0
    assert sentence in " ".join(refused.output.split())
    assert refused.writes == []
