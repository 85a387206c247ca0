# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""site, verify and rollback as jobs of AWX: ansible-runner over a copy of this project, with the files and variables that AWX lays down for a job.

The project's sync, the inventory, the extra variables (all texts unsafe, with AWX's own among them), the environment of a token, and the artifacts that a
workflow hands on are as AWX 24 makes them; the execution environment is this machine. The workflow is the one of roles/awx.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ansible_runner
import kubernetes
import pytest
import yaml

from conftest import CHECKOUT, catalogue, environment

ACCOUNT, NAMESPACE = "azora-awx-test", "kube-system"
CLUSTER = "lab"
# What a job says of the others would be said by the machine's own settings.
NOT_OF_A_JOB = ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_INVENTORY", "KUBECONFIG", "K8S_AUTH_KUBECONFIG")


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class UnsafeTexts(yaml.SafeDumper):
    """As AWX writes extra variables: no text in them is ever a template."""


UnsafeTexts.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))
QuestionLoader = type("QuestionLoader", (yaml.SafeLoader,), {})
QuestionLoader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def role() -> dict[str, Any]:
    variables: dict[str, Any] = yaml.load(
        (CHECKOUT / "roles/awx/vars/main.yml").read_text(encoding="utf-8"), QuestionLoader
    )
    return variables


class Job(NamedTuple):
    """What AWX keeps of a job."""

    status: str
    output: str
    changed: int
    artifacts: dict[str, Any]


@pytest.fixture(scope="module")
def token(core: kubernetes.client.CoreV1Api, api: kubernetes.client.ApiClient) -> Iterator[str]:
    """Of a service account that may do everything, as long as the tests run."""
    rights = kubernetes.client.RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": ACCOUNT}})
    rights.create_cluster_role_binding(
        {
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        }
    )
    try:
        request = {"spec": {"expirationSeconds": 3600}}
        yield core.create_namespaced_service_account_token(ACCOUNT, NAMESPACE, request).status.token
    finally:
        rights.delete_cluster_role_binding(ACCOUNT)
        core.delete_namespaced_service_account(ACCOUNT, NAMESPACE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder as the sync of the project leaves it: the files under version control, and beside them the collections that they ask for."""
    place = tmp_path_factory.mktemp("awx")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    named = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, named.split("\0")):
        source, target = CHECKOUT / name, place / "project" / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    wanted = yaml.safe_load((place / "project/collections/requirements.yml").read_text(encoding="utf-8"))
    # The others come from a server of collections; here they are part of the package "ansible".
    own = [one for one in wanted["collections"] if one.get("type") == "dir"]
    assert [one["name"] for one in own] == ["."]
    requirements = place / "requirements.yml"
    requirements.write_text(yaml.safe_dump({"collections": own}), encoding="utf-8")
    # The project's own settings, not this machine's: there is no such collection yet.
    bare = {name: value for name, value in environment().items() if name not in NOT_OF_A_JOB}
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "-r", requirements, "-p", place / "requirements_collections", "--no-deps"],
        cwd=place / "project", env=bare, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (place / "requirements_collections/ansible_collections/azora/platform/MANIFEST.json").is_file()
    return place


def inventory(lab_name: str, **variables: Any) -> dict[str, Any]:
    """The lab's variables as those of a group of AWX's inventory, without how the cluster is reached: that is the credential's."""
    clusters = yaml.safe_load((CHECKOUT / "inventories/lab/group_vars/clusters.yml").read_text(encoding="utf-8"))
    del clusters["azora_connection"]
    host = role()["__awx_clusters_variables"] | variables
    host |= {"remote_host_enabled": "true", "remote_host_id": 1, "remote_tower_enabled": "true", "remote_tower_id": 1}
    return {
        "all": {"children": ["clusters"], "hosts": []},
        "clusters": {"hosts": [CLUSTER], "vars": clusters | {"lab_name": lab_name}},
        "_meta": {"hostvars": {CLUSTER: host}},
    }


def awx_variables(number: int) -> dict[str, Any]:
    """What AWX tells each job of itself."""
    said = {"job_id": number, "job_launch_type": "workflow", "job_template_name": "azora", "inventory_id": 2, "inventory_name": "azora clusters",
            "user_name": "admin", "user_id": 1, "user_email": "", "project_revision": "0" * 40, "workflow_job_id": number - 1}  # fmt: skip
    return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in said.items()}


