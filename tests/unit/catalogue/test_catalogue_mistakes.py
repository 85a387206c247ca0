# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in a catalogue: each is told with its key and the right form, all at once, and nothing ever raises."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import (
    _catalogue,
    _catalogue_namespaces,
    _connectivity,
    _network_policies,
    _routes,
)


def entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in entries if item["name"] == name)


def set_at(value: Any, path: str, new: Any) -> None:
    """Sets services.user.replicas and the like; list items are found by name or number."""
    *parents, last = path.split(".")
    for part in parents:
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() else entry(value, part)
        else:
            value = value.setdefault(part, {})
    if isinstance(value, list):
        value[int(last)] = new
    else:
        value[last] = new


def test_azora_has_no_mistake(platform: dict[str, Any]) -> None:
    assert _catalogue.mistakes(platform) == []


def test_the_smallest_catalogue_has_no_mistake(small: dict[str, Any]) -> None:
    assert _catalogue.mistakes(small) == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("services.user.calls", ["analitics"], "services.user.calls: 'analitics' is not a service; did you mean 'analytics'? Known: "),
        ("services.user.calls", ["user"], "services.user.calls: 'user' is the service itself; leave it out."),
        ("services.user.calls", ["analytics", "analytics"], "services.user.calls[1]: 'analytics' is there twice; leave one out."),
        ("stores.postgres.backup", {"endpoint": "https://s3"}, "stores.postgres.backup.destination: is missing; write a bucket, "),
        ("stores.postgres.backup", {"destination": "/srv"}, "stores.postgres.backup.destination: '/srv' is not valid; write a bucket, "),
        (
            "stores.postgres.backup",
            {"destination": "s3://b-1", "endpoint": "s3.example.org"},
            "stores.postgres.backup.endpoint: 's3.example.org' is not valid; write the URL ",
        ),
        ("services.user.calls", "analytics", "services.user.calls: 'analytics' is not a list; "),
        ("services.user.stores.0.name", "postgress", "services.user.stores: 'postgress' is not a store; did you mean 'postgres'?"),
        ("services.user.stores.0.database", "users", "services.user.stores.postgres.database: 'users' is not a database of postgres; did you mean 'user'?"),
        ("services.user.stores.0", {"name": "postgres"}, "services.user.stores.postgres.database: is missing; known: user, course, enrollment."),
        ("services.user.stores.0.produce", ["events"], "services.user.stores.postgres.produce: is for Kafka; "),
        ("services.analytics.stores.1.produce", ["events"], "services.analytics.stores.kafka.produce: 'events' is not a topic of kafka; did "
            "you mean 'analytics-events'?"),
        ("services.analytics.stores.1", {"name": "kafka"}, "services.analytics.stores.kafka: names no topic; write produce or consume"),
        ("services.analytics.stores.1", {"name": "redis", "database": "session"}, "services.analytics.stores.redis: is the second redis use; "),
        ("services.course.name", "user", "services[1].name: 'user' is there twice; give each its own name."),
        ("services.user.name", "User", "services.User.name: 'User' is not valid; write a DNS label"),
        ("services.user.namespace", "defualt", "services.user.namespace: 'defualt' is not in namespaces; did you mean 'default'?"),
        ("gateway.namespace", "elsewhere", "gateway.namespace: 'elsewhere' is not in namespaces; "),
        ("gateway.name", "user", "gateway.name: 'user' is a service already; "),
        ("services.user.resources", {"requests": {"cpu": "250mm"}}, "services.user.resources.requests.cpu: '250mm' is not a CPU quantity "
            "such as '250m' or '2'."),
        ("services.user.resources", {"requests": {"memory": "512m"}}, "services.user.resources.requests.memory: '512m' means a fraction of a byte; "),
        ("services.user.resources", {"requests": {"memory": "1Gi"}}, "services.user.resources.requests.memory: '1Gi' is above the limit '512Mi'; "),
        ("services.user.ports", {"http": 80800}, "services.user.ports.http: 80800 is not a port from 1 to 65535."),
        ("services.user.ports", {"http": 8080, "metrics": 8080}, "services.user.ports.metrics: 8080 is the port of http already; "),
        ("services.course.expose.path", "/users", "services.course.expose.path: '/users' is the path of user already; "),
        ("services.course.expose.path", "courses/", "services.course.expose.path: 'courses/' is not valid; write a path such as /users"),
        ("services.course.expose.path", "/tyk/x", "services.course.expose.path: '/tyk/x' is answered by the gateway itself; "),
        ("services.user.replica", 2, "services.user.replica: 'replica' is not a known key; did you mean 'replicas'? Known: "),
        ("servcies", [], "servcies: 'servcies' is not a known key; did you mean 'services'? Known: "),
        ("services.user.replicas", 0, "services.user.replicas: 0 is not a whole number from 1 to 1000."),
        ("services.user.replicas", "two", "services.user.replicas: 'two' is not a whole number from 1 to 1000."),
        ("services.user.replicas", True, "services.user.replicas: true is not a whole number from 1 to 1000."),
        ("services.user.autoscaling", {"min_replicas": 6, "max_replicas": 5}, "services.user.autoscaling.min_replicas: 6 is above max_replicas 5; "),
        ("services.user.autoscaling", {"enabled": "maybe"}, "services.user.autoscaling.enabled: 'maybe' is not a switch; write true or false."),
        ("services.user.probes", {"liveness": {"path": "health"}}, "services.user.probes.liveness.path: 'health' is not valid; write a path "
            "such as /health."),
        ("services.user.probes", {"liveness": {"period_seconds": 0}}, "services.user.probes.liveness.period_seconds: 0 is not a number of "
            "seconds from 1 to 3600."),
        ("services.user.probes", {"readiness": {"port": "htpp"}}, "services.user.probes.readiness.port: 'htpp' is not a port of this "
            "workload; did you mean 'http'?"),
        ("services.user.external", [{"name": "https", "cidrs": ["203.0.113.7/24"]}], "services.user.external.https.cidrs[0]: "
            "'203.0.113.7/24' has address bits beyond its prefix; write '203.0.113.0/24'."),
        ("services.user.external", [{"name": "https", "cidrs": ["everywhere"]}], "services.user.external.https.cidrs[0]: 'everywhere' is not a network; "),
        ("services.user.environment", {"LOG-LEVEL": "info"}, "services.user.environment: 'LOG-LEVEL' is not valid; write the name of an "
            "environment variable"),
        ("services.user.environment", {"PEERS": []}, "services.user.environment.PEERS: a list is not a plain value; "),
        ("services.user.secrets", [{"name": "key"}], "services.user.secrets.key.keys: is missing; write a list."),
        ("services.user.pre_stop_seconds", 30, "services.user.pre_stop_seconds: 30 leaves no time to stop within termination_grace_seconds 30; "),
        ("services.user.image", "not an image", "services.user.image: 'not an image' is not valid; write an image reference"),
        ("services", [], "services: the list is empty; write at least 1 item."),
        ("services", {"user": {}}, "services: a dictionary is not a list; "),
        ("services.0", "user", "services[0]: 'user' is not a dictionary; write "),
        ("name", None, "name: is missing; write a DNS label"),
        ("stores.postgres.kind", "mysql", "stores.postgres.kind: 'mysql' is not a supported kind of store; known: postgresql, redis, kafka."),
        ("stores.postgres.kind", "postgres", "stores.postgres.kind: 'postgres' is not a supported kind of store; did you mean 'postgresql'?"),
        ("stores.postgres.kind", None, "stores.postgres.kind: is missing; write one of postgresql, redis, kafka."),
        ("stores.postgres.topics", [], "stores.postgres.topics: 'topics' is not a known key; "),
        ("stores.postgres.databases.0.name", "postgres", "stores.postgres.databases.postgres.name: 'postgres' is PostgreSQL's own; "),
        ("stores.redis.databases.1.port", 12000, "stores.redis.databases.ai-agent.port: 12000 is the port of session already; "),
        ("stores.redis.databases.1.port", 6379, "stores.redis.databases.ai-agent.port: 6379 is not a database port of Redis Enterprise from 10000 to 19999."),
        ("stores.redis.databases.1.memory", "10MB", "stores.redis.databases.ai-agent.memory: '10MB' is too small; "),
        ("stores.redis.databases.1.memory", "100M", "stores.redis.databases.ai-agent.memory: '100M' is not a database size such as '100MB' or '2GB'."),
        ("stores.redis.namespace", "default", "stores.redis.databases.session: 'session' is the name of the service session in the "
            "namespace default already; "),
        ("stores.kafka.cluster", "pg", "stores.kafka.cluster: 'pg' is the name of cluster of postgres in the namespace azora-data already; "),
        ("stores.kafka.port", 9404, "stores.kafka.port: 9404 is Strimzi's own; "),
        ("stores.kafka.replicas", 0, "stores.kafka.replicas: 0 is not a whole number from 1 to 100."),
        ("namespaces.azora-es.quota", {"requests.cpu": "2"}, "namespaces.azora-es.quota.requests.cpu: '2' is less than the 4500m that its "
            "workloads need at their most, "),
        ("namespaces.azora-es.limits", {"default": {"cpu": "100m"}, "default_request": {"cpu": "1"}}, "namespaces.azora-es.limits.default_request.cpu: "
            "'1' is above default.cpu '100m'; "),
        ("namespaces.azora-es.pod_security", "strict", "namespaces.azora-es.pod_security.enforce: 'strict' is not a choice; did you mean 'restricted'?"),
        ("namespaces.azora-es.name", "azora_es", "namespaces.azora_es.name: 'azora_es' is not valid; write a namespace"),
        ("operators.strimzi.watches", ["data"], "operators.strimzi.watches: 'data' is not in namespaces; did you mean 'azora-data'?"),
        ("operators.strimzi.name", "kafka-operator", "operators.kafka-operator.manages: is missing; write a kind of store"),
        ("monitoring.namespace", "monitor", "monitoring.namespace: 'monitor' is not in namespaces; "),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_mistake(platform: dict[str, Any], path: str, value: Any, sentence: str) -> None:
    set_at(platform, path, value)
    mistakes = _catalogue.mistakes(platform)
    assert any(mistake.startswith(sentence) for mistake in mistakes), mistakes


