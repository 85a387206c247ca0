# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An alert as the platform writes it, what it is worth calling somebody for, and how rules name the platform's own series."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.azora.platform.plugins.module_utils._catalogue import PART_OF

WARNING, CRITICAL = "warning", "critical"
# Where a metric comes from that the platform's own targets do not have.
KUBE_STATE_METRICS, KUBELET, VERIFICATION = "kube-state-metrics", "the kubelet", "a scheduled verification"

LIMITS: dict[str, float] = {
    "replication_lag_seconds": 30,
    "backup_age_hours": 36,
    "redis_memory_percent": 90,
    "consumer_lag_messages": 1000,
    "volume_free_percent": 15,
    "error_percent": 5,
    "certificate_days": 14,
    "license_days": 14,
    "verification_age_hours": 36,
}
HOUR, DAY = 3600, 86400


class MonitoringInputError(ValueError):
    """What was asked for cannot be monitored so; the message is one sentence for people."""


@dataclass(frozen=True)
class Alert:
    """One alert. The text may use what Prometheus fills in ({{ $labels.pod }}, {{ $value }})."""

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str
    description: str
    #: What has to be scraped beside the platform's own targets, for it to fire at all.
    needs: str = ""
    #: What tells it apart from others of its name.
    labels: tuple[tuple[str, str], ...] = ()

    def rule(self, platform: str, runbook: str) -> dict[str, t.Any]:
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasts,
            "labels": {"severity": self.severity, "platform": platform, **dict(self.labels)},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbook}#{self.name.lower()}",
            },
        }


def limits(given: t.Mapping[str, t.Any] | None) -> dict[str, float]:
    """The limits with those that were given laid over; MonitoringInputError names one that does not exist or is no number."""
    for name, value in (given or {}).items():
        if name not in LIMITS:
            raise MonitoringInputError(f"monitoring_limits.{name} is no limit; known: {', '.join(sorted(LIMITS))}")
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
            raise MonitoringInputError(
                f"monitoring_limits.{name} is {value!r}; write a number that is not negative, such as {LIMITS[name]:g}"
            )
    return {**LIMITS, **(given or {})}


def selected(catalogue: t.Mapping[str, t.Any], **labels: str) -> str:
    """A selector of the platform's own series, by the labels that its monitors write."""
    written = {"platform": catalogue["labels"][PART_OF], **labels}
    return "{" + ",".join(f'{name}="{value}"' for name, value in written.items()) + "}"


def any_of(values: t.Iterable[str]) -> str:
    """Names as one regular expression, each once, in a fixed order. They are DNS labels, so nothing in them means anything else."""
    return "|".join(sorted(set(values)))
