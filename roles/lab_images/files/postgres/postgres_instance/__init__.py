# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance manager: one member of a PostgreSQL cluster in its pod, run by Patroni, watched by the operator."""

from __future__ import annotations