@pytest.fixture(scope="module")
def job(
    project: pathlib.Path, token: str, lab_name: str, api: kubernetes.client.ApiClient
) -> Iterator[Callable[..., Job]]:
    """Launch a template of roles/awx with answers to its survey; what is not answered is the survey's default."""
    templates = {one["name"]: one for one in role()["__awx_templates"]}
    questions = role()["__awx_questions"]
    numbers = iter(range(101, 200, 2))
    authority = project / "ca.crt"
    shutil.copy(api.configuration.ssl_ca_cert, authority)
    credential = {
        "K8S_AUTH_HOST": api.configuration.host,
        "K8S_AUTH_API_KEY": token,
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": str(authority),
    }

    def launch(
        template: str, *, tags: str = "", artifacts: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **answers: Any
    ) -> Job:  # fmt: skip
        number = next(numbers)
        asked = templates[template]["questions"]
        assert set(answers) <= set(asked)
        defaults = {name: questions[name]["default"] for name in asked if "default" in questions[name]}
        extra = {**defaults, **answers, **(artifacts or {}), **awx_variables(number)}
        for folder in ("env", "inventory"):
            shutil.rmtree(project / folder, ignore_errors=True)
            (project / folder).mkdir()
        script = project / "inventory" / "hosts"
        data = json.dumps(inventory(lab_name, **(host or {})))
        script.write_text(f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({data!r})\n", encoding="utf-8")
        script.chmod(0o700)
        collections = f"{project}/requirements_collections:~/.ansible/collections:/usr/share/ansible/collections"
        variables = credential | {
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "JOB_ID": str(number),
            "INVENTORY_ID": "2",
            "AWX_HOST": "https://awx.internal",
            "AWX_PRIVATE_DATA_DIR": str(project),
        }
        (project / "env" / "envvars").write_text(json.dumps(variables), encoding="utf-8")
        (project / "env" / "extravars").write_text(yaml.dump(extra, Dumper=UnsafeTexts), encoding="utf-8")
        (project / "env" / "cmdline").write_text("-u root" + (f" -t {tags}" if tags else ""), encoding="utf-8")
        ran = ansible_runner.run(
            private_data_dir=str(project), playbook=templates[template]["playbook"], ident=str(number), quiet=True
        )
        # Without colours, and without what YAML doubles where it quotes.
        output = COLOURS.sub("", ran.stdout.read()).replace("''", "'")
        assert token not in output
        # What AWX stores of it.
        ended = [event["event_data"] for event in ran.events if event["event"] == "playbook_on_stats"]
        assert ended, output
        return Job(ran.status, output, sum(ended[-1]["changed"].values()), ended[-1].get("artifact_data") or {})

    with pytest.MonkeyPatch.context() as patch:
        for name in NOT_OF_A_JOB:
            patch.delenv(name, raising=False)
        yield launch


def of(artifacts: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = artifacts[name][CLUSTER]
    return found


def test_a_workflow_brings_a_revision_and_takes_it_back(job: Callable[..., Job]) -> None:
    """The inventory has another catalogue for one run: that is rolled out, verified, and returned by a node that knows only the artifacts."""
    platform = catalogue()
    next(one for one in platform["services"] if one["name"] == "course")["environment"] = {
        "ROLLED_OUT_BY": f"awx-{time.time_ns()}"
    }
    changed = {"catalogue_platform": platform}
    site = job("site", tags="services", host=changed)
    assert site.status == "successful", site.output
    assert of(site.artifacts, "azora_site")["complete"]
    assert of(site.artifacts, "azora_site")["deployments"] == ["default/course"]
    try:
        verify = job(
            "verify",
            host=changed,
            artifacts=site.artifacts,
            verify_force="true",
            verify_workloads="user, course",
            verify_checks=["probes", "workloads"],
        )
        assert (verify.status, verify.changed) == ("successful", 0), verify.output
        assert of(verify.artifacts, "azora_verification")["passed"] is True
        assert of(verify.artifacts, "azora_verification")["verdict"].startswith("PASSED")
    finally:
        answers = {"rollback_revision": "previous", "rollback_since": "site"}
        rollback = job("rollback", artifacts=site.artifacts, **answers)
    assert rollback.status == "successful", rollback.output
    # Everything else stands as it stood before, although everything was asked for.
    assert list(of(rollback.artifacts, "azora_rollback")["returned"]) == ["default/course"]
    again = job("rollback", artifacts=site.artifacts, **answers)
    assert (again.status, again.changed, of(again.artifacts, "azora_rollback")["returned"]) == ("successful", 0, {})


def test_a_site_that_stands_is_not_changed(job: Callable[..., Job]) -> None:
    site = job("site", tags="services")
    assert (site.status, site.changed) == ("successful", 0), site.output
    told = of(site.artifacts, "azora_site")
    assert (told["complete"], told["changed"], told["deployments"]) == (True, 0, [])
    assert list(told["stages"]) == ["services"]


@pytest.mark.parametrize(
    ("template", "answers", "sentence"),
    [
        ("rollback", {"rollback_workloads": "user, nobody", "rollback_revision": "previous"},
         "rollback_workloads names nobody, which the catalogue does not have; write one of"),
        ("rollback", {"rollback_revision": "previous", "rollback_since": "site"},
         "rollback_since is site, and no run of site.yml came before this job"),
    ],
    ids=["nobody", "no run before"],
)  # fmt: skip
def test_a_wrong_answer_is_refused_in_a_sentence(
    job: Callable[..., Job], template: str, answers: dict[str, Any], sentence: str
) -> None:
    refused = job(template, **answers)
    assert (refused.status, refused.changed) == ("failed", 0)
    assert sentence in " ".join(refused.output.split())
