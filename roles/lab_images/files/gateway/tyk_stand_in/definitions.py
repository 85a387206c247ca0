# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classic API definitions, read from files as Tyk reads them."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tyk_stand_in.rules import DefinitionError, Rules, parse_rules, refuse_unknown

log = logging.getLogger(__name__)

# These belong to a pair or to another protocol; the classic half stands in a file of its own.
SKIPPED_SUFFIXES = ("-oas.json", "-mcp.json")
KNOWN = (
    *("api_id", "org_id", "name", "active", "proxy", "version_data", "domain"),
    *("use_keyless", "enable_jwt", "jwt_signing_method", "jwt_source", "jwt_identity_base_field"),
    *("jwt_default_policies", "jwt_skip_kid", "idp_client_id_mapping_disabled", "auth_configs"),
    *("global_rate_limit", "disable_rate_limit", "CORS", "enable_ip_whitelisting", "enable_ip_blacklisting"),
)
KNOWN_OF_PROXY = ("listen_path", "target_url", "strip_listen_path", "preserve_host_header")
KNOWN_OF_VERSION = (
    *("name", "expires", "use_extended_paths", "extended_paths", "global_size_limit"),
    *("global_headers", "global_headers_remove", "global_response_headers", "global_response_headers_remove"),
)


@dataclass(frozen=True)
class ApiDefinition:
    """What of a definition decides where a request goes, and whether it may."""

    api_id: str
    org_id: str
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
    rules: Rules
    document: Mapping[str, Any] = field(repr=False)


def read_definitions(folder: pathlib.Path, *, custom_domains: bool = False, limits: bool = True) -> list[ApiDefinition]:
    """Read all that can be read; what cannot is logged and left out, as Tyk does."""
    if not folder.is_dir():
        log.warning("app_path %s is no folder: no APIs are loaded", folder)
        return []
    definitions: list[ApiDefinition] = []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(SKIPPED_SUFFIXES):
            continue
        try:
            definition = parse_definition(
                json.loads(with_variables(path.read_text(encoding="utf-8"), os.environ)), custom_domains=custom_domains
            )
        except (OSError, ValueError, RecursionError, DefinitionError) as error:
            log.error("API definition skipped", extra={"file": path.name, "reason": str(error)})
            continue
        if definition.rules.limit and not limits:
            reason = "limits are known to the stand-in with enable_fixed_window_rate_limiter only"
            log.error("API definition skipped", extra={"file": path.name, "reason": reason})
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
    _refuse_unknown_settings(document, proxy, version)
    definition = ApiDefinition(
        api_id=api_id,
        org_id=str(document.get("org_id") or ""),
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
        rules=parse_rules(document, version),
        document=document,
    )
    _warn(definition)
    return definition


def _refuse_unknown_settings(document: Mapping[str, Any], proxy: Mapping[str, Any], version: Mapping[str, Any]) -> None:
    refuse_unknown(document, "the definition", KNOWN)
    refuse_unknown(proxy, "proxy", KNOWN_OF_PROXY)
    refuse_unknown(version, "version_data.versions.Default", KNOWN_OF_VERSION)


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """Put the values of variables in the place of env://NAME, as Tyk does before it reads the file."""
    for kind in ("secrets", "consul", "vault", "file"):
        if f"{kind}://" in text:
            raise DefinitionError(f"{kind}:// is not known to the stand-in")
    return re.sub(r"env://([^\"]+)", lambda found: json.dumps(variables.get(found[1]) or found[0])[1:-1], text)


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


def _warn(definition: ApiDefinition) -> None:
    """Say at each load what is asked for and not done, so that nobody takes silence for consent."""
    extra = {"api_id": definition.api_id}
    if not definition.keyless and definition.rules.jwt is None:
        log.warning("this authentication is not implemented by the stand-in: every request is refused", extra=extra)
    for restriction in definition.restrictions:
        log.warning("%s is not implemented by the stand-in: every request is refused", restriction, extra=extra)
