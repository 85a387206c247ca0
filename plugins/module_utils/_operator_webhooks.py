# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the operators' webhooks answer: a resource of each is tried as a dry run, since a webhook that is down refuses them all."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import KAFKA, POSTGRESQL, REDIS
from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest

NAME = "azora-webhook-trial"
# The smallest resource of each kind of store that its operator accepts.
TRIALS: dict[str, Manifest] = {
    POSTGRESQL: {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "spec": {"instances": 1, "storage": {"size": "1Gi"}},
    },
    REDIS: {"apiVersion": "app.redislabs.com/v1", "kind": "RedisEnterpriseCluster", "spec": {"nodes": 3}},
    KAFKA: {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "spec": {"partitions": 1, "replicas": 1},
    },
}
# As the API server says it: failed calling webhook "mcluster.cnpg.io": failed to call webhook: Post "https://…": context deadline exceeded
UNANSWERED = re.compile(
    r'failed calling webhook \\?"(?P<webhook>[^"\\]+)\\?": (?P<reason>.*?)(?:[\'"]?\s*,\s*[\'"]reason[\'"]|$)',
    re.DOTALL,
)
# A webhook that refuses has answered.
REFUSED = re.compile(r'admission webhook \\?"[^"\\]+\\?" denied the request')


def webhook_trials(operators: Sequence[Mapping[str, t.Any]]) -> list[Manifest]:
    """A resource for each operator with a webhook, in the first namespace that it watches. Tried, never made."""
    return [_trial(operator) for operator in _asked(operators)]


def webhook_findings(operators: Sequence[Mapping[str, t.Any]], results: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """One sentence for each operator whose webhook did not answer; `results` are those of the trials, in their order."""
    asked = _asked(operators)
    if len(results) != len(asked):
        return ["the API server could not be asked whether the operators' webhooks answer"] if asked else []
    sentences = []
    for operator, result in zip(asked, results, strict=True):
        message = _message(result)
        where = f"the operator {operator['name']} in {operator['namespace']}"
        unanswered = UNANSWERED.search(message)
        if unanswered:
            sentences.append(
                f"the webhook {unanswered['webhook']} of {where} does not answer ({_short(unanswered['reason'])}): its port"
                f" {operator['webhook_port']} must be open from the API server and the nodes to the operator's pods"
                " (network policies, firewalls between the control plane and the nodes), and its log tells whether it serves"
            )
        elif message and not REFUSED.search(message):
            sentences.append(f"whether the webhook of {where} answers could not be asked: {_short(message)}")
    return sentences


def _asked(operators: Sequence[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    return [
        operator
        for operator in operators
        if operator.get("webhook_port") and operator.get("manages") in TRIALS and operator["watches"]
    ]


def _trial(operator: Mapping[str, t.Any]) -> Manifest:
    return {**TRIALS[operator["manages"]], "metadata": {"name": NAME, "namespace": operator["watches"][0]}}


def _message(result: Mapping[str, t.Any]) -> str:
    error = result.get("error")
    if isinstance(error, Mapping):
        return str(error.get("msg") or error.get("reason") or error)
    return str(error or "")


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= 300 else f"{text[:300]}…"
