# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reference is complete: every role's options in its README, examples that Ansible would take, and one group for all that connect to a cluster."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
MODULES = sorted((CHECKOUT / "plugins" / "modules").glob("[a-z]*.py"))
FILTERS = sorted((CHECKOUT / "plugins" / "filter").glob("[a-z]*.py"))
# What Ansible itself knows of a task, as far as the examples use it.
KEYWORDS = {"name", "register", "when", "loop", "vars", "notify", "module_defaults", "failed_when", "changed_when"}
CONNECTION_FRAGMENT = "azora.platform.kubernetes"


def text_of(path: pathlib.Path, variable: str) -> str:
    """A documentation string of a plugin, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == variable for target in node.targets
        ):
            value = ast.literal_eval(node.value)
            assert isinstance(value, str)
            return value
    raise AssertionError(f"{path.name} has no {variable}")


def documentation(path: pathlib.Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text_of(path, "DOCUMENTATION"))
    return loaded


def connection_options() -> dict[str, Any]:
    fragment = ast.parse((CHECKOUT / "plugins/doc_fragments/kubernetes.py").read_text(encoding="utf-8"))
    (document,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(fragment)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION"
    )
    options: dict[str, Any] = yaml.safe_load(document)["options"]
    return options


def connects(path: pathlib.Path) -> bool:
    return CONNECTION_FRAGMENT in documentation(path).get("extends_documentation_fragment", [])


def options_of(path: pathlib.Path) -> dict[str, Any]:
    own = documentation(path).get("options") or {}
    return own | connection_options() if connects(path) else own


def entry_points(role: pathlib.Path) -> dict[str, Any]:
    specification = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    points: dict[str, Any] = specification["argument_specs"]
    return points


def undescribed(options: dict[str, Any], place: str) -> Iterator[str]:
    for name, option in options.items():
        if not option.get("description"):
            yield f"{place}{name}"
        yield from undescribed(option.get("options") or option.get("suboptions") or {}, f"{place}{name}.")


def unknown_keys(given: Any, options: dict[str, Any], place: str) -> Iterator[str]:
    """What a task of the examples says that the module does not know."""
    if not isinstance(given, dict):
        return
    known = set(options) | {alias for option in options.values() for alias in option.get("aliases", [])}
    for name, value in given.items():
        if name not in known:
            yield f"{place}{name}"
            continue
        inner = options.get(name, {}).get("suboptions")
        if inner:
            for one in value if isinstance(value, list) else [value]:
                yield from unknown_keys(one, inner, f"{place}{name}.")


def tasks_of(loaded: Any) -> Iterator[dict[str, Any]]:
    """Every task of an example, be it a list of tasks or of plays, in blocks or not."""
    for entry in loaded or []:
        if not isinstance(entry, dict):
            continue
        nested = [key for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") if key in entry]
        for key in nested:
            yield from tasks_of(entry[key])
        if not nested:
            yield entry


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_entry_point_and_option_of_a_role_is_described(role: pathlib.Path) -> None:
    for name, point in entry_points(role).items():
        assert point.get("short_description"), f"{name} needs a short_description"
        assert point.get("description"), f"{name} needs a description"
        assert list(undescribed(point.get("options") or {}, "")) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_readme_of_a_role_names_every_option(role: pathlib.Path) -> None:
    readme = (role / "README.md").read_text(encoding="utf-8")
    options = {name for point in entry_points(role).values() for name in point.get("options") or {}}
    assert sorted(name for name in options if not re.search(rf"(?<!\w){name}(?!\w)", readme)) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_a_module_are_tasks_that_it_would_take(module: pathlib.Path) -> None:
    options, name = options_of(module), f"azora.platform.{module.stem}"
    required = {option for option, details in options.items() if details.get("required")}
    calls = []
    for task in tasks_of(yaml.safe_load(text_of(module, "EXAMPLES"))):
        assert task.get("name"), f"a task without a name: {task}"
        modules = [key for key in task if "." in key]
        assert len(modules) == 1, f"not one module, by its full name, in {task}"
        assert sorted(set(task) - KEYWORDS - {modules[0]}) == [], "keywords of a task"
        if modules[0] == name:
            calls.append(task[name] or {})
    assert calls, "the examples never call the module"
    for call in calls:
        assert list(unknown_keys(call, options, "")) == []
        assert sorted(required - set(call)) == [], f"required, and missing in {call}"


@pytest.mark.parametrize("plugin", FILTERS, ids=lambda path: path.stem)
def test_the_examples_of_a_filter_are_yaml_and_use_it(plugin: pathlib.Path) -> None:
    examples = text_of(plugin, "EXAMPLES")
    assert yaml.safe_load(examples)
    assert f"azora.platform.{plugin.stem}" in examples


@pytest.mark.parametrize("plugin", [*MODULES, *FILTERS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_plugins_mark_names_up_and_do_not_quote_them(plugin: pathlib.Path) -> None:
    """What is a value, an option or code is V(), O() or C(); no word of it stands in backquotes."""
    for variable in ("DOCUMENTATION", "RETURN"):
        text = text_of(plugin, variable)
        assert "`" not in text, f"backquotes in {variable}"
        assert not re.search(r"(?<![(\w])'(?:[a-z]+_[a-z_]+|true|false)'", text), f"quoted names in {variable}"


def test_one_action_group_holds_every_module_that_connects() -> None:
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))
    group = runtime["action_groups"]["k8s"]
    members = [entry for entry in group if isinstance(entry, str)]
    assert members == sorted(members)
    assert set(members) == {module.stem for module in MODULES if connects(module)}
    (metadata,) = (entry["metadata"] for entry in group if isinstance(entry, dict))
    assert metadata["extend_group"] == ["kubernetes.core.k8s"]
