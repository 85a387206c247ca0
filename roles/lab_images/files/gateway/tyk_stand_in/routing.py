# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which API a path belongs to, and which path its service sees. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from tyk_stand_in.definitions import ApiDefinition


class Routes:
    """The active definitions, longest listen path first, so that /foo does not swallow /foo-bar."""

    def __init__(self, definitions: Iterable[ApiDefinition], *, strict: bool = False) -> None:
        self.definitions = list(definitions)
        active = [definition for definition in self.definitions if definition.active]
        self._ordered = sorted(active, key=lambda definition: len(definition.listen_path), reverse=True)
        self._strict = strict

    def match(self, path: str) -> ApiDefinition | None:
        """Match by plain prefix, as Tyk does: /users also takes /users2, unless strict routes are on."""
        for definition in self._ordered:
            prefix = definition.listen_path
            if not path.startswith(prefix):
                continue
            if self._strict and not prefix.endswith("/") and path != prefix and not path.startswith(f"{prefix}/"):
                continue
            return definition
        return None

    def by_id(self, api_id: str) -> ApiDefinition | None:
        return next((definition for definition in self.definitions if definition.api_id == api_id), None)


def upstream_url(definition: ApiDefinition, path: str, query: str) -> str:
    """Join the target and what of the path it should see; nothing is decoded and encoded anew."""
    if definition.strip_listen_path:
        path = path.removeprefix(definition.listen_path)
    target = urlsplit(definition.target_url)
    joined = target.path.rstrip("/")
    if rest := path.lstrip("/"):
        joined = f"{joined}/{rest}"
    url = f"{target.scheme}://{target.netloc}{joined or '/'}"
    return f"{url}?{query}" if query else url


def leaves_its_path(path: str) -> bool:
    """Whether the path climbs: what the gateway and the service make of such a path may differ."""
    return any(unquote(segment) in (".", "..") for segment in path.split("/"))
