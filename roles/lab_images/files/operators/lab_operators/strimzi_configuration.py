# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kafka's own configuration for the nodes of one pool, from the custom resources."""

from __future__ import annotations

from typing import Any

from lab_operators.strimzi_names import (
    CONTROL_PLANE_PORT,
    METRICS_PORT,
    OPERATOR_NAME,
    ORGANISATION,
    REPLICATION_PORT,
    ClusterNames,
)

Manifest = dict[str, Any]

CONTROL_PLANE = f"CONTROLPLANE-{CONTROL_PLANE_PORT}"
REPLICATION = f"REPLICATION-{REPLICATION_PORT}"
CLUSTER_AUTHORITY = "/etc/kafka/cluster-ca/ca.crt"
CLIENTS_AUTHORITY = "/etc/kafka/clients-ca/ca.crt"
NODE_CERTIFICATE = "/tmp/node.pem"  # noqa: S108 - written by the image's start script into a volume of the pod's own
METRICS_REPORTER = "strimziMetricsReporter"

#: Options that belong to the operator (Strimzi's list), and those of them that are the user's all the same.
RESERVED = (
    "advertised.",
    "authorizer.",
    "broker.",
    "controller.",
    "cruise.control.metrics.",
    "host.name",
    "inter.broker.listener.name",
    "listener",
    "log.dir",
    "metadata.log.dir",
    "node.id",
    "password.",
    "port",
    "process.roles",
    "prometheus.metrics.reporter.",
    "sasl.",
    "security.",
    "ssl.",
    "super.user",
    "zookeeper.",
)
ALLOWED = (
    "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms",
    "sasl.server.max.receive.size",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.protocol",
    "ssl.secure.random.implementation",
)


def is_reserved(option: str) -> bool:
    return option.startswith(RESERVED) and option not in ALLOWED


def reserved_options(config: Manifest) -> list[str]:
    """Options of spec.kafka.config that are ignored."""
    return sorted(option for option in config if is_reserved(option))


def option_value(value: Any) -> str:
    """A value of free-form configuration as Kafka reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(option_value(entry) for entry in value)
    # YAML may bring a number as 1.0; Kafka wants 1.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def listener_identifier(listener: Manifest) -> str:
    return f"{listener['name'].upper()}-{listener['port']}"


def security_protocol(listener: Manifest) -> str:
    scram = (listener.get("authentication") or {}).get("type") == "scram-sha-512"
    encrypted = bool(listener["tls"])
    return ("SASL_" if scram else "") + ("SSL" if encrypted else "PLAINTEXT")


def super_users(names: ClusterNames, configured: list[str]) -> list[str]:
    """Brokers and operator by their certificates, then whom the user named."""
    own = [f"CN={names.component},O={ORGANISATION}", f"CN={OPERATOR_NAME},O={ORGANISATION}"]
    return [f"User:{name}" for name in own + configured]


def log_directories(storage: Manifest) -> tuple[list[str], str]:
    """Where a node keeps its data (one folder a volume), and which folder holds the cluster's metadata."""
    if storage["type"] != "jbod":
        directory = "/var/lib/kafka/data/kafka-log@NODE_ID@"
        return [directory], directory
    volumes = sorted(storage["volumes"], key=lambda volume: int(volume["id"]))
    directories = {volume["id"]: f"/var/lib/kafka/data-{volume['id']}/kafka-log@NODE_ID@" for volume in volumes}
    shared = [volume["id"] for volume in volumes if volume.get("kraftMetadata") == "shared"]
    return list(directories.values()), directories[(shared or list(directories))[0]]


