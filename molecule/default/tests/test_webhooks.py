# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook that never answers is one clear sentence; one that is only late is waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import kubernetes
import pytest
from drill import wait_for

Play = Callable[..., subprocess.CompletedProcess[str]]

NAMESPACE, OPERATOR_NAMESPACE = "azora-data", "cnpg-system"
NAME, WEBHOOK = "azora-drill", "vcluster.drill.example.org"
CLUSTERS = ("postgresql.cnpg.io", "v1", NAMESPACE, "clusters", "pg")
SECONDS = 30


def configuration() -> dict[str, object]:
    """It judges PostgreSQL clusters of the platform, and nothing else; the operator itself only writes their status."""
    return {
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": WEBHOOK,
                "clientConfig": {"service": {"namespace": OPERATOR_NAMESPACE, "name": NAME, "path": "/judge"}},
                "rules": [
                    {
                        "apiGroups": ["postgresql.cnpg.io"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["clusters"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 5,
            }
        ],
    }


@pytest.fixture
def take_away(api: kubernetes.client.ApiClient, core: kubernetes.client.CoreV1Api) -> Iterator[Callable[[], None]]:
    """A webhook whose Service has no pods is in force, until this is called."""
    admission = kubernetes.client.AdmissionregistrationV1Api(api)
    custom = kubernetes.client.CustomObjectsApi(api)

    def refuses() -> bool:
        try:
            custom.patch_namespaced_custom_object(*CLUSTERS, {"metadata": {"labels": {NAME: "x"}}}, dry_run="All")
        except kubernetes.client.ApiException as error:
            return WEBHOOK in error.body
        return False

    def away() -> None:
        try:
            admission.delete_validating_webhook_configuration(NAME)
        except kubernetes.client.ApiException as error:
            if error.status != 404:
                raise

    service = {"metadata": {"name": NAME}, "spec": {"ports": [{"port": 443}], "selector": {"app": NAME}}}
    core.create_namespaced_service(OPERATOR_NAMESPACE, service)
    try:
        admission.create_validating_webhook_configuration(configuration())
        wait_for("the API server to ask it", SECONDS, refuses)
        yield away
    finally:
        away()
        core.delete_namespaced_service(NAME, OPERATOR_NAMESPACE)
        wait_for("the API server to forget it", SECONDS, lambda: not refuses())


@pytest.mark.usefixtures("take_away")
def test_a_webhook_that_never_answers_is_said(play: Play) -> None:
    run = play("playbooks/data.yml", apply_webhook_timeout=5)
    assert run.returncode != 0, run.stdout
    assert " changed=0 " in run.stdout
    said = " ".join(run.stdout.split())
    assert f"The webhook {WEBHOOK} of the ValidatingWebhookConfiguration {NAME} has not answered for 5 s" in said
    assert f"no pod behind its Service {OPERATOR_NAMESPACE}/{NAME} is ready" in said
    assert "Internal error occurred" not in said


def test_a_webhook_that_is_late_is_waited_for(watched_play: Play, take_away: Callable[[], None]) -> None:
    asked_again: list[str] = []

    def look(line: str) -> None:
        if "RETRYING" in line and "When their webhook answers" in line:
            asked_again.append(line)
            if len(asked_again) == 2:
                take_away()

    run = watched_play("playbooks/data.yml", look)
    assert run.returncode == 0, run.stdout
    assert len(asked_again) >= 2
    assert " changed=0 " in run.stdout
