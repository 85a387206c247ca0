# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dashboards, built with Grafana's own SDK: `generate.py FOLDER` writes them as JSON (roles/monitoring/files/dashboards).

Every panel asks for the platform that is chosen above; series are known by the labels that the platform's monitors write.
"""

from __future__ import annotations

import pathlib
import sys
import typing as t
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
OWN = 'platform="$platform"'
PERCENT, SECONDS, BYTES, BYTES_PER_SECOND, PER_SECOND, NUMBER = "percentunit", "s", "bytes", "Bps", "reqps", "short"


@dataclass(frozen=True)
class Panel:
    """One panel; `bad` is the value from which on a number is red, and makes the panel a single number."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = NUMBER
    description: str = ""
    bad: float | None = None
    bad_below: bool = False


def of(title: str, expression: str, legend: str = "", **more: t.Any) -> Panel:
    return Panel(title, ((expression, legend),), **more)


def series(metric: str, *labels: str) -> str:
    return f"{metric}{{{','.join((OWN, *labels))}}}"


def store(metric: str, *labels: str) -> str:
    return series(metric, 'component="store"', *labels)


OVERVIEW: dict[str, tuple[Panel, ...]] = {
    "Now": (
        of(
            "Alerts",
            f'count(ALERTS{{{OWN},alertstate="firing"}}) or vector(0)',
            bad=1,
            description="What is wrong, and what to do: docs/alerts.md.",
        ),
        of("Targets down", f"count({series('up')} == 0) or vector(0)", bad=1),
        of(
            "Verification",
            "min(azora_verification_passed)",
            bad=1,
            bad_below=True,
            description="1: the last scheduled verification passed.",
        ),
        of("Since the verification", "time() - max(azora_verification_time_seconds)", unit=SECONDS, bad=129600),
    ),
    "Services": (
        of(
            "Requests",
            f"sum by (workload) ({series('workload:http_requests:rate5m')})",
            "{{workload}}",
            unit=PER_SECOND,
        ),
        of("Share of errors", series("workload:http_errors:ratio5m"), "{{workload}}", unit=PERCENT),
        of(
            "Slowest answers (95 of 100 are faster)",
            series("workload:http_request_duration_seconds:p95_5m"),
            "{{workload}}",
            unit=SECONDS,
        ),
        of("Targets that answer Prometheus", series("component:target_up:ratio"), "{{component}}", unit=PERCENT),
    ),
    "Stores": (
        of("PostgreSQL: behind the primary", store("cnpg_pg_replication_lag"), "{{pod}}", unit=SECONDS),
        of(
            "Redis: memory used",
            f"max by (store, db) ({store('redis_server_used_memory')} / ({store('redis_server_maxmemory')} > 0))",
            "{{store}} {{db}}",
            unit=PERCENT,
        ),
        of(
            "Kafka: partitions that lack copies",
            f"sum by (store) ({store('kafka_server_replicamanager_underreplicatedpartitions')})",
            "{{store}}",
        ),
    ),
}
ONE = 'workload=~"$workload"'
SERVICES: dict[str, tuple[Panel, ...]] = {
    "What it answers": (
        of(
            "Requests by status",
            f"sum by (workload, status) (rate({series('azora_http_requests_total', ONE)}[5m]))",
            "{{workload}} {{status}}",
            unit=PER_SECOND,
        ),
        of("Share of errors", series("workload:http_errors:ratio5m", ONE), "{{workload}}", unit=PERCENT),
        of(
            "Slowest answers (95 of 100 are faster)",
            series("workload:http_request_duration_seconds:p95_5m", ONE),
            "{{workload}}",
            unit=SECONDS,
        ),
        of("Being answered now", f"sum by (workload) ({series('azora_http_requests_in_flight', ONE)})", "{{workload}}"),
    ),
    "What it asks for": (
        of(
            "Calls by result",
            f"sum by (workload, callee, result) (rate({series('azora_outbound_requests_total', ONE)}[5m]))",
            "{{workload}} to {{callee}}: {{result}}",
            unit=PER_SECOND,
        ),
        of(
            "Requests that missed a store",
            f"sum by (workload, store) (rate({series('azora_store_failures_total', ONE)}[5m]))",
            "{{workload}}: {{store}}",
            unit=PER_SECOND,
        ),
        of(
            "Events",
            f"sum by (workload, result) (rate({series('azora_events_consumed_total', ONE)}[5m]))",
            "{{workload}}: {{result}}",
            unit=PER_SECOND,
        ),
    ),
    "Its pods": (
        of(
            "Processor time",
            f"sum by (workload, pod) (rate({series('process_cpu_seconds_total', ONE)}[5m]))",
            "{{pod}}",
        ),
        of("Memory", f"sum by (workload, pod) ({series('process_resident_memory_bytes', ONE)})", "{{pod}}", unit=BYTES),
        of("Answers Prometheus", series("up", ONE), "{{pod}}"),
    ),
}
# A broker counts each topic, and once all of them together.
WHOLE = 'topic=""'
DATA: dict[str, tuple[Panel, ...]] = {
    "PostgreSQL": (
        of("Behind the primary", store("cnpg_pg_replication_lag"), "{{pod}}", unit=SECONDS),
        of(
            "Standbys that receive the log",
            f"max by (store) ({store('cnpg_pg_replication_streaming_replicas')})",
            "{{store}}",
        ),
        of(
            "Since the log was last archived",
            f"{store('cnpg_pg_stat_archiver_seconds_since_last_archival')} >= 0",
            "{{pod}}",
            unit=SECONDS,
        ),
        of(
            "Transactions",
            f"sum by (store, datname) (rate({store('cnpg_pg_stat_database_xact_commit')}[5m]))",
            "{{datname}}",
            unit=PER_SECOND,
        ),
        of("Connections", f"sum by (store, datname) ({store('cnpg_backends_total')})", "{{datname}}"),
        of(
            "Size of the databases",
            f"max by (store, datname) ({store('cnpg_pg_database_size_bytes')})",
            "{{datname}}",
            unit=BYTES,
        ),
    ),
    "Redis": (
        of(
            "Memory used",
            f"max by (store, db) ({store('redis_server_used_memory')} / ({store('redis_server_maxmemory')} > 0))",
            "{{store}} {{db}}",
            unit=PERCENT,
        ),
        of(
            "Commands",
            f"max by (store, db) (rate({store('redis_server_total_commands_processed')}[5m]))",
            "{{store}} {{db}}",
            unit=PER_SECOND,
        ),
        of("Clients", f"max by (store, db) ({store('redis_server_connected_clients')})", "{{store}} {{db}}"),
        of(
            "Keys evicted",
            f"max by (store, db) (rate({store('redis_server_evicted_keys')}[5m]))",
            "{{store}} {{db}}",
            unit=PER_SECOND,
        ),
    ),
    "Kafka": (
        of(
            "Messages in",
            f"sum by (store) (rate({store('kafka_server_brokertopicmetrics_messagesinpersec_total', WHOLE)}[5m]))",
            "{{store}}",
            unit=PER_SECOND,
        ),
        Panel(
            "Bytes",
            tuple(
                (
                    f"sum by (store) (rate({store(f'kafka_server_brokertopicmetrics_bytes{way}persec_total', WHOLE)}[5m]))",
                    way,
                )
                for way in ("in", "out")
            ),
            BYTES_PER_SECOND,
        ),
        Panel(
            "Partitions in danger",
            (
                (f"sum by (store) ({store('kafka_server_replicamanager_underreplicatedpartitions')})", "lack copies"),
                (
                    f"sum by (store) ({store('kafka_server_replicamanager_underminisrpartitioncount')})",
                    "take no messages",
                ),
                (
                    f"max by (store) ({store('kafka_controller_kafkacontroller_offlinepartitionscount')})",
                    "have no leader",
                ),
            ),
        ),
        of(
            "Messages behind",
            f"sum by (consumergroup, topic) ({series('kafka_consumergroup_lag')})",
            "{{consumergroup}} {{topic}}",
            description="Needs Strimzi's Kafka Exporter.",
        ),
    ),
}
ROUTED = 'component=~"service|gateway"'
GATEWAY: dict[str, tuple[Panel, ...]] = {
    # Tyk itself has no metrics for Prometheus: what it lets through is seen at the services behind it.
    "Behind the gateway": (
        of(
            "Requests",
            f"sum by (workload) (rate({series('azora_http_requests_total', ROUTED)}[5m]))",
            "{{workload}}",
            unit=PER_SECOND,
        ),
        of(
            "Answers by status",
            f"sum by (status) (rate({series('azora_http_requests_total', ROUTED)}[5m]))",
            "{{status}}",
            unit=PER_SECOND,
        ),
        of(
            "Slowest answers (95 of 100 are faster)",
            series("workload:http_request_duration_seconds:p95_5m"),
            "{{workload}}",
            unit=SECONDS,
        ),
    ),
    "Its pods": (
        of(
            "Ready",
            'sum by (namespace, pod) (kube_pod_status_ready{condition="true",pod=~"$gateway-.*"})',
            "{{pod}}",
            description="Needs kube-state-metrics.",
        ),
        of(
            "Processor time",
            'sum by (pod) (rate(container_cpu_usage_seconds_total{container="$gateway"}[5m]))',
            "{{pod}}",
            description="Needs the kubelets' cAdvisor.",
        ),
        of("Memory", 'sum by (pod) (container_memory_working_set_bytes{container="$gateway"})', "{{pod}}", unit=BYTES),
    ),
}
DASHBOARDS = {"overview": OVERVIEW, "services": SERVICES, "data": DATA, "gateway": GATEWAY}


