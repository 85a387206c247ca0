# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of service answers: one module a kind, imported only when it is played."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from azora_service.configuration import Settings
from azora_service.metrics import Metrics
from azora_service.outbound import Outbound


@dataclass(frozen=True)
class Surroundings:
    """What a kind builds on; what it opens it hands to the stack, which closes it."""

    settings: Settings
    metrics: Metrics
    outbound: Outbound
    stack: AsyncExitStack


Routes = list[web.RouteDef]


async def routes_of_kind(surroundings: Surroundings) -> Routes:
    # Importing only one kind keeps the libraries of the others out of memory.
    module = importlib.import_module(f"{__name__}.{surroundings.settings.kind.replace('-', '_')}")
    build: Callable[[Surroundings], Awaitable[Routes]] = module.routes
    return await build(surroundings)
