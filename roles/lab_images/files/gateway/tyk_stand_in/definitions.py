# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classic API definitions and policies, read from files as Tyk reads them."""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

# These belong to a pair or to another protocol; the classic half stands in a file of its own.
SKIPPED_SUFFIXES = ("-oas.json", "-mcp.json")


class DefinitionError(Exception):
    """Why a definition cannot be served."""


class PolicyError(Exception):
    """Why the policies cannot be read; Tyk counts such a reload as failed."""


@dataclass(frozen=True)
class ApiDefinition:
    """What of a definition decides where a request goes, and whether it may."""

    api_id: str
    name: str
    active: bool
    listen_path: str
    target_url: str
    strip_listen_path: bool
    preserve_host_header: bool
    keyless: bool
    jwt: bool
    # Settings that restrict access in a way that is not implemented: such an API is refused as a whole.
    restrictions: tuple[str, ...]
    request_headers: Mapping[str, str]
    removed_request_headers: tuple[str, ...]
    response_headers: Mapping[str, str]
    removed_response_headers: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)


def read_definitions(folder: pathlib.Path, *, custom_domains: bool = False) -> list[ApiDefinition]:
    """Read all that can be read; what cannot is logged and left out, as Tyk does."""
    if not folder.is_dir():
        log.warning("app_path %s is no folder: no APIs are loaded", folder)
        return []
    definitions: list[ApiDefinition] = []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(SKIPPED_SUFFIXES):
            continue
        try:
            definition = parse_definition(json.loads(path.read_text(encoding="utf-8")), custom_domains=custom_domains)
        except (OSError, ValueError, RecursionError, DefinitionError) as error:
            log.error("API definition skipped", extra={"file": path.name, "reason": str(error)})
            continue
        taken = next((other for other in definitions if other.listen_path == definition.listen_path), None)
        if taken is not None or any(other.api_id == definition.api_id for other in definitions):
            log.error(
                "API definition skipped",
                extra={"file": path.name, "reason": "its api_id or listen_path is taken by another definition"},
            )
            continue
        definitions.append(definition)
    return definitions


def parse_definition(document: Any, *, custom_domains: bool = False) -> ApiDefinition:
    if not isinstance(document, dict):
        raise DefinitionError("the file must hold a JSON object")
    proxy = document.get("proxy")
    if not isinstance(proxy, dict):
        raise DefinitionError("proxy is missing")
    listen_path, target_url = proxy.get("listen_path"), proxy.get("target_url")
    if not isinstance(listen_path, str) or not listen_path:
        raise DefinitionError("proxy.listen_path is empty")
    if " " in listen_path:
        raise DefinitionError("proxy.listen_path contains spaces")
    if "{" in listen_path:
        raise DefinitionError("proxy.listen_path is a pattern, which the stand-in does not know")
    api_id = document.get("api_id")
    if not isinstance(api_id, str) or not api_id:
        raise DefinitionError("api_id is empty")
    version = _default_version(document)
    definition = ApiDefinition(
        api_id=api_id,
        name=str(document.get("name") or api_id),
        # Go's zero value: what does not say active is not.
        active=_flag(document, "active"),
        listen_path=listen_path if listen_path.startswith("/") else f"/{listen_path}",
        target_url=_target(target_url),
        strip_listen_path=_flag(proxy, "strip_listen_path"),
        preserve_host_header=_flag(proxy, "preserve_host_header"),
        keyless=_flag(document, "use_keyless"),
        jwt=_flag(document, "enable_jwt"),
        restrictions=tuple(_restrictions(document, custom_domains=custom_domains)),
        request_headers=_headers(version, "global_headers"),
        removed_request_headers=tuple(_names(version, "global_headers_remove")),
        response_headers=_headers(version, "global_response_headers"),
        removed_response_headers=tuple(_names(version, "global_response_headers_remove")),
        document=document,
    )
    _warn(definition, version)
    return definition


def read_policies(source: str, record_name: str, folder: str) -> dict[str, Any]:
    """Read the policies of a folder or, without one, of a file: a map from id to policy."""
    if source != "file":
        return {}
    try:
        if folder:
            found = [
                json.loads(path.read_text(encoding="utf-8")) for path in sorted(pathlib.Path(folder).glob("*.json"))
            ]
            return {str(policy["id"]): policy for policy in found}
        policies = json.loads(pathlib.Path(record_name).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"policies cannot be read: {error}") from error
    if not isinstance(policies, dict):
        raise PolicyError("policies cannot be read: the file must hold a map from id to policy")
    return policies


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise DefinitionError(f"{name} must be true or false")
    return value


def _target(value: object) -> str:
    if isinstance(value, str):
        parts = urlsplit(value)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.query:
            return value
    raise DefinitionError("proxy.target_url must be an http:// or https:// URL without a query")


def _default_version(document: Mapping[str, Any]) -> Mapping[str, Any]:
    data = document.get("version_data")
    versions = data.get("versions") if isinstance(data, dict) else None
    version = versions.get("Default") if isinstance(versions, dict) else None
    return version if isinstance(version, dict) else {}


def _headers(version: Mapping[str, Any], name: str) -> dict[str, str]:
    found = version.get(name) or {}
    if not isinstance(found, dict):
        raise DefinitionError(f"{name} must map names to values")
    return {str(header): str(value) for header, value in found.items()}


def _names(version: Mapping[str, Any], name: str) -> list[str]:
    found = version.get(name) or []
    if not isinstance(found, list):
        raise DefinitionError(f"{name} must be a list")
    return [str(header) for header in found]


def _restrictions(document: Mapping[str, Any], *, custom_domains: bool) -> list[str]:
    found = [name for name in ("enable_ip_whitelisting", "enable_ip_blacklisting") if document.get(name)]
    if custom_domains and document.get("domain"):
        found.append("domain")
    data = document.get("version_data")
    if isinstance(data, dict):
        if data.get("not_versioned") is False:
            found.append("version_data.not_versioned: false")
        version = _default_version(document)
        paths = version.get("extended_paths")
        if isinstance(paths, dict):
            found += [f"extended_paths.{name}" for name in ("white_list", "black_list") if paths.get(name)]
        if version.get("expires"):
            found.append("expires")
    return found


def _warn(definition: ApiDefinition, version: Mapping[str, Any]) -> None:
    """Say at each load what is asked for and not done, so that nobody takes silence for consent."""
    extra = {"api_id": definition.api_id}
    if not definition.keyless:
        log.warning("authentication is not implemented by the stand-in: every request is refused", extra=extra)
    for restriction in definition.restrictions:
        log.warning("%s is not implemented by the stand-in: every request is refused", restriction, extra=extra)
    paths = version.get("extended_paths")
    ignored = [name for name, value in paths.items() if value] if isinstance(paths, dict) else []
    if definition.document.get("global_rate_limit"):
        ignored.append("global_rate_limit")
    if ignored:
        log.warning("not implemented by the stand-in: %s", ", ".join(ignored), extra=extra)
