# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the custom resources of CloudNativePG live in the API."""

from __future__ import annotations

from lab_operators.kubernetes_api import ResourceKind

GROUP, VERSION = "postgresql.cnpg.io", "v1"
CLUSTERS = ResourceKind(f"{GROUP}/{VERSION}", "Cluster", "clusters")
DATABASES = ResourceKind(f"{GROUP}/{VERSION}", "Database", "databases")
DATABASE_ROLES = ResourceKind(f"{GROUP}/{VERSION}", "DatabaseRole", "databaseroles")
BACKUPS = ResourceKind(f"{GROUP}/{VERSION}", "Backup", "backups")
SCHEDULED_BACKUPS = ResourceKind(f"{GROUP}/{VERSION}", "ScheduledBackup", "scheduledbackups")

#: The plugin's own.
OBJECT_STORE_GROUP, OBJECT_STORE_VERSION = "barmancloud.cnpg.io", "v1"
OBJECT_STORES = ResourceKind(f"{OBJECT_STORE_GROUP}/{OBJECT_STORE_VERSION}", "ObjectStore", "objectstores")
