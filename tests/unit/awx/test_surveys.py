# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Surveys, pattern and execution environment: said once, accepted by AWX, and each question one that a role takes an answer to."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .pattern import CHECKOUT, PATTERN, QUESTIONS, ROLE, TEMPLATES, files, survey
from .survey_rules import answer_error, extra_vars, launch_errors, specification_error

ASKED = [template for template in TEMPLATES if template["questions"]]
BY_NAME = {template["name"]: template for template in TEMPLATES}
# awx_meta_vars of AWX: extra variables of each job, which a role's own would be covered by.
AWX_SAYS = (
    "job_",
    "workflow_job_",
    "user_",
    "inventory_",
    "project_revision",
    "project_scm_branch",
    "schedule_",
    "parent_job_",
    "execution_node",
)


def options() -> dict[str, dict[str, Any]]:
    """The options of all roles' main entry points, by name."""
    found: dict[str, dict[str, Any]] = {}
    for path in (CHECKOUT / "roles").glob("*/meta/argument_specs.yml"):
        specification = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        found.update(specification["main"].get("options") or {})
    return found


OPTIONS = options()


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: str(path.relative_to(PATTERN)))
def test_the_pattern_says_what_the_role_says(path: pathlib.Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "run python tests/unit/awx/pattern.py"


def test_the_pattern_has_nothing_else() -> None:
    there = {path for folder in ("playbooks", "template_surveys", "meta") for path in (PATTERN / folder).iterdir()}
    assert there == set(files())
    definition = json.loads((PATTERN / "meta/pattern.json").read_text(encoding="utf-8"))
    assert definition["name"] == PATTERN.name
    templates = definition["aap_resources"]["controller_job_templates"]
    assert [one["name"] for one in templates if one["primary"]] == ["azora site"]
    for one in templates:
        assert (PATTERN / "playbooks" / one["playbook"]).is_file()


def test_every_playbook_for_a_cluster_has_a_template() -> None:
    theirs = {path.name for path in (CHECKOUT / "playbooks").glob("*.yml")} - {"lab.yml", "awx.yml", "site.yml"}
    assert {template["playbook"] for template in TEMPLATES} == {"site.yml", *(f"playbooks/{name}" for name in theirs)}
    assert all((CHECKOUT / template["playbook"]).is_file() for template in TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["name"])
def test_the_docs_have_each_template_with_its_survey(template: dict[str, Any]) -> None:
    asked = ", ".join(f"`{name}`" for name in template["questions"]) or "none"
    row = f"| `azora {template['name']}` | `{template['playbook']}` | {asked} |"
    assert row in (CHECKOUT / "docs/awx.md").read_text(encoding="utf-8").splitlines()


def test_every_question_is_asked() -> None:
    assert {name for template in TEMPLATES for name in template["questions"]} == set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_of_the_type_of_its_option(name: str) -> None:
    question, option = QUESTIONS[name], OPTIONS[name]
    kind, default = question["type"], option.get("default")
    if option["type"] == "int":
        assert (kind, question["default"]) == ("integer", default)
        assert 0 < question["min"] <= default <= question["max"]
    elif option["type"] == "bool":
        assert (kind, question["choices"], question["default"]) == (
            "multiplechoice",
            ["false", "true"],
            str(default).lower(),
        )
    elif "choices" in option:
        # Where only these will do, AWX lets nothing else through, and no empty answer.
        assert kind == ("multiselect" if option["type"] == "list" else "multiplechoice")
        assert question["choices"] == option["choices"]
    else:
        assert kind in ("text", "textarea")
        assert option["type"] in ("str", "list")
        # AWX would send an empty default, and Ansible read it as null.
        assert question.get("default", "") == (default or "")
        assert question.get("default") != ""
        assert question["required"] == bool(default)
        assert question["min"] == int(question["required"])


@pytest.mark.parametrize("template", ASKED, ids=lambda template: template["name"])
def test_awx_takes_the_survey_and_its_defaults(template: dict[str, Any]) -> None:
    asked = survey(template)
    assert specification_error(asked) == ""
    unanswered = extra_vars(asked, {})
    assert launch_errors(asked, unanswered) == []
    # What a job then gets is what the roles take.
    assert not validator(template).validate(unanswered).error_messages


@pytest.mark.parametrize("name", [name for name, one in QUESTIONS.items() if one["type"] not in ("text", "textarea")])
def test_what_is_no_text_is_never_empty(name: str) -> None:
    """AWX refuses an empty text there, so a role need not know what it would mean."""
    assert answer_error(QUESTIONS[name] | {"variable": name}, {name: ""})


def validator(template: dict[str, Any]) -> ArgumentSpecValidator:
    return ArgumentSpecValidator({name: OPTIONS[name] for name in template["questions"]})


@pytest.mark.parametrize(
    ("template", "answers", "sentence"),
    [
        ("verify", {"verify_timeout": "soon"}, "argument 'verify_timeout' is of type str and we were unable to convert to int"),
        ("verify", {"verify_checks": "probes,packets"}, "value of verify_checks must be one or more of: probes, workloads, backups, connectivity, policies"),
        ("verify", {"verify_force": "perhaps"}, "argument 'verify_force' is of type str and we were unable to convert to bool"),
        ("teardown", {"teardown_data": "burn"}, "value of teardown_data must be one of: keep, delete, got: burn"),
    ],
    ids=["no number", "no check", "no truth", "no choice"],
)  # fmt: skip
def test_what_got_past_a_survey_is_refused_in_a_sentence(template: str, answers: dict[str, Any], sentence: str) -> None:
    """By the API, or from the command line: then the role's own specification judges, before its first task."""
    (said,) = validator(BY_NAME[template]).validate(answers).error_messages
    assert said.replace("<class 'str'>", "str").startswith(sentence)


def test_the_workflow_answers_what_is_asked() -> None:
    nodes = ROLE["__awx_workflow_nodes"]
    for node in nodes:
        asked = survey(BY_NAME[node["template"]])
        assert launch_errors(asked, extra_vars(asked, node.get("answers", {}))) == []
    known = {node["identifier"] for node in nodes}
    assert {other for node in nodes for others in node["then"].values() for other in others} < known


def test_no_variable_of_the_role_is_one_that_awx_gives_each_job() -> None:
    defaults = yaml.safe_load((CHECKOUT / "roles/awx/defaults/main.yml").read_text(encoding="utf-8"))
    assert [name for name in defaults if name.removeprefix("awx_").startswith(AWX_SAYS)] == []


def program(name: str) -> str:
    return str(pathlib.Path(sys.executable).parent / name)


def test_ansible_builder_makes_a_context_of_the_execution_environment(tmp_path: pathlib.Path) -> None:
    """As far as it goes without a registry: nothing is built of it here."""
    definition = PATTERN / "exec_env" / "execution-environment.yml"
    command = [
        program("ansible-builder"),
        "create",
        "-f",
        str(definition),
        "-c",
        str(tmp_path / "context"),
        "--output-filename",
        "Containerfile",
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    recipe = (tmp_path / "context/Containerfile").read_text(encoding="utf-8")
    assert "ansible-core>=2.18" in recipe
    assert "ansible-runner" in recipe
    wanted = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text(encoding="utf-8"))
    assert [one["name"] for one in wanted["collections"]] == ["azora.platform", "kubernetes.core"]


def test_the_collection_tells_ansible_builder_what_it_needs(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "ansible_collections" / "azora"
    place.mkdir(parents=True)
    (place / "platform").symlink_to(CHECKOUT)
    command = [program("ansible-builder"), "introspect", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    wanted = [line.partition("  #")[0] for line in yaml.safe_load(ran.stdout)["python"]]
    given = (CHECKOUT / "meta/ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    assert wanted == [line for line in given if not line.startswith("#")]
    # These sent no Authorization header.
    assert "!=36.0.0,!=36.0.1" in wanted[0]
