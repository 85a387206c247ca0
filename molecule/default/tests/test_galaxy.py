# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user of Galaxy has: the built artifact, installed into an empty directory, an inventory of their own, and the cluster's kubeconfig."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from conftest import CHECKOUT

# What the inventory of the checkout says of where the lab's API is; a user of Galaxy says it by the environment.
CONNECTION = {"azora_connection", "lab_kubeconfig"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, lab_name: str) -> pathlib.Path:
    """An empty directory, in which the collection and an inventory are then all there is."""
    place = tmp_path_factory.mktemp("galaxy")
    artifacts = tmp_path_factory.mktemp("artifact")
    galaxy("build", "--output-path", str(artifacts), str(CHECKOUT), cwd=place)
    (artifact,) = artifacts.glob("azora-platform-*.tar.gz")
    galaxy("install", "--offline", "--no-deps", "-p", str(place / "collections"), str(artifact), cwd=place)
    settings = yaml.safe_load((CHECKOUT / "inventories/lab/group_vars/clusters.yml").read_text(encoding="utf-8"))
    variables = {name: value for name, value in settings.items() if name not in CONNECTION} | {"lab_name": lab_name}
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (place / "inventory" / "group_vars").mkdir(parents=True)
    for name, content in {
        "hosts.yml": {"clusters": {"hosts": {"mine": host}}},
        "group_vars/clusters.yml": variables,
    }.items():
        (place / "inventory" / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return place


def galaxy(*arguments: str, cwd: pathlib.Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("ansible-galaxy", "collection", *arguments, cwd=cwd, **variables)


def run(*command: str, cwd: pathlib.Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))}
    environment = kept | {"ANSIBLE_NOCOLOR": "1"} | variables
    finished = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished


def test_site_runs_from_there_and_changes_nothing_on_a_platform_that_stands(
    directory: pathlib.Path, lab: dict[str, Any]
) -> None:
    assert sorted(path.name for path in directory.iterdir()) == ["collections", "inventory"]
    ran = run(
        "ansible-playbook", "azora.platform.site", "-i", "inventory", "--tags", "namespaces,gateway",
        cwd=directory, ANSIBLE_COLLECTIONS_PATH=str(directory / "collections"), K8S_AUTH_KUBECONFIG=lab["kubeconfig"],
    )  # fmt: skip
    # Its roles are those of the artifact, not those of the checkout.
    assert f"{directory}/collections/ansible_collections/azora/platform/roles/" in ran.stdout
    assert str(CHECKOUT / "roles") not in ran.stdout
    assert [re.split(r"\W+", line)[1] for line in ran.stdout.splitlines() if line.startswith("PLAY [")][-1] == "Summary"
    assert re.search(r"^mine +: ok=[1-9]\d* +changed=0 +unreachable=0 +failed=0 ", ran.stdout, re.MULTILINE), ran.stdout
