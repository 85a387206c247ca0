# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's Prometheus gets metrics of everything, its rules work, and what the dashboards ask of the platform's own series has an answer."""

from __future__ import annotations

import http.client
import json
import pathlib
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import browser as browsers
import kubernetes
import kubernetes.stream
import pytest
import target_page

from conftest import ansible

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
DASHBOARDS = CHECKOUT / "roles" / "monitoring" / "files" / "dashboards"
NAMESPACE, LABELS, PORT = "azora-monitoring", "app.kubernetes.io/name=prometheus", 9090
# What nobody exports here: the lab has no exporter of Strimzi's.
NOT_HERE = ("kafka_consumergroup_lag",)
# Counted from the first time on, which may never come: that they are known is enough.
ONCE_IT_HAPPENED = ("azora_outbound_requests_total", "azora_store_failures_total", "azora_events_consumed_total")
# Rates look back.
PATIENCE = 60


@pytest.fixture(scope="module")
def ask(core: kubernetes.client.CoreV1Api) -> Callable[[str], Any]:
    """Prometheus' API, through the API server."""

    def request(path: str) -> Any:
        pod = core.list_namespaced_pod(NAMESPACE, label_selector=LABELS).items[0].metadata.name
        own = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(core.api_client.configuration))
        forward = kubernetes.stream.portforward(
            own.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports=str(PORT)
        )
        connection = http.client.HTTPConnection("localhost", PORT)
        connection.sock = forward.socket(PORT)
        try:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
            forward.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    return request


def test_every_target_is_up(play: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = play("playbooks/monitoring.yml")
    assert "Prometheus gets metrics of all" in done.stdout
    assert "changed=0" in done.stdout


@pytest.fixture
def prometheus(core: kubernetes.client.CoreV1Api, kubectl: list[str]) -> Iterator[str]:
    """Where a browser of this machine finds Prometheus: at the end of a tunnel, at a port that the system chooses."""
    pod = core.list_namespaced_pod(NAMESPACE, label_selector=LABELS).items[0].metadata.name
    command = [*kubectl, "port-forward", "--namespace", NAMESPACE, "--address", "127.0.0.1", f"pod/{pod}", f":{PORT}"]
    tunnel = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert tunnel.stdout
        ready, _writable, _failed = select.select([tunnel.stdout], [], [], PATIENCE)
        line = tunnel.stdout.readline() if ready else f"nothing in {PATIENCE} s"
        found = re.match(r"Forwarding from (127\.0\.0\.1:\d+) ", line)
        assert found, f"no tunnel to {pod}: kubectl said {line!r}"
        yield f"http://{found[1]}"
    finally:
        tunnel.terminate()
        tunnel.communicate()


@pytest.fixture
def browser(tmp_path: pathlib.Path) -> Iterator[browsers.Browser]:
    program = browsers.installed()
    assert program, (
        "Prometheus' pages are looked at in a browser: install chromium (tests/checks/programs.sh chromium)."
    )
    started = browsers.Browser(program, tmp_path / "profile", reaches=("127.0.0.1",))
    yield started
    started.close()


def test_the_target_page_shows_every_target_up(
    browser: browsers.Browser, prometheus: str, ask: Callable[[str], Any]
) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        declared = target_page.expected(ask("/api/v1/targets"))
        assert declared
        page = target_page.open_page(browser, prometheus, {target.pool for target in declared})
        # A pod may have come or gone between the question and the page.
        differences = target_page.differences(target_page.shown(page), declared)
        differences += [f"{target.address} is {target.state}" for target in declared if target.state != "UP"]
        if not differences:
            break
        assert time.monotonic() < deadline, "\n".join(differences)
        page.close()
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith((prometheus + "/", "data:"))] == []


def test_every_rule_can_be_evaluated(ask: Callable[[str], Any]) -> None:
    rules = [rule for group in ask("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


@pytest.fixture(scope="module")
def findings(
    play: Callable[..., subprocess.CompletedProcess[str]],
    core: kubernetes.client.CoreV1Api,
    kubectl: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What a verification found, handed to Prometheus as docs/monitoring.md says."""
    report = tmp_path_factory.mktemp("report") / "platform.prom"
    done = play("playbooks/verify.yml", verify_report_path=str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    pod = core.list_namespaced_pod(NAMESPACE, label_selector=LABELS).items[0].metadata.name
    push = ["/bin/promtool", "push", "metrics", f"http://localhost:{PORT}"]
    inside = [*kubectl, "exec", "--namespace", NAMESPACE, "--stdin", pod, "--container", "prometheus", "--"]
    subprocess.run([*inside, *push], input=report.read_bytes(), check=True)


@pytest.mark.usefixtures("findings")
def test_panels_have_something_to_show(ask: Callable[[str], Any]) -> None:
    asked = {
        target["expr"].replace("$platform", "azora").replace("$workload", ".*").replace("$gateway", "gateway")
        for path in DASHBOARDS.glob("*.json")
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel.get("targets", [])
    }
    left = {query for query in asked if not any(name in query for name in (*NOT_HERE, *ONCE_IT_HAPPENED))}
    assert left
    deadline = time.monotonic() + PATIENCE
    while left := {query for query in left if not ask(f"/api/v1/query?query={quote(query)}")["result"]}:
        assert time.monotonic() < deadline, f"no data for {sorted(left)}"
        time.sleep(2)
    known = ask("/api/v1/metadata")
    assert [name for name in ONCE_IT_HAPPENED if name not in known and name.removesuffix("_total") not in known] == []


def test_helm_that_is_not_there_is_missed_before_anything_is_changed(
    play: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    refused = play("playbooks/monitoring.yml", monitoring_helm_binary="/nowhere/helm")
    assert refused.returncode != 0
    assert "monitoring_method is helm, and the program /nowhere/helm does not run" in " ".join(refused.stdout.split())
    assert " changed=0 " in refused.stdout


def test_a_prometheus_that_cannot_be_asked_is_inconclusive(lab: dict[str, Any]) -> None:
    arguments = {
        "kubeconfig": lab["kubeconfig"],
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/name": "somebody-else"},
        "expected": [],
        "timeout": 0,
    }
    done = ansible(
        "ansible", "localhost", "-m", "azora.platform.prometheus_targets", "-a", json.dumps(arguments), check=False
    )
    assert done.returncode != 0
    assert "INCONCLUSIVE: whether every target is up could not be seen" in done.stdout
