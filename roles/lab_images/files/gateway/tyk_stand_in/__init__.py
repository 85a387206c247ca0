# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for Tyk Gateway in the lab: reads Tyk's configuration, answers as Tyk answers, routes as Tyk routes.

It checks JSON Web Tokens, counts requests, and changes headers. Settings that it does not know are refused, never passed over.
"""

from __future__ import annotations

VERSION = "v5.13.1-stand-in"
