# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is enrolled in what. The ids are taken as given: this service calls neither user nor course."""

from __future__ import annotations

from azora_service.kinds import Routes, Surroundings
from azora_service.record_routes import Record, record_routes

ENROLLMENT = Record(
    name="enrollment",
    columns={"user_id": "bigint", "course_id": "bigint"},
    read=lambda body: {"user_id": body.identifier("user_id"), "course_id": body.identifier("course_id")},
)


async def routes(surroundings: Surroundings) -> Routes:
    return await record_routes(ENROLLMENT, surroundings)
