# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies: what a client may use, and how often."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tyk_stand_in.rules import DefinitionError, Limit, refuse_unknown

_KNOWN = ("id", "org_id", "name", "state", "active", "rate", "per", "quota_max", "access_rights")


class PolicyError(Exception):
    """Why the policies cannot be read; Tyk counts such a reload as failed."""


@dataclass(frozen=True)
class Policy:
    org_id: str
    active: bool
    limit: Limit
    apis: frozenset[str]


def read_policies(source: str, record_name: str, folder: str) -> dict[str, Policy]:
    """Read the policies of a folder or, without one, of a file: a map from id to policy."""
    if source != "file":
        return {}
    try:
        if folder:
            found = [
                json.loads(path.read_text(encoding="utf-8")) for path in sorted(pathlib.Path(folder).glob("*.json"))
            ]
            policies: Any = {str(policy["id"]): policy for policy in found}
        else:
            policies = json.loads(pathlib.Path(record_name).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"policies cannot be read: {error}") from error
    if not isinstance(policies, dict) or not all(isinstance(policy, dict) for policy in policies.values()):
        raise PolicyError("policies cannot be read: the file must hold a map from id to policy")
    return {identity: _policy(identity, policy) for identity, policy in policies.items()}


def _policy(identity: str, document: Mapping[str, Any]) -> Policy:
    try:
        refuse_unknown(document, f"policy {identity}", _KNOWN)
    except DefinitionError as error:
        raise PolicyError(str(error)) from None
    rate, per, quota = (document.get(name) or 0 for name in ("rate", "per", "quota_max"))
    if not all(isinstance(number, (int, float)) for number in (rate, per, quota)):
        raise PolicyError(f"policy {identity}: rate, per and quota_max must be numbers")
    if quota not in (0, -1):
        raise PolicyError(f"policy {identity}: a quota is not known to the stand-in")
    if rate > 0 and per <= 0:
        raise PolicyError(f"policy {identity}: per must be above 0")
    rights = document.get("access_rights") or {}
    if not isinstance(rights, dict):
        raise PolicyError(f"policy {identity}: access_rights must be a map from API to rights")
    return Policy(
        org_id=str(document.get("org_id") or ""),
        active=bool(document.get("active")),
        limit=Limit(max(rate, 0), per),
        apis=frozenset(rights),
    )
