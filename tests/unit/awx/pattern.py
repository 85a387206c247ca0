# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pattern of extensions/patterns says, derived from the role awx, which says it once; `python tests/unit/awx/pattern.py` writes it again."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
NAME = "microservice_platform"
PATTERN = CHECKOUT / "extensions" / "patterns" / NAME
LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
ENVIRONMENT = "azora execution environment"


class Loader(yaml.SafeLoader):
    """Expressions that are AWX's are texts here."""


class Indented(yaml.SafeDumper):
    """Lists stand further right than what they belong to, as in every other file here."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
ROLE: dict[str, Any] = yaml.load((CHECKOUT / "roles/awx/vars/main.yml").read_text(encoding="utf-8"), Loader)
QUESTIONS: dict[str, dict[str, Any]] = ROLE["__awx_questions"]
TEMPLATES: list[dict[str, Any]] = ROLE["__awx_templates"]


def survey(template: dict[str, Any]) -> dict[str, Any]:
    """A template's survey as AWX takes it."""
    return {
        "name": f"azora {template['name']}",
        "description": template["description"],
        "spec": [QUESTIONS[name] | {"variable": name} for name in template["questions"]],
    }


def for_pattern(question: dict[str, Any]) -> dict[str, Any]:
    """The pattern's schema knows no default that is not a text: a number that is left out is then the role's own default."""
    if isinstance(question.get("default"), str) or "default" not in question:
        return question
    return {key: value for key, value in question.items() if key != "default"} | {"required": False}


def job_template(template: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"azora {template['name']}",
        "description": template["description"],
        "execution_environment": ENVIRONMENT,
        "playbook": f"{template['name']}.yml",
        "primary": template["name"] == "site",
        "ask_credential_on_launch": True,
        "ask_inventory_on_launch": True,
        "ask_verbosity_on_launch": True,
        "labels": ["azora.platform"],
    }
    if template["questions"]:
        asked = survey(template)
        made["survey"] = asked | {"spec": [for_pattern(question) for question in asked["spec"]]}
    return made


def definition() -> dict[str, Any]:
    """meta/pattern.json."""
    return {
        "schema_version": "3.0.0",
        "name": NAME,
        "title": "Deploy and prove a microservice platform on Kubernetes",
        "description": (
            "Puts a whole microservice platform on Kubernetes or OpenShift from one catalogue of services: operators, default-deny network policies, "
            "PostgreSQL, Redis, Kafka, the services, a gateway and their monitoring. Each stage ends with its own verification, which sends real packets. "
            "Further job templates verify, back up, restore, roll back, rotate passwords, and take the platform away."
        ),
        "short_description": "A microservice platform on Kubernetes or OpenShift, verified with real packets",
        "tags": ["application", "database", "kubernetes", "openshift", "networking", "monitoring"],
        "aap_resources": {
            "controller_project": {
                "name": "azora platform",
                "description": "The collection azora.platform as a project",
            },
            "controller_execution_environment": {
                "name": ENVIRONMENT,
                "description": "Ansible, kubernetes.core and the Python client of Kubernetes, for azora.platform",
                "image_name": "azora/platform_ee",
                "pull": "missing",
            },
            "controller_labels": ["azora.platform"],
            "controller_job_templates": [job_template(template) for template in TEMPLATES],
        },
    }


def files() -> dict[pathlib.Path, str]:
    """Every derived file of the pattern, with its content."""
    found = {PATTERN / "meta/pattern.json": json.dumps(definition(), indent=2) + "\n"}
    for template in TEMPLATES:
        name, title = template["name"], template["description"].partition(";")[0].rstrip(".")
        found[PATTERN / f"playbooks/{name}.yml"] = (
            f"---\n{LICENCE}- name: {json.dumps(title) if ':' in title else title}\n"
            f"  ansible.builtin.import_playbook: ../../../../playbooks/{name}.yml\n"
        )
        if template["questions"]:
            content = yaml.dump(survey(template), Dumper=Indented, sort_keys=False, width=150)
            found[PATTERN / f"template_surveys/{name}.yml"] = f"---\n{LICENCE}{content}"
    return found


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