def server_properties(
    names: ClusterNames, kafka: Manifest, roles: list[str], storage: Manifest, voters: dict[int, str]
) -> str:
    """The configuration file; @NODE_ID@ and @POD_NAME@ are filled in by each pod.

    `voters` are the controllers: node number and pod name.
    """
    spec = kafka["spec"]["kafka"]
    directories, metadata_directory = log_directories(storage)
    quorum = ",".join(
        f"{node_id}@{names.pod_host(pod, with_domain=True)}:{CONTROL_PLANE_PORT}"
        for node_id, pod in sorted(voters.items())
    )
    options: dict[str, str] = {
        "node.id": "@NODE_ID@",
        "process.roles": ",".join(role for role in ("broker", "controller") if role in roles),
        "controller.quorum.voters": quorum,
        "controller.listener.names": CONTROL_PLANE,
        "log.dirs": ",".join(directories),
        "metadata.log.dir": metadata_directory,
    }
    listeners = spec["listeners"] if "broker" in roles else []
    ports = {CONTROL_PLANE: CONTROL_PLANE_PORT} if "controller" in roles else {}
    protocols = {CONTROL_PLANE: "SSL"}
    advertised = {}
    if "broker" in roles:
        ports[REPLICATION] = REPLICATION_PORT
        protocols[REPLICATION] = "SSL"
        advertised[REPLICATION] = f"{names.pod_host('@POD_NAME@', with_domain=True)}:{REPLICATION_PORT}"
        options["inter.broker.listener.name"] = REPLICATION
    for listener in listeners:
        identifier = listener_identifier(listener)
        ports[identifier] = listener["port"]
        protocols[identifier] = security_protocol(listener)
        with_domain = bool((listener.get("configuration") or {}).get("useServiceDnsDomain"))
        advertised[identifier] = f"{names.pod_host('@POD_NAME@', with_domain=with_domain)}:{listener['port']}"
    options["listeners"] = ",".join(f"{name}://0.0.0.0:{port}" for name, port in ports.items())
    options["listener.security.protocol.map"] = ",".join(f"{name}:{value}" for name, value in protocols.items())
    if advertised:
        options["advertised.listeners"] = ",".join(f"{name}://{address}" for name, address in advertised.items())
    options |= _mutual_tls(CONTROL_PLANE, CLUSTER_AUTHORITY)
    if "broker" in roles:
        options |= _mutual_tls(REPLICATION, CLUSTER_AUTHORITY)
    for listener in listeners:
        options |= _listener_options(listener)
    authorization = spec.get("authorization") or {}
    if authorization.get("type") == "simple":
        options["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        options["super.users"] = ";".join(super_users(names, authorization.get("superUsers") or []))
    for option, value in sorted((spec.get("config") or {}).items()):
        if not is_reserved(option):
            options[option] = option_value(value)
    for option, value in _reporter_options(spec.get("metricsConfig") or {}).items():
        # A reporter of the user's own goes on beside Strimzi's.
        options[option] = f"{options[option]},{value}" if option in options else value
    return "".join(f"{option}={value}\n" for option, value in options.items())


def _reporter_options(metrics: Manifest) -> dict[str, str]:
    """Metrics by Strimzi's reporter inside Kafka; the other way is an agent beside it, which needs no options."""
    if metrics.get("type") != METRICS_REPORTER:
        return {}
    allowed = (metrics.get("values") or {}).get("allowList") or [".*"]
    return {
        "metric.reporters": "io.strimzi.kafka.metrics.KafkaPrometheusMetricsReporter",
        "kafka.metrics.reporters": "io.strimzi.kafka.metrics.YammerPrometheusMetricsReporter",
        "prometheus.metrics.reporter.listener.enable": "true",
        "prometheus.metrics.reporter.listener": f"http://:{METRICS_PORT}",
        "prometheus.metrics.reporter.allowlist": ",".join(allowed),
    }


def _mutual_tls(identifier: str, authority: str) -> dict[str, str]:
    prefix = f"listener.name.{identifier.lower()}.ssl"
    return {
        f"{prefix}.keystore.type": "PEM",
        f"{prefix}.keystore.location": NODE_CERTIFICATE,
        f"{prefix}.truststore.type": "PEM",
        f"{prefix}.truststore.location": authority,
        f"{prefix}.client.auth": "required",
    }


def _listener_options(listener: Manifest) -> dict[str, str]:
    prefix = f"listener.name.{listener_identifier(listener).lower()}"
    kind = (listener.get("authentication") or {}).get("type")
    options: dict[str, str] = {}
    if listener["tls"]:
        options = {f"{prefix}.ssl.keystore.type": "PEM", f"{prefix}.ssl.keystore.location": NODE_CERTIFICATE}
        if kind == "tls":
            options = _mutual_tls(listener_identifier(listener), CLIENTS_AUTHORITY)
        else:
            options[f"{prefix}.ssl.client.auth"] = "none"
    if kind == "scram-sha-512":
        options[f"{prefix}.sasl.enabled.mechanisms"] = "SCRAM-SHA-512"
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        options[f"{prefix}.scram-sha-512.sasl.jaas.config"] = module
    limits = listener.get("configuration") or {}
    for field, option in (
        ("maxConnections", "max.connections"),
        ("maxConnectionCreationRate", "max.connection.creation.rate"),
    ):
        if limits.get(field):
            options[f"{prefix}.{option}"] = str(limits[field])
    return options