def test_without_gateway_nothing_can_be_exposed(platform: dict[str, Any]) -> None:
    del platform["gateway"]
    mistakes = _catalogue.mistakes(platform)
    assert "services.user.expose.path: needs a gateway; describe it under gateway, or leave expose out." in mistakes


def test_two_redis_clusters_do_not_share_a_namespace(platform: dict[str, Any]) -> None:
    second = copy.deepcopy(entry(platform["stores"], "redis")) | {"name": "cache", "cluster": "cache"}
    second["databases"] = [{"name": "other", "port": 12000}]
    platform["stores"].append(second)
    assert [mistake for mistake in _catalogue.mistakes(platform) if "takes one cluster a namespace" in mistake]


def test_an_image_is_needed(small: dict[str, Any]) -> None:
    del small["services"][0]["image"]
    assert [mistake for mistake in _catalogue.mistakes(small) if mistake.startswith("services.front.image: is missing")]
    small["defaults"] = {"image": "registry.example/any:1"}
    assert _catalogue.mistakes(small) == []


def test_five_mistakes_make_five_sentences(platform: dict[str, Any]) -> None:
    set_at(platform, "services.user.calls", ["analitics"])
    set_at(platform, "services.course.resources", {"limits": {"memory": "1Gig"}})
    set_at(platform, "services.session.ports", {"http": 0})
    set_at(platform, "services.ai-agent.expose.path", "/analytics")
    set_at(platform, "gateway.replcas", 3)
    mistakes = _catalogue.mistakes(platform)
    assert [mistake.split(": ")[0] for mistake in mistakes] == [
        "services.course.resources.limits.memory",
        "services.session.ports.http",
        "gateway.replcas",
        "services.user.calls",
        "services.analytics.expose.path",
    ]


