# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which webhook does not answer, from the API server's words as kubernetes.core.k8s shows them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.azora.platform.plugins.module_utils._webhook_failures import webhook_failure, webhook_sentence

URL = "https://cnpg-webhook-service.cnpg-system.svc:443/validate-postgresql-cnpg-io-v1-cluster?timeout=10s"
CONFIGURATIONS = [
    {
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "others"},
        "webhooks": [{"name": "other.example.org"}],
    },
    {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "cnpg"},
        "webhooks": [{"name": "vcluster.cnpg.io"}],
    },
    {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "empty"}},
]


def said(reason, url=URL):
    return f'Internal error occurred: failed calling webhook "vcluster.cnpg.io": failed to call webhook: Post "{url}": {reason}'


def shown(message):
    """As the client shows the API server's answer."""
    status = {
        "kind": "Status",
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"uid": ""},
    }
    return f"Failed to apply object: b'{json.dumps(status)}\\n'"


REASONS = {
    'no endpoints available for service "cnpg-webhook-service"': "no pod behind its Service cnpg-system/cnpg-webhook-service is ready",
    'service "cnpg-webhook-service" not found': "delete the ValidatingWebhookConfiguration cnpg if that operator is gone for good",
    "dial tcp 10.244.1.7:9443: connect: connection refused": "network policies in cnpg-system let the API server in",
    "context deadline exceeded": "network policies in cnpg-system let the API server in",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority": "that the caBundle of the ValidatingWebhookConfiguration cnpg",
}


@pytest.mark.parametrize("form", [str, shown], ids=["plain", "inside JSON"])
@pytest.mark.parametrize("reason", REASONS)
def test_the_sentence_names_webhook_configuration_service_and_remedy(reason, form):
    sentence = webhook_sentence(form(said(reason)), CONFIGURATIONS, 60)
    start = "The webhook vcluster.cnpg.io of the ValidatingWebhookConfiguration cnpg has not answered for 60 s"
    assert sentence.startswith(f"{start} ({reason}), so the API server refuses what it should judge: ")
    assert REASONS[reason] in sentence
    assert sentence.endswith(", and run this again")
    assert "Status" not in sentence


def test_a_webhook_outside_the_cluster_has_no_service():
    sentence = webhook_sentence(said("EOF", "https://judge.example.org/admit"), CONFIGURATIONS, 5)
    assert "for 5 s" in sentence
    assert "see to it that its server answers" in sentence


def test_who_may_not_read_configurations_still_gets_a_sentence():
    assert "of a configuration that cannot be read" in webhook_sentence(said("EOF"), [], 60)


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "vcluster.cnpg.io" denied the request: spec.instances is 0',
        "Failed to apply object: not found",
        "",
    ],
)
def test_other_failures_stay_as_they_are(message):
    assert webhook_failure(message) is None
    assert webhook_sentence(message, CONFIGURATIONS, 60) == message
