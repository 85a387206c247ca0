# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all probers observed, brought together so that one's success is the other's control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._verdict import Evidence, Place
from ansible_collections.azora.platform.plugins.module_utils._verification_probers import Report


def gather(reports: Sequence[Report], silent_sources: Mapping[str, str]) -> Evidence:
    """SILENT_SOURCES are those that got no prober, with the reason."""
    evidence = Evidence(silent_sources=dict(silent_sources))
    for report in reports:
        prober = report.prober
        source = prober.workload.identity
        if report.failure:
            if prober.is_source:
                evidence.silent_sources[source] = report.failure
                if report.waived:
                    evidence.waived.add(source)
            continue
        if prober.is_source:
            if prober.proxy:
                evidence.proxies[source] = prober.proxy
            evidence.dns[source] = [seen for seen in report.observed if seen["kind"] == "dns"]
        for seen in report.observed:
            if seen["kind"] == "cell" and seen["id"] >= len(prober.cells):
                continue  # a hairpin proves nothing about others
            if seen["kind"] == "cell":
                evidence.cells[source, prober.cells[seen["id"]]] = seen
            elif seen["kind"] == "self" and seen["outcome"] in ("open", "refused"):
                evidence.listening[Place(prober.pod.address, seen["port"])] = seen["outcome"] == "open"
    return evidence


def joined(one: Evidence, other: Evidence) -> Evidence:
    """The evidence of two runs of probers with different sources."""
    return Evidence(
        cells={**one.cells, **other.cells},
        listening={**one.listening, **other.listening},
        dns={**one.dns, **other.dns},
        silent_sources={**one.silent_sources, **other.silent_sources},
        waived=one.waived | other.waived,
        proxies={**one.proxies, **other.proxies},
    )