def test_one_mistake_makes_one_sentence(platform: dict[str, Any]) -> None:
    """A store of an unknown kind is still a store: its users are not mistaken too."""
    set_at(platform, "stores.postgres.kind", "oracle")
    assert len(_catalogue.mistakes(platform)) == 1


def test_values_of_the_environment_are_not_shown(platform: dict[str, Any]) -> None:
    set_at(platform, "services.user.environment", {"TOKEN": ["hunter2"]})
    assert not [mistake for mistake in _catalogue.mistakes(platform) if "hunter2" in mistake]


def test_numbers_and_switches_as_text(platform: dict[str, Any]) -> None:
    """AWX surveys pass text."""
    set_at(platform, "services.user.replicas", "3")
    set_at(platform, "services.user.autoscaling", {"enabled": "true", "min_replicas": "2", "max_replicas": "4"})
    set_at(platform, "services.user.ports", {"http": "8080"})
    assert _catalogue.mistakes(platform) == []
    user = entry(_catalogue.normalised(platform)["services"], "user")
    assert (user["replicas"], user["autoscaling"]["enabled"], user["ports"]) == (3, True, {"http": 8080})


@pytest.mark.parametrize("garbage", [None, 1, "text", [], {}, object(), b"bytes", float("nan"), {1: 2}, {None: []}])
def test_no_catalogue_at_all(garbage: Any) -> None:
    assert _catalogue.mistakes(garbage)
    with pytest.raises(_catalogue.CatalogueError):
        _catalogue.normalised(garbage)


