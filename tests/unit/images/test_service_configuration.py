# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service makes of its environment."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("aiohttp")

from azora_service.configuration import ConfigurationError, read_settings

POSTGRES = {
    "POSTGRES_HOST": "pg-rw.data.svc",
    "POSTGRES_DATABASE": "user",
    "POSTGRES_USER": "user",
    "POSTGRES_PASSWORD": "pg-password",
}
KAFKA = {
    "KAFKA_BOOTSTRAP_SERVERS": "bus:9093",
    "KAFKA_PRODUCE_TOPICS": "analytics-events",
    "KAFKA_CONSUME_TOPICS": "analytics-events, more",
    "KAFKA_GROUP": "analytics",
    "KAFKA_USERNAME": "analytics",
    "KAFKA_PASSWORD": "kafka-password",
}


def mistakes(**variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(variables)
    return caught.value.mistakes


def test_a_complete_environment_is_understood() -> None:
    settings = read_settings(
        {
            "SERVICE_NAME": "people",
            "SERVICE_KIND": "user",
            "HTTP_PORT": "8081",
            "LOG_LEVEL": "debug",
            "AI_AGENT_URL": "http://ai-agent.azora-es.svc.cluster.local:8080/",
            **POSTGRES,
        }
    )
    assert (settings.name, settings.kind, settings.http_port, settings.metrics_port) == ("people", "user", 8081, 9090)
    assert settings.callees == {"ai-agent": "http://ai-agent.azora-es.svc.cluster.local:8080"}
    assert settings.postgres is not None
    assert (settings.postgres.host, settings.postgres.port) == ("pg-rw.data.svc", 5432)
    assert settings.redis is None


def test_topics_are_a_list_and_scram_is_the_default() -> None:
    settings = read_settings({"SERVICE_KIND": "analytics", "REDIS_HOST": "analytics.redis.svc", **KAFKA})
    assert settings.kafka is not None
    assert settings.kafka.consume_topics == ("analytics-events", "more")
    assert settings.kafka.security_protocol == "SASL_SSL"


def test_every_mistake_is_found_at_once_and_names_its_variable() -> None:
    found = mistakes(
        SERVICE_KIND="user",
        HTTP_PORT="70000",
        METRICS_PORT="tcp://10.0.0.1:9090",
        LOG_LEVEL="loud",
        ANALYTICS_URL="analytics:8080",
        POSTGRES_HOST="pg",
        POSTGRES_DATABASE="user",
    )
    assert [sentence.split(" ")[0] for sentence in found] == [
        "HTTP_PORT",
        "METRICS_PORT",
        "LOG_LEVEL",
        "ANALYTICS_URL",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
    ]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "SERVICE_KIND is not set"),
        ({"SERVICE_KIND": "users"}, "SERVICE_KIND is 'users': it must be one of user, course"),
        ({"SERVICE_KIND": "ai-agent", "REDIS_HOST": "redis"}, "LLM_WRAPPER_URL is not set"),
        (
            {"SERVICE_KIND": "llm-wrapper", "LLM_API_KEY": "k", "LLM_ENDPOINT": "http://llm"},
            "LLM_ENDPOINT is not a URL",
        ),
        ({"SERVICE_KIND": "session", "REDIS_HOST": "r", "TRUSTED_CA": "nonsense"}, "TRUSTED_CA holds no certificate"),
        ({"SERVICE_KIND": "session", "REDIS_HOST": "r", "HTTP_PORT": "9090"}, "HTTP_PORT and METRICS_PORT"),
        (
            {"SERVICE_KIND": "analytics", "REDIS_HOST": "r", **KAFKA, "KAFKA_PRODUCE_TOPICS": "a,b"},
            "KAFKA_PRODUCE_TOPICS",
        ),
    ],
)
def test_a_mistake_has_a_sentence(variables: dict[str, str], sentence: str) -> None:
    found = mistakes(**variables)
    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_secrets_are_neither_shown_nor_repeated() -> None:
    settings = read_settings({"SERVICE_KIND": "user", **POSTGRES})
    assert "pg-password" not in repr(settings)
    found = mistakes(SERVICE_KIND="user", ANALYTICS_URL="user:url-password@host", HTTP_PORT="0", **POSTGRES)
    assert "password" not in " ".join(found)


def test_the_program_ends_with_2_and_says_why(service_environment: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "azora_service"], env=service_environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "SERVICE_KIND is not set" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.fixture
def service_environment(request: pytest.FixtureRequest) -> dict[str, Any]:
    pytest.importorskip("prometheus_client")
    root = request.path.parents[3] / "roles" / "lab_images" / "files" / "service"
    return {"PYTHONPATH": str(root)}
