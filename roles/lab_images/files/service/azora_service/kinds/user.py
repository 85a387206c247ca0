# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of the platform."""

from __future__ import annotations

from azora_service.kinds import Routes, Surroundings
from azora_service.record_routes import Record, record_routes

USER = Record(
    name="user",
    columns={"name": "text", "email": "text"},
    read=lambda body: {"name": body.text("name", 200), "email": body.email("email")},
)


async def routes(surroundings: Surroundings) -> Routes:
    return await record_routes(USER, surroundings)
