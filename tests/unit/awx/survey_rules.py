# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX 24 says of a survey that is saved, and of answers that are given: its rules, in as few words.

Source: https://github.com/ansible/awx, awx/main/models/mixins.py (_survey_element_validation) and awx/api/views (_validate_spec_data)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}
CHOSEN = ("multiplechoice", "multiselect")


def _is_whole(value: Any) -> bool:
    """A number without a fraction; what is true or false is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def specification_error(survey: Mapping[str, Any]) -> str:
    """Why AWX would not save it; empty if it would."""
    for key, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(key), kind):
            return f"Expected {kind.__name__} for field '{key}'"
    if not survey["spec"]:
        return "'spec' doesn't contain any items."
    seen = set()
    for number, question in enumerate(survey["spec"]):
        for key in ("type", "question_name", "variable", "required"):
            if not isinstance(question.get(key), bool if key == "required" else str):
                return f"'{key}' missing from survey question {number}"
        if question["variable"] in seen:
            return f"'variable' '{question['variable']}' duplicated in survey question {number}."
        seen.add(question["variable"])
        if question["type"] not in TYPES:
            return f"'{question['type']}' is not one of the question types"
        default = question.get("default", "")
        if default != "" and not isinstance(default, TYPES[question["type"]]):
            return f"Default value {default} in survey question {number} is of the wrong type"
        for key in ("min", "max"):
            if question.get(key) is not None and not _is_whole(question[key]):
                return f"The {key} limit in survey question {number} expected to be integer."
        if question["type"] in CHOSEN:
            if "choices" not in question:
                return f"Survey question {number} must specify choices."
            if any(one not in question["choices"] for one in str(default).splitlines()):
                return "Default choice must be answered from the choices listed."
    return ""


def answer_error(question: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    """Why AWX would not take the answer to one question; empty if it would."""
    name, kind = question["variable"], question["type"]
    if name not in answers:
        return f"'{name}' value missing" if question["required"] else ""
    value = answers[name]
    if kind == "multiselect":
        if not isinstance(value, list):
            return f"'{name}' value is expected to be a list."
        return next((f"Value {one} for '{name}' is no choice." for one in value if one not in question["choices"]), "")
    if kind == "multiplechoice":
        return "" if value in question["choices"] else f"Value {value} for '{name}' is no choice."
    if kind in ("integer", "float"):
        size = value
        if not (_is_whole(value) or (kind == "float" and isinstance(value, float))):
            return f"Value {value} for '{name}' expected to be a number."
    elif isinstance(value, str):
        size = len(value)
    else:
        return f"Value {value} for '{name}' expected to be a string."
    low, high = question.get("min"), question.get("max")
    if low not in (None, "") and size < low:
        return f"'{name}' value {value} is too small (must be at least {low})."
    if high not in (None, "") and size > high:
        return f"'{name}' value {value} is too large (must be no more than {high})."
    return ""


def extra_vars(survey: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """What a job gets: defaults that pass their own rules, and the answers over them."""
    defaults = {
        question["variable"]: question["default"]
        for question in survey["spec"]
        if "default" in question and not answer_error(question, {question["variable"]: question["default"]})
    }
    return {**defaults, **answers}


def launch_errors(survey: Mapping[str, Any], answers: Mapping[str, Any], *, required: bool = True) -> list[str]:
    """Why AWX would not launch a job with these answers."""
    known = {question["variable"]: question for question in survey.get("spec", [])}
    errors = [f"Variables {name} are not allowed on launch." for name in answers if name not in known]
    for name, question in known.items():
        error = answer_error(question, answers)
        if error and (required or name in answers):
            errors.append(error)
    return errors
