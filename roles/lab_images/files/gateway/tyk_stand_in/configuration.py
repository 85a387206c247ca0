# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tyk.conf and the TYK_GW_ variables, under the names that Tyk gives them.

A variable's name follows from the path of the setting: storage.addrs is TYK_GW_STORAGE_ADDRS, listen_port is
TYK_GW_LISTENPORT. Variables win over the file. Settings that are not listed here are ignored, as Tyk ignores what it
does not know; those that would change who gets in, and are not implemented, stop the start.
"""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tyk_stand_in.json_logs import LEVELS

log = logging.getLogger(__name__)

PREFIX = "TYK_GW_"
# Tyk's public default; whoever runs with it has an open control API.
PUBLIC_SECRET = "352d20ee67be67f6340b4c0605b044b7"  # noqa: S105 - known to everyone, which is the point


class ConfigurationError(Exception):
    """All mistakes, one sentence each, none with a secret in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = mistakes


def _setting(path: str, default: Any, *, secret: bool = False) -> Any:
    # A shorthand for the fields below; the linter expects a call in the class itself.
    return field(  # pylint: disable=invalid-field-call
        default=default, metadata={"path": path}, repr=not secret
    )


@dataclass(frozen=True)
class Configuration:
    listen_address: str = _setting("listen_address", "")
    listen_port: int = _setting("listen_port", 8080)
    control_api_port: int = _setting("control_api_port", 0)
    secret: str = _setting("secret", "", secret=True)
    node_secret: str = _setting("node_secret", "", secret=True)
    app_path: str = _setting("app_path", "/opt/tyk-gateway/apps")
    use_db_app_configs: bool = _setting("use_db_app_configs", False)
    enable_custom_domains: bool = _setting("enable_custom_domains", False)
    policy_source: str = _setting("policies.policy_source", "")
    policy_record_name: str = _setting("policies.policy_record_name", "")
    policy_path: str = _setting("policies.policy_path", "")
    storage_type: str = _setting("storage.type", "redis")
    storage_host: str = _setting("storage.host", "localhost")
    storage_port: int = _setting("storage.port", 6379)
    storage_addrs: tuple[str, ...] = _setting("storage.addrs", ())
    storage_username: str = _setting("storage.username", "")
    storage_password: str = _setting("storage.password", "", secret=True)
    storage_database: int = _setting("storage.database", 0)
    storage_timeout: int = _setting("storage.timeout", 5)
    storage_enable_cluster: bool = _setting("storage.enable_cluster", False)
    storage_master_name: str = _setting("storage.master_name", "")
    storage_use_ssl: bool = _setting("storage.use_ssl", False)
    storage_ssl_insecure_skip_verify: bool = _setting("storage.ssl_insecure_skip_verify", False)
    storage_ca_file: str = _setting("storage.ca_file", "")
    health_check_endpoint_name: str = _setting("health_check_endpoint_name", "hello")
    readiness_check_endpoint_name: str = _setting("readiness_check_endpoint_name", "ready")
    check_duration: int = _setting("liveness_check.check_duration", 10)
    enable_strict_routes: bool = _setting("http_server_options.enable_strict_routes", False)
    use_ssl: bool = _setting("http_server_options.use_ssl", False)
    enable_fixed_window_rate_limiter: bool = _setting("enable_fixed_window_rate_limiter", False)
    proxy_default_timeout: int = _setting("proxy_default_timeout", 30)
    graceful_shutdown_delay_seconds: int = _setting("graceful_shutdown_delay_seconds", 0)
    graceful_shutdown_timeout_duration: int = _setting("graceful_shutdown_timeout_duration", 30)
    log_level: str = _setting("log_level", "info")

    @property
    def control_port(self) -> int:
        return self.control_api_port or self.listen_port

    @property
    def storage_address(self) -> tuple[str, int]:
        if not self.storage_addrs:
            return self.storage_host, self.storage_port
        host, _colon, port = self.storage_addrs[0].rpartition(":")
        return host.strip("[]"), int(port)


