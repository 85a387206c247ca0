# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of the API of AWX 24 as the modules of awx.awx use: objects in memory, with AWX's filters, pages, references, associations and refusals.

What is secret is taken in and never shown. A field or a filter that AWX does not have is refused, so that a mistake in a name is seen.
"""

from __future__ import annotations

import json
import pathlib
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .survey_rules import launch_errors, specification_error

ROOT = "/api/v2"
# AWX has 25; few, so that lists have several pages.
PAGE = 2
ENCRYPTED = "$encrypted$"
TEMPLATES = ("projects", "job_templates", "workflow_job_templates")

# Of each kind: its fields with their defaults; a name with an arrow refers to another kind.
KINDS: dict[str, dict[str, Any]] = {
    "organizations": {"name": None, "description": "", "max_hosts": 0, "default_environment>execution_environments": None},
    "credential_types": {"name": None, "description": "", "kind": None, "inputs": {}, "injectors": {}, "managed": False, "namespace": None},
    "credentials": {
        "name": None, "description": "", "organization>organizations": None, "credential_type>credential_types": None, "inputs": {},
    },
    "execution_environments": {
        "name": None, "description": "", "organization>organizations": None, "image": None, "credential>credentials": None, "pull": "",
    },
    "projects": {
        "name": None, "description": "", "organization>organizations": None, "scm_type": "", "scm_url": "", "scm_branch": "",
        "scm_update_on_launch": False, "credential>credentials": None, "default_environment>execution_environments": None,
        "scm_revision": "0" * 40, "status": "successful",
    },
    "project_updates": {"status": "successful", "project>projects": None},
    "inventories": {
        "name": None, "description": "", "organization>organizations": None, "kind": "", "host_filter": None, "variables": "",
    },
    "hosts": {"name": None, "description": "", "inventory>inventories": None, "enabled": True, "variables": ""},
    "groups": {"name": None, "description": "", "inventory>inventories": None, "variables": ""},
    "notification_templates": {
        "name": None, "description": "", "organization>organizations": None, "notification_type": None, "notification_configuration": {},
        "messages": None,
    },
    "job_templates": {
        "name": None, "description": "", "organization>organizations": None, "job_type": "run", "inventory>inventories": None,
        "project>projects": None, "playbook": "", "execution_environment>execution_environments": None, "limit": "", "extra_vars": "",
        "survey_enabled": False, "allow_simultaneous": False, "ask_limit_on_launch": False, "ask_job_type_on_launch": False,
        "ask_diff_mode_on_launch": False, "ask_verbosity_on_launch": False, "ask_tags_on_launch": False,
    },
    "workflow_job_templates": {
        "name": None, "description": "", "organization>organizations": None, "inventory>inventories": None, "limit": None, "extra_vars": "",
        "survey_enabled": False, "allow_simultaneous": False, "ask_limit_on_launch": False,
    },
    "workflow_job_template_nodes": {
        "identifier": None, "workflow_job_template>workflow_job_templates": None, "unified_job_template>unified_job_templates": None,
        "extra_data": {}, "all_parents_must_converge": False, "type": None,
    },
    "schedules": {
        "name": None, "description": "", "unified_job_template>unified_job_templates": None, "rrule": None, "extra_data": {}, "enabled": True,
    },
}  # fmt: skip
ASSOCIATIONS = {
    "organizations": {"galaxy_credentials": "credentials"},
    "groups": {"hosts": "hosts", "children": "groups"},
    "job_templates": {
        "credentials": "credentials",
        "notification_templates_started": "notification_templates",
        "notification_templates_success": "notification_templates",
        "notification_templates_error": "notification_templates",
    },
    "workflow_job_templates": {
        "notification_templates_success": "notification_templates",
        "notification_templates_error": "notification_templates",
    },
    "workflow_job_template_nodes": dict.fromkeys(
        ("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes"
    ),
}
# What no two of a kind may share.
UNIQUE = {
    "hosts": ("name", "inventory"),
    "groups": ("name", "inventory"),
    "workflow_job_template_nodes": ("identifier", "workflow_job_template"),
    "schedules": ("name", "unified_job_template"),
    "credentials": ("name", "organization", "credential_type"),
    "project_updates": ("id",),
}
# What a notification has by itself, and what of it AWX hides.
WEBHOOK = {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": "", "headers": {}}


class RefusedError(Exception):
    """An answer that is none; with its status."""

    def __init__(self, status: int, **body: Any) -> None:
        super().__init__(body)
        self.status, self.body = status, body


def fields(kind: str) -> dict[str, tuple[Any, str]]:
    """Name of each field, with its default and the kind it refers to."""
    found = {}
    for key, default in KINDS[kind].items():
        name, _arrow, other = key.partition(">")
        found[name] = (default, other)
    return found


class Controller:
    """The objects, and what was asked."""

    def __init__(self, token: str, checkout: pathlib.Path) -> None:
        self.token = token
        self.playbooks = ["site.yml", *(f"playbooks/{path.name}" for path in (checkout / "playbooks").glob("*.yml"))]
        self.objects: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.associated: dict[tuple[str, int, str], list[int]] = {}
        self.asked: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self._last = 0
        # What every AWX has.
        self.add(
            "credential_types",
            name="OpenShift or Kubernetes API Bearer Token",
            kind="kubernetes",
            managed=True,
            inputs={
                "fields": [
                    {"id": "host"},
                    {"id": "bearer_token", "secret": True},
                    {"id": "verify_ssl"},
                    {"id": "ssl_ca_cert", "secret": True},
                ]
            },
        )
        self.add("credential_types", name="Ansible Galaxy/Automation Hub API Token", kind="galaxy", managed=True)
        self.add("credentials", name="Ansible Galaxy", credential_type=2)
        self.add("organizations", name="Default")

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path in self.asked if method != "GET"]

    def add(self, of: str, /, **given: Any) -> int:
        self._last += 1
        made = {name: default for name, (default, _other) in fields(of).items()} | given
        self.objects[of][self._last] = made | {"id": self._last}
        return self._last

    def one(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [one for one in self._all(kind).values() if name in (one.get("name"), one.get("identifier"))]
        return found

    def names(self, kind: str, of: str, association: str) -> list[str]:
        """By their names, what is associated with an object."""
        there = self.associated.get((kind, self.one(kind, of)["id"], association), [])
        others = self.objects[ASSOCIATIONS[kind][association]]
        return [others[one].get("name") or others[one]["identifier"] for one in there]

    def _all(self, kind: str) -> dict[int, dict[str, Any]]:
        if kind == "unified_job_templates":
            return {number: one | {"of": each} for each in TEMPLATES for number, one in self.objects[each].items()}
        return self.objects[kind]

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """One request."""
        url = urlsplit(target)
        self.asked.append((method, url.path))
        parts = url.path.removeprefix(ROOT).strip("/").split("/")
        if (
            not url.path.startswith(f"{ROOT}/")
            or not url.path.endswith("/")
            or parts[0] not in (*KINDS, "unified_job_templates")
        ):
            raise RefusedError(404, detail="Not found.")
        kind = parts[0]
        if len(parts) == 1:
            return (
                (200, self._list(url.path, kind, parse_qsl(url.query))) if method == "GET" else self._create(kind, body)
            )
        number = int(parts[1])
        if number not in self._all(kind):
            raise RefusedError(404, detail="Not found.")
        if len(parts) == 3:
            return self._part(method, kind, number, parts[2], body)
        if method == "GET":
            return 200, self._shown(kind, number)
        if method == "PATCH":
            changed = self.objects[kind][number] | self._taken(kind, body)
            self._check(kind, changed)
            self.objects[kind][number] = changed
            return 200, self._shown(kind, number)
        if method == "DELETE":
            del self.objects[kind][number]
            return 204, None
        raise RefusedError(405, detail="Method not allowed.")

    def _list(self, path: str, kind: str, query: list[tuple[str, str]]) -> dict[str, Any]:
        page = int(dict(query).get("page", "1"))
        filters = [(key, value) for key, value in query if key != "page"]
        known = {"id", "type", *(fields(kind) if kind in KINDS else {"name", "organization"})}
        for key, _value in filters:
            if key.removeprefix("or__") not in known:
                raise RefusedError(400, detail=f"{kind} has no field named '{key}'")
        found = [number for number in sorted(self._all(kind)) if self._matches(kind, number, filters)]
        shown = [self._shown(kind, number) for number in found[(page - 1) * PAGE : page * PAGE]]
        more = f"{path}?{urlencode([*filters, ('page', page + 1)])}" if len(found) > page * PAGE else None
        return {"count": len(found), "next": more, "previous": None, "results": shown}

    def _matches(self, kind: str, number: int, filters: list[tuple[str, str]]) -> bool:
        one = self._shown(kind, number)
        either = [(key.removeprefix("or__"), value) for key, value in filters if key.startswith("or__")]
        every = [(key, value) for key, value in filters if not key.startswith("or__")]
        return all(str(one[key]) == value for key, value in every) and (
            not either or any(str(one[key]) == value for key, value in either)
        )

    def _create(self, kind: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        made = {name: default for name, (default, _other) in fields(kind).items()} | self._taken(kind, body)
        if kind == "notification_templates" and made["notification_type"] == "webhook":
            made["notification_configuration"] = WEBHOOK | made["notification_configuration"]
        self._check(kind, made)
        number = self.add(kind, **made)
        shown = self._shown(kind, number)
        if kind == "projects":
            shown["summary_fields"]["current_update"] = {"id": self.add("project_updates", project=number)}
        return 201, shown

    def _taken(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        known = fields(kind)
        if unknown := sorted(set(body) - set(known)):
            raise RefusedError(400, **{name: ["AWX has no such field."] for name in unknown})
        for name, value in body.items():
            other = known[name][1]
            if other and value is not None and int(value) not in self._all(other):
                raise RefusedError(400, **{name: [f'Invalid pk "{value}" - object does not exist.']})
        return dict(body)

    def _check(self, kind: str, made: Mapping[str, Any]) -> None:
        """What AWX says of an object before it saves it."""
        unique = UNIQUE.get(kind, ("name", "organization") if "organization" in made else ("name",))
        for number, one in self.objects[kind].items():
            if number != made.get("id") and all(one.get(name) == made.get(name) for name in unique):
                raise RefusedError(400, __all__=[f"{kind} with this {' and '.join(unique)} already exists."])
        if kind == "job_templates" and made["playbook"] not in self.playbooks:
            raise RefusedError(400, playbook=["Playbook not found for project."])
        if kind == "schedules" and not re.fullmatch(
            r"DTSTART:\d{8}T\d{6}Z RRULE:\S*INTERVAL=\d+\S*", made["rrule"] or ""
        ):
            raise RefusedError(400, rrule=["DTSTART and RRULE with INTERVAL required in rrule."])
        if kind in ("schedules", "workflow_job_template_nodes") and made["extra_data"]:
            template = made["unified_job_template"]
            survey = (
                self.surveys.get(template, {})
                if self._all("unified_job_templates")[template].get("survey_enabled")
                else {}
            )
            if errors := launch_errors(survey, made["extra_data"], required=False):
                raise RefusedError(400, variables_needed_to_start=errors)

    def _shown(self, kind: str, number: int) -> dict[str, Any]:
        one = dict(self._all(kind)[number])
        of = one.pop("of", kind)
        path = f"{ROOT}/{of}/{number}/"
        one["type"] = {"inventories": "inventory"}.get(of, of.removesuffix("s"))
        if of == "credentials":
            secret = {
                each["id"]
                for each in self.objects["credential_types"][one["credential_type"]]["inputs"].get("fields", [])
                if each.get("secret")
            }
            one["inputs"] = {key: ENCRYPTED if key in secret else value for key, value in one["inputs"].items()}
        if of == "notification_templates":
            hidden = {"password", "token"}
            one["notification_configuration"] = {
                key: ENCRYPTED if key in hidden else value for key, value in one["notification_configuration"].items()
            }
        related = {name: f"{path}{name}/" for name in ASSOCIATIONS.get(of, {})}
        if of in TEMPLATES:
            related["survey_spec"] = f"{path}survey_spec/"
        return {**one, "url": path, "related": related, "summary_fields": {}}

    def _part(self, method: str, kind: str, number: int, part: str, body: Any) -> tuple[int, Any]:
        if part == "survey_spec" and kind == "job_templates":
            if method == "GET":
                return 200, self.surveys.get(number, {})
            if error := specification_error(body):
                raise RefusedError(400, error=error)
            self.surveys[number] = body
            return 200, {}
        other = ASSOCIATIONS.get(kind, {}).get(part)
        if other is None:
            raise RefusedError(404, detail="Not found.")
        there = self.associated.setdefault((kind, number, part), [])
        if method == "GET":
            return 200, {
                "count": len(there),
                "next": None,
                "previous": None,
                "results": [self._shown(other, one) for one in there],
            }
        if body["id"] not in self.objects[other]:
            raise RefusedError(400, error="object does not exist")
        if body.get("disassociate"):
            there.remove(body["id"])
        else:
            there.append(body["id"])
        return 204, None


class Server:
    """The controller behind a socket of this machine."""

    def __init__(self, controller: Controller) -> None:
        class Handler(BaseHTTPRequestHandler):
            # An answer in one piece: its second half would else wait for the acknowledgement of the first.
            wbufsize = -1

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or "null")
                try:
                    if self.headers.get("Authorization") != f"Bearer {controller.token}":
                        raise RefusedError(401, detail="Authentication credentials were not provided.")
                    with controller.lock:
                        status, answer = controller.answer(self.command, self.path, body)
                except RefusedError as refused:
                    status, answer = refused.status, refused.body
                text = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
