# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook that is down is told from one that refuses, and from an API server that could not be asked."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._operator_webhooks import webhook_findings, webhook_trials

OPERATORS = [
    {"name": "cloudnative-pg", "namespace": "cnpg", "manages": "postgresql", "webhook_port": 9443, "watches": ["data", "more"]},
    {"name": "redis-enterprise", "namespace": "cache", "manages": "redis", "webhook_port": 8443, "watches": ["cache"]},
    {"name": "strimzi", "namespace": "kafka", "manages": "kafka", "webhook_port": None, "watches": ["data"]},
    {"name": "barman-cloud", "namespace": "cnpg", "manages": None, "webhook_port": None, "watches": []},
]  # fmt: skip
# As kubernetes.core hands it on.
DOWN = (
    'Failed to create object: b\'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred:'
    ' failed calling webhook \\"mcluster.cnpg.io\\": failed to call webhook: Post \\"https://cnpg-webhook-service.cnpg.svc:443/mutate?timeout=10s\\":'
    ' context deadline exceeded","reason":"InternalError","code":500}\''
)


def failed(message):
    return {"changed": False, "result": {}, "error": {"msg": message, "reason": "Internal Server Error"}}


ANSWERED = {"changed": True, "result": {"kind": "Cluster"}}


def test_a_resource_is_tried_for_each_operator_with_a_webhook():
    trials = webhook_trials(OPERATORS)
    assert [(one["kind"], one["metadata"]["namespace"]) for one in trials] == [
        ("Cluster", "data"),
        ("RedisEnterpriseCluster", "cache"),
    ]


def test_webhooks_that_answer_are_no_finding():
    refused = failed('admission webhook "vcluster.cnpg.io" denied the request: spec.instances: Invalid value')
    assert webhook_findings(OPERATORS, [ANSWERED, refused]) == []


def test_a_webhook_that_is_down_is_named_with_what_to_do():
    (sentence,) = webhook_findings(OPERATORS, [failed(DOWN), ANSWERED])
    assert sentence.startswith(
        "the webhook mcluster.cnpg.io of the operator cloudnative-pg in cnpg does not answer (failed to call webhook: Post"
    )
    assert "context deadline exceeded)" in sentence
    assert "its port 9443 must be open from the API server and the nodes to the operator's pods" in sentence


@pytest.mark.parametrize("results", [[], [ANSWERED], [failed("clusters is forbidden: no"), ANSWERED]])
def test_what_could_not_be_asked_is_not_an_answer(results):
    (sentence,) = webhook_findings(OPERATORS, results)
    assert "could not be asked" in sentence
