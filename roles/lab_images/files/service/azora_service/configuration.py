# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings out of the environment; every mistake is found at once and named by its variable."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CALLEES = ("user", "course", "enrollment", "session", "ai-agent", "analytics", "llm-wrapper")

# What each kind cannot live without. Callees that are not listed are optional: without them the kind does less.
STORES_OF_KIND: dict[str, tuple[str, ...]] = {
    "user": ("postgres",),
    "course": ("postgres",),
    "enrollment": ("postgres",),
    "session": ("redis",),
    "ai-agent": ("redis",),
    "analytics": ("redis", "kafka"),
    "llm-wrapper": ("llm",),
}
REQUIRED_CALLEES: dict[str, tuple[str, ...]] = {"ai-agent": ("llm-wrapper",)}

LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class ConfigurationError(Exception):
    """All mistakes of the environment, one sentence each, none of them with a secret in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class PostgresSettings:
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class RedisSettings:
    host: str
    port: int
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class KafkaSettings:
    bootstrap_servers: str
    produce_topics: tuple[str, ...]
    consume_topics: tuple[str, ...]
    group: str
    security_protocol: str
    username: str
    password: str = field(repr=False)
    certificate_authority: str


@dataclass(frozen=True)
class LlmSettings:
    endpoint: str
    model: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    name: str
    kind: str
    http_host: str
    http_port: int
    metrics_port: int
    log_level: int
    shutdown_seconds: int
    outbound_timeout_seconds: int
    llm_timeout_seconds: int
    event_memory_seconds: int
    trusted_ca: str
    callees: Mapping[str, str]
    postgres: PostgresSettings | None = None
    redis: RedisSettings | None = None
    kafka: KafkaSettings | None = None
    llm: LlmSettings | None = None


class Environment:
    """Reads variables and remembers what is wrong with them instead of stopping at the first."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.mistakes: list[str] = []

    def optional(self, name: str, default: str = "") -> str:
        return self._variables.get(name, "").strip() or default

    def required(self, name: str, purpose: str) -> str:
        value = self.optional(name)
        if not value:
            self.mistakes.append(f"{name} is not set: {purpose}.")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.optional(name, str(default))
        if value.isascii() and value.isdigit() and low <= int(value) <= high:
            return int(value)
        self.mistakes.append(f"{name} is {value!r}: it must be a whole number from {low} to {high}.")
        return default

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, 1, 65535)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.optional(name, default)
        if value not in choices:
            self.mistakes.append(f"{name} is {value!r}: it must be one of {', '.join(choices)}.")
            return default
        return value

    def url(self, name: str, value: str, schemes: tuple[str, ...]) -> str:
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            valid = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid:
            # The value is not repeated: a mistyped URL may hold a password.
            form = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
            self.mistakes.append(f"{name} is not a URL of the form {form}.")
            return ""
        return value.rstrip("/")

    def certificates(self, name: str) -> str:
        pem = self.optional(name)
        if pem:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
            except (ssl.SSLError, ValueError):
                self.mistakes.append(f"{name} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).")
        return pem

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(item.strip() for item in self.optional(name).split(",") if item.strip())


