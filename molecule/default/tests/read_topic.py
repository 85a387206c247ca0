# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a topic of Kafka has, run in a pod of analytics with that service's own user.

usage: python -c "$(cat read_topic.py)" [TYPE]

Prints one JSON object: `partitions` ({leader, replicas, in_sync}, by broker numbers) and, if a TYPE is given, `ids` of the
events of that type, from the beginning of each partition to its end as it is now.
"""

from __future__ import annotations

import json
import os
import sys

from azora_service.configuration import read_settings
from azora_service.event_log import client_configuration
from confluent_kafka import Consumer, TopicPartition

SECONDS = 20


def main() -> None:
    settings = read_settings(os.environ).kafka
    # Assigned by hand: the service's consumer group goes on as it is.
    consumer = Consumer(
        client_configuration(settings, "read-topic") | {"group.id": settings.group, "enable.auto.commit": False}
    )
    [topic] = settings.consume_topics
    found = consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions
    partitions = [
        {"leader": one.leader, "replicas": sorted(one.replicas), "in_sync": sorted(one.isrs)} for one in found.values()
    ]
    result = {"partitions": partitions}
    if sys.argv[1:]:
        result["ids"] = list(ids(consumer, topic, list(found), sys.argv[1]))
    consumer.close()
    print(json.dumps(result))


def ids(consumer, topic, partitions, kind):
    for partition in partitions:
        place = TopicPartition(topic, partition)
        first, end = consumer.get_watermark_offsets(place, timeout=SECONDS)
        consumer.assign([TopicPartition(topic, partition, first)])
        while first < end:
            message = consumer.poll(SECONDS)
            if message is None or message.error():
                raise SystemExit(f"partition {partition} cannot be read: {message and message.error()}")
            first = message.offset() + 1
            event = json.loads(message.value())
            if event["type"] == kind:
                yield event["id"]


main()
