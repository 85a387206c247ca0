# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The built artifact, installed into an empty directory: everything that the collection needs is in it, and its playbooks go by their full names."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path(sys.executable).parent
# What works from Galaxy is in these, and all of it.
SHIPPED = ("meta", "playbooks", "plugins", "roles")
DEVELOPMENT = {"Makefile", "ansible.cfg", "build", "inventories", "molecule", "pyproject.toml", "requirements", "tests"}


def run(*command: str, cwd: pathlib.Path, collections: pathlib.Path | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))}
    # No cluster may be found, neither by a kubeconfig nor from within one.
    variables = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "false", "KUBECONFIG": str(cwd / "none")}
    if collections:
        variables["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    program = str(PROGRAMS / command[0])
    return subprocess.run(
        [program, *command[1:]], cwd=cwd, env=kept | variables, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("artifact")
    built = run("ansible-galaxy", "collection", "build", "--output-path", str(place), str(CHECKOUT), cwd=place)
    assert built.returncode == 0, built.stderr
    (artifact,) = place.glob("*.tar.gz")
    options = ["--offline", "--no-deps", "-p", str(place / "collections")]
    installed = run("ansible-galaxy", "collection", "install", *options, str(artifact), cwd=place)
    assert installed.returncode == 0, installed.stderr
    return place / "collections"


def test_it_has_what_the_collection_needs_and_nothing_else(collections: pathlib.Path) -> None:
    root = collections / "ansible_collections" / "azora" / "platform"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SHIPPED],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    wanted = {name for name in listed.stdout.splitlines() if (CHECKOUT / name).is_file()}
    found = {str(path.relative_to(root)) for top in SHIPPED for path in (root / top).rglob("*") if path.is_file()}
    assert sorted(wanted - found) == []
    assert sorted(found - wanted) == []
    assert not DEVELOPMENT & {path.name for path in root.iterdir()}
    assert not [path.name for path in root.iterdir() if path.name.startswith(".")]


def test_every_playbook_is_there_by_its_full_name(collections: pathlib.Path, tmp_path: pathlib.Path) -> None:
    names = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
    playbooks = [f"azora.platform.{name}" for name in names]
    checked = run("ansible-playbook", "--syntax-check", *playbooks, cwd=tmp_path, collections=collections)
    assert checked.returncode == 0, checked.stderr
    for name in names:
        assert f"{collections}/ansible_collections/azora/platform/playbooks/{name}.yml" in checked.stdout


def test_without_a_cluster_it_says_so_in_one_sentence(collections: pathlib.Path, tmp_path: pathlib.Path) -> None:
    image = "catalogue_service_image=registry.invalid/service:1"
    tried = run("ansible-playbook", "azora.platform.services", "-e", image, cwd=tmp_path, collections=collections)
    assert tried.returncode != 0
    assert "The cluster cannot be read: " in tried.stdout + tried.stderr
    assert " changed=0 " in tried.stdout
    assert "Traceback" not in tried.stdout + tried.stderr