def nested(levels: int) -> Any:
    value: Any = []
    for _level in range(levels):
        value = [value]
    return value


GARBAGE = [
    None, True, False, 0, -1, 2, 10**5000, 0.5, float("nan"), float("inf"), "", " ", "a", "-", "/", "//", "1e999999", "\x00", "ü" * 300,
    "{{ x }}", "user", "redis", "0.0.0.0/0", "::/0", "2", [], {}, [None], [[]], {"": ""}, {1: 2}, {None: None}, [{}], ["user"], [{"name": []}],
    [{"name": {}}], [{"name": "user"}] * 2, {"name": "user"}, b"bytes", object(), {"a"}, ("a",), nested(3000), {"http": "http"}, range(3),
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key of a catalogue."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key))
        found += places(item)
    return found


@pytest.mark.parametrize("seed", range(300))
def test_never_a_traceback(platform: dict[str, Any], cluster: dict[str, Any], seed: int) -> None:
    """Random damage: what is accepted can be derived from, the rest is told in sentences."""
    chance = random.Random(seed)
    for container, key in chance.sample(places(platform), chance.randint(1, 6)):
        action = chance.random()
        if not container:
            continue  # emptied by an earlier damage
        if action < 0.6:
            container[key if isinstance(container, dict) else 0] = chance.choice(GARBAGE)
        elif action < 0.75 and (key in container or isinstance(container, list)):
            container.pop(key if isinstance(container, dict) else -1)
        elif isinstance(container, dict):
            container[chance.choice(["extra", "name", "kind", 7, None, "namespace"])] = chance.choice(GARBAGE)
        else:
            container.append(chance.choice(container))
    mistakes = _catalogue.mistakes(platform)
    assert all(isinstance(mistake, str) and mistake.endswith(".") and "\n" not in mistake for mistake in mistakes)
    assert len(mistakes) == len(set(mistakes))
    if mistakes:
        with pytest.raises(_catalogue.CatalogueError) as raised:
            _catalogue.normalised(platform)
        assert raised.value.mistakes == mistakes
        return
    catalogue = _catalogue.normalised(platform)
    assert _catalogue_namespaces.namespace_manifests(catalogue)
    assert _network_policies.network_policies(catalogue, cluster)
    assert _connectivity.connections(catalogue)
    assert _connectivity.verification_workloads(catalogue)
    assert _routes.gateway_api_definitions(catalogue) is not None
