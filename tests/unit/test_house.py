# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the house that no linter knows: every role documented, its defaults equal to its argument specification, licences named."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
from typing import Any

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
MODULE_UTILS = sorted((CHECKOUT / "plugins" / "module_utils").glob("_*.py"))
# What reaches a cluster or a machine; everything else in module_utils is the core: data in, data out.
NOT_PURE = re.compile(r"kubernetes_client|lab_|prober_program|verification")


def load(path: pathlib.Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def tracked_files() -> list[pathlib.Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [CHECKOUT / name for name in listing.stdout.splitlines() if (CHECKOUT / name).is_file()]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_is_documented_and_described(role: pathlib.Path) -> None:
    assert (role / "README.md").is_file(), f"{role.name} needs a README.md (Galaxy refuses the import without)"
    meta = load(role / "meta" / "main.yml")
    assert meta["galaxy_info"]["description"]
    assert meta["galaxy_info"]["license"] == "GPL-3.0-or-later"
    assert (role / "tasks" / "main.yml").is_file()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_equal_argument_specification(role: pathlib.Path) -> None:
    specification = load(role / "meta" / "argument_specs.yml")
    assert specification, f"{role.name} needs meta/argument_specs.yml"
    defaults = load(role / "defaults" / "main.yml") or {}
    options: dict[str, Any] = {}
    for entry_point in specification["argument_specs"].values():
        options.update(entry_point.get("options") or {})
    optional = {name: option for name, option in options.items() if not option.get("required")}
    assert sorted(set(defaults) - set(optional)) == [], "a default that the specification does not know"
    documented = {name for name, option in optional.items() if "default" in option}
    assert sorted(documented - set(defaults)) == [], "the specification promises a default that is not there"
    for name, value in defaults.items():
        if isinstance(value, (dict, list)) or (isinstance(value, str) and "{{" in value):
            continue  # computed or structured defaults are described, not repeated
        assert options[name].get("default") == value, f"{name}: default {value!r} is not what the specification says"
        assert options[name].get("description"), f"{name} needs a description"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_variables_carry_the_name_of_the_role(role: pathlib.Path) -> None:
    for name in load(role / "defaults" / "main.yml") or {}:
        assert name.startswith(f"{role.name}_"), f"{name} must begin with {role.name}_"


@pytest.mark.parametrize(
    "path", [path for path in MODULE_UTILS if not NOT_PURE.search(path.name)], ids=lambda path: path.name
)
def test_core_is_pure(path: pathlib.Path) -> None:
    """The core takes and returns plain data: neither Ansible nor a Kubernetes client is imported, nor anything that reaches out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert not re.match(r"(ansible|kubernetes|requests|urllib|socket|subprocess)(\.|$)", name), (
                f"imports {name}"
            )


def test_no_file_is_named_for_nothing() -> None:
    names = {path.stem for path in tracked_files() if path.suffix in {".py", ".go", ".sh"}}
    assert not names & {"utils", "helpers", "common", "misc"}


def test_every_source_names_its_licence() -> None:
    missing = [
        str(path.relative_to(CHECKOUT))
        for path in tracked_files()
        if path.suffix in {".py", ".go", ".sh", ".yml", ".yaml"}
        and path.parts[len(CHECKOUT.parts)] not in {"changelogs", "inventories"}
        and "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text(encoding="utf-8")[:600]
        and path.stat().st_size
    ]
    assert missing == []


def test_no_path_of_a_machine_and_no_registry_host() -> None:
    # Assembled, so that this file does not name what it forbids.
    forbidden = re.compile(
        "|".join(
            [
                r"(?<![\w.}])/" + r"(work|farm)/",
                r"(?<![\w.])/" + r"root/",
                "proxy." + "golang",
                "repo1." + "maven",
                "deb." + "debian",
            ]
        )
    )
    found = [
        f"{path.relative_to(CHECKOUT)}: {match[0]}"
        for path in tracked_files()
        if path.suffix not in {".sum", ".png"}
        for match in [forbidden.search(path.read_text(encoding="utf-8", errors="ignore"))]
        if match
    ]
    assert found == []
