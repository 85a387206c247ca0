# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The courses that users enrol in."""

from __future__ import annotations

from azora_service.kinds import Routes, Surroundings
from azora_service.record_routes import Record, record_routes

COURSE = Record(name="course", columns={"title": "text"}, read=lambda body: {"title": body.text("title", 300)})


async def routes(surroundings: Surroundings) -> Routes:
    return await record_routes(COURSE, surroundings)
