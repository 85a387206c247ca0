# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A KafkaTopic compared with the topic in the cluster: what to do, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_operators.strimzi_configuration import option_value

Manifest = Mapping[str, Any]

TOPIC_FINALIZER = "strimzi.io/topic-operator"
MANAGED_ANNOTATION = "strimzi.io/managed"


@dataclass(frozen=True)
class ExistingTopic:
    """A topic as the cluster has it. `config` holds only what is set on the topic itself."""

    topic_id: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class TopicPlan:
    """What makes the topic as wanted. `refusal` is a reason and a message: the rest is done all the same."""

    create: bool = False
    partitions: int | None = None
    set_config: dict[str, str] = field(default_factory=dict)
    unset_config: list[str] = field(default_factory=list)
    refusal: tuple[str, str] | None = None


def topic_name(topic: Manifest) -> str:
    return str(topic["spec"].get("topicName") or topic["metadata"]["name"])


def is_managed(topic: Manifest) -> bool:
    return (topic["metadata"].get("annotations") or {}).get(MANAGED_ANNOTATION) != "false"


def topic_config(topic: Manifest) -> dict[str, str]:
    return {key: option_value(value) for key, value in (topic["spec"].get("config") or {}).items() if value is not None}


def topic_plan(topic: Manifest, existing: ExistingTopic | None) -> TopicPlan:
    """The way from what there is to what the resource says."""
    spec = topic["spec"]
    config = topic_config(topic)
    known_as = (topic.get("status") or {}).get("topicName")
    if known_as and known_as != topic_name(topic):
        return TopicPlan(refusal=("NotSupported", "Changing spec.topicName is not supported"))
    if existing is None:
        return TopicPlan(create=True, partitions=spec.get("partitions"), set_config=config)
    set_config = {key: value for key, value in config.items() if existing.config.get(key) != value}
    unset_config = sorted(set(existing.config) - set(config))
    partitions = spec.get("partitions")
    refusal = None
    if partitions is not None and partitions < existing.partitions:
        message = (
            f"Decreasing partitions not supported (the topic has {existing.partitions}, {partitions} were asked for)"
        )
        refusal = ("NotSupported", message)
    elif spec.get("replicas") not in (None, -1, existing.replicas):
        message = f"Replication factor change not supported ({existing.replicas} to {spec['replicas']})"
        refusal = ("NotSupported", message)
    grow = partitions if partitions is not None and partitions > existing.partitions else None
    return TopicPlan(partitions=grow, set_config=set_config, unset_config=unset_config, refusal=refusal)
