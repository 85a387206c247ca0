# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the operators let kopf watch."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable, Iterator

import kopf
import urllib3

from lab_operators.kubernetes_api import KubernetesApi, KubernetesError, ResourceKind

logger = logging.getLogger(__name__)


class EndlessPauses:
    """Pauses between tries that never end: after any outage of the API server the watches go on by themselves."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1, 2), itertools.repeat(3))


def configure(settings: kopf.OperatorSettings) -> None:
    """Only watch: no events posted, nothing looked for, no trace in the resources."""
    settings.posting.enabled = False
    # kopf says of each event that it was handled; what came of it is said by the reconcilers.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # Kinds and namespaces are known from the start; looking for new ones would need rights on the whole cluster.
    settings.scanning.disabled = True
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 270
    settings.networking.error_backoffs = EndlessPauses()


async def wait_for_kinds(api: KubernetesApi, kinds: Iterable[ResourceKind], namespace: str | None = None) -> None:
    """Wait: kopf looks once which kinds there are, and must not look before the custom resources are served.

    Nor may it look while the API server cannot be reached, as when both start at the same time.
    """
    for kind in kinds:
        while True:
            try:
                await asyncio.to_thread(api.find, kind, namespace)
                break
            except (KubernetesError, urllib3.exceptions.HTTPError) as error:
                logger.warning("%s cannot be listed yet: %s", kind.plural, error)
                await asyncio.sleep(1)