def url_variable(callee: str) -> str:
    return callee.upper().replace("-", "_") + "_URL"


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Raise ConfigurationError with every mistake if the environment cannot be used."""
    environment = Environment(variables)
    kind = environment.required("SERVICE_KIND", f"it must be one of {', '.join(STORES_OF_KIND)}")
    if kind and kind not in STORES_OF_KIND:
        environment.mistakes.append(f"SERVICE_KIND is {kind!r}: it must be one of {', '.join(STORES_OF_KIND)}.")
    stores = STORES_OF_KIND.get(kind, ())
    settings = Settings(
        name=environment.optional("SERVICE_NAME", kind),
        kind=kind,
        http_host=environment.optional("HTTP_HOST", "0.0.0.0"),  # noqa: S104 - a pod is reached on its address
        http_port=environment.port("HTTP_PORT", 8080),
        metrics_port=environment.port("METRICS_PORT", 9090),
        log_level=LOG_LEVELS[environment.choice("LOG_LEVEL", "info", tuple(LOG_LEVELS))],
        shutdown_seconds=environment.number("SHUTDOWN_SECONDS", 15, 1, 600),
        outbound_timeout_seconds=environment.number("OUTBOUND_TIMEOUT_SECONDS", 5, 1, 600),
        llm_timeout_seconds=environment.number("LLM_TIMEOUT_SECONDS", 20, 1, 600),
        event_memory_seconds=environment.number("EVENT_MEMORY_SECONDS", 86400, 60, 31536000),
        trusted_ca=environment.certificates("TRUSTED_CA"),
        callees=_callees(environment, REQUIRED_CALLEES.get(kind, ())),
        postgres=_postgres(environment) if "postgres" in stores else None,
        redis=_redis(environment) if "redis" in stores else None,
        kafka=_kafka(environment) if "kafka" in stores else None,
        llm=_llm(environment) if "llm" in stores else None,
    )
    if settings.http_port == settings.metrics_port:
        environment.mistakes.append(f"HTTP_PORT and METRICS_PORT are both {settings.http_port}: they must differ.")
    if environment.mistakes:
        raise ConfigurationError(environment.mistakes)
    return settings


def _callees(environment: Environment, required: tuple[str, ...]) -> dict[str, str]:
    callees = {}
    for callee in CALLEES:
        name = url_variable(callee)
        value = (
            environment.required(name, f"the address of {callee}") if callee in required else environment.optional(name)
        )
        if url := environment.url(name, value, ("http", "https")):
            callees[callee] = url
    return callees


def _postgres(environment: Environment) -> PostgresSettings:
    return PostgresSettings(
        host=environment.required("POSTGRES_HOST", "the host of PostgreSQL"),
        port=environment.port("POSTGRES_PORT", 5432),
        database=environment.required("POSTGRES_DATABASE", "the database of this service"),
        user=environment.required("POSTGRES_USER", "the role of this service in PostgreSQL"),
        password=environment.required("POSTGRES_PASSWORD", "the password of that role"),
    )


def _redis(environment: Environment) -> RedisSettings:
    return RedisSettings(
        host=environment.required("REDIS_HOST", "the host of this service's Redis database"),
        port=environment.port("REDIS_PORT", 6379),
        password=environment.optional("REDIS_PASSWORD") or None,
    )


def _kafka(environment: Environment) -> KafkaSettings:
    protocol = environment.choice("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", ("SASL_SSL", "PLAINTEXT"))
    if protocol == "SASL_SSL":
        username = environment.required("KAFKA_USERNAME", "the name of this service's Kafka user")
        password = environment.required("KAFKA_PASSWORD", "the password of that user")
    else:
        username = password = ""
    produce = environment.names("KAFKA_PRODUCE_TOPICS")
    consume = environment.names("KAFKA_CONSUME_TOPICS")
    if len(produce) != 1:
        environment.mistakes.append(
            "KAFKA_PRODUCE_TOPICS must name exactly one topic: the one that events are written to."
        )
    if not consume:
        environment.mistakes.append(
            "KAFKA_CONSUME_TOPICS is not set: the topics whose events are counted, comma separated."
        )
    return KafkaSettings(
        bootstrap_servers=environment.required("KAFKA_BOOTSTRAP_SERVERS", "host:port of Kafka, comma separated"),
        produce_topics=produce,
        consume_topics=consume,
        group=environment.required("KAFKA_GROUP", "the consumer group of this service"),
        security_protocol=protocol,
        username=username,
        password=password,
        certificate_authority=environment.certificates("KAFKA_CA"),
    )


def _llm(environment: Environment) -> LlmSettings:
    # https only: the request carries the key.
    endpoint = environment.required("LLM_ENDPOINT", "the https:// address that completes prompts")
    return LlmSettings(
        endpoint=environment.url("LLM_ENDPOINT", endpoint, ("https",)),
        model=environment.optional("LLM_MODEL", "default"),
        api_key=environment.required("LLM_API_KEY", "the key of the LLM endpoint, from a Secret"),
    )
