# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of events in Redis, each event counted once in effect.

Kafka delivers at least once, and a reporter that missed an answer sends again, so the same event can come twice. The
event's id decides: one script marks the id as seen and raises the counter, or does neither. Ids rather than offsets,
because ids also catch the repeated report and stay right when the topic is made anew. Ids are remembered for a day
(EVENT_MEMORY_SECONDS), far longer than anything here repeats an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from azora_service.redis_store import redis_answers

# The braces put all keys into one slot, so that the script also runs on a sharded database.
COUNTERS = "{events}:counters"
SEEN = "{events}:seen:"

_COUNT = """
local counted = {}
for index = 2, #KEYS do
  if redis.call('SET', KEYS[index], '1', 'NX', 'EX', ARGV[1]) then
    redis.call('HINCRBY', KEYS[1], ARGV[index], 1)
    counted[index - 1] = 1
  else
    counted[index - 1] = 0
  end
end
return counted
"""


@dataclass(frozen=True)
class Event:
    id: str
    type: str


class EventCounters:
    def __init__(self, redis: Redis, memory_seconds: int) -> None:
        self._redis = redis
        self._memory_seconds = memory_seconds
        self._script = redis.register_script(_COUNT)

    async def count(self, events: Sequence[Event]) -> list[bool]:
        """Count all or none; say of each whether it was new."""
        keys = [COUNTERS, *(SEEN + event.id for event in events)]
        arguments: list[str | int] = [self._memory_seconds, *(event.type for event in events)]
        async with redis_answers():
            return [bool(counted) for counted in await self._script(keys=keys, args=arguments)]

    async def all(self) -> dict[str, int]:
        async with redis_answers():
            counters = await self._redis.hgetall(COUNTERS)
        return {str(name): int(value) for name, value in sorted(counters.items())}

    async def one(self, event_type: str) -> int:
        async with redis_answers():
            return int(await self._redis.hget(COUNTERS, event_type) or 0)
