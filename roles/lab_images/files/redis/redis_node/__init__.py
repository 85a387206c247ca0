# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a lab Redis node: real redis-server processes behind the part of Redis Enterprise's REST API that its operator uses."""

from __future__ import annotations