def query(expression: str, legend: str, number: int) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expression).range().ref_id("ABCDEFGH"[number])
    return made.legend_format(legend) if legend else made


def built(panel: Panel) -> stat.Panel | timeseries.Panel:
    made: stat.Panel | timeseries.Panel = timeseries.Panel() if panel.bad is None else stat.Panel()
    made.title(panel.title).datasource(SOURCE).unit(panel.unit).height(8 if panel.bad is None else 4).span(
        8 if panel.bad is None else 6
    )
    if panel.description:
        made.description(panel.description)
    for number, (expression, legend) in enumerate(panel.queries):
        made.with_target(query(expression, legend, number))
    if panel.bad is None:
        made.min(0)
    else:
        below, above = ("red", "green") if panel.bad_below else ("green", "red")
        steps = [Threshold(value=None, color=below), Threshold(value=panel.bad, color=above)]
        made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return made


def variable(name: str, label: str, asked: str, *, several: bool = False) -> dashboard.QueryVariable:
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .query(asked)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )
    return made.multi(True).include_all(True) if several else made


def whole(name: str, rows: dict[str, tuple[Panel, ...]]) -> dashboard.Dashboard:
    made = dashboard.Dashboard(f"Platform: {name}").uid(f"azora-platform-{name}").tags(["azora.platform"]).readonly()
    made.refresh("30s").time("now-1h", "now").timezone("browser")
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    made.with_variable(variable("platform", "Platform", "label_values(up, platform)"))
    if name == "services":
        made.with_variable(
            variable("workload", "Service", f'label_values(up{{{OWN},component="service"}}, workload)', several=True)
        )
    if name == "gateway":
        made.with_variable(dashboard.TextBoxVariable("gateway").label("Gateway").default_value("gateway"))
    for title, panels in rows.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(built(panel))
    return made


def texts() -> dict[str, str]:
    """The dashboards as JSON, by their names."""
    encoder = JSONEncoder(sort_keys=True, indent=1)
    return {name: encoder.encode(whole(name, rows).build()) + "\n" for name, rows in DASHBOARDS.items()}


if __name__ == "__main__":
    for file, text in texts().items():
        (pathlib.Path(sys.argv[1]) / f"{file}.json").write_text(text, "utf-8")