def variable_of(path: str) -> str:
    return PREFIX + "_".join(part.replace("_", "").upper() for part in path.split("."))


def read_configuration(path: pathlib.Path, variables: Mapping[str, str]) -> Configuration:
    """Raise ConfigurationError with every mistake of the file and the variables."""
    mistakes: list[str] = []
    document = _read_document(path, mistakes)
    values: dict[str, Any] = {}
    for item in fields(Configuration):
        setting = item.metadata["path"]
        found = _member(document, setting)
        if found is not None:
            values[item.name] = _from_document(setting, found, item.default, mistakes)
        if variable_of(setting) in variables:
            values[item.name] = _from_variable(setting, variables[variable_of(setting)], item.default, mistakes)
    configuration = Configuration(**{name: value for name, value in values.items() if value is not None})
    mistakes += _contradictions(configuration)
    if mistakes:
        raise ConfigurationError(mistakes)
    if configuration.secret == PUBLIC_SECRET:
        log.warning("secret is Tyk's public default: anyone can use the control API")
    return configuration


def _read_document(path: pathlib.Path, mistakes: list[str]) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        log.warning("%s is not there: defaults and variables are used", path)
        return {}
    except (OSError, ValueError) as error:
        mistakes.append(f"{path} cannot be read as JSON: {error}.")
        return {}
    if not isinstance(document, dict):
        mistakes.append(f"{path} must hold a JSON object.")
        return {}
    return document


def _member(document: dict[str, Any], path: str) -> Any:
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _from_document(path: str, value: Any, default: Any, mistakes: list[str]) -> Any:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is type(default):
        return value
    kind = {bool: "true or false", int: "a whole number", str: "a text", tuple: "a list of texts"}[type(default)]
    mistakes.append(f"{path} must be {kind}.")
    return None


def _from_variable(path: str, value: str, default: Any, mistakes: list[str]) -> Any:
    if isinstance(default, tuple):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    if isinstance(default, bool):
        if value.lower() in ("true", "1", "t", "false", "0", "f"):
            return value.lower() in ("true", "1", "t")
        mistakes.append(f"{variable_of(path)} must be true or false.")
        return None
    if isinstance(default, int):
        if value.isascii() and value.isdigit():
            return int(value)
        mistakes.append(f"{variable_of(path)} must be a whole number.")
        return None
    return value


def _contradictions(configuration: Configuration) -> list[str]:
    mistakes = []
    for name in ("listen_port", "control_api_port", "storage_port"):
        port = getattr(configuration, name)
        if not (1 <= port <= 65535 or (name == "control_api_port" and port == 0)):
            mistakes.append(f"{name} is {port}: it must be a port from 1 to 65535.")
    for address in configuration.storage_addrs:
        host, _colon, port_text = address.rpartition(":")
        if not host or not port_text.isdigit():
            mistakes.append(f"storage.addrs holds {address!r}: an address is host:port.")
    if (
        len(configuration.storage_addrs) > 1
        or configuration.storage_enable_cluster
        or configuration.storage_master_name
    ):
        mistakes.append("storage: the stand-in speaks to one Redis address, not to a cluster or sentinels.")
    if configuration.storage_type != "redis":
        mistakes.append(f"storage.type is {configuration.storage_type!r}: it must be redis.")
    if configuration.use_db_app_configs:
        mistakes.append("use_db_app_configs is true: the stand-in reads definitions from app_path only.")
    if configuration.use_ssl:
        mistakes.append("http_server_options.use_ssl is true: the stand-in serves HTTP only.")
    if configuration.policy_source not in ("", "file"):
        mistakes.append(f"policies.policy_source is {configuration.policy_source!r}: the stand-in reads files only.")
    if configuration.log_level not in LEVELS:
        mistakes.append(f"log_level is {configuration.log_level!r}: it must be one of {', '.join(LEVELS)}.")
    return mistakes
