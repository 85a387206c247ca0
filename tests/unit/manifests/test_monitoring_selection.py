# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an existing Prometheus selects by: its labels copied, and what no label can help said in a sentence."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_selection import prometheus_selection, selects

OURS = [
    {
        "kind": "PodMonitor",
        "metadata": {"name": "orders", "namespace": "front", "labels": {"app.kubernetes.io/name": "orders"}},
    },
    {"kind": "ServiceMonitor", "metadata": {"name": "rec", "namespace": "cache", "labels": {}}},
    {"kind": "PrometheusRule", "metadata": {"name": "shop", "namespace": "watch", "labels": {}}},
]
NAMESPACES = [
    {"metadata": {"name": "front", "labels": {"team": "shop"}}},
    {"metadata": {"name": "cache", "labels": {"team": "shop"}}},
    {"metadata": {"name": "watch"}},
]
STACK = {"matchLabels": {"release": "stack"}}
FIELDS = ("podMonitor", "serviceMonitor", "rule")


def selection(namespaces=None, **spec):
    prometheus = {"metadata": {"name": "main", "namespace": "watch"}, "spec": spec}
    return prometheus_selection(prometheus, OURS, NAMESPACES if namespaces is None else namespaces)


def selectors(selector, namespaces):
    return {f"{field}Selector": selector for field in FIELDS} | {
        f"{field}NamespaceSelector": namespaces for field in FIELDS
    }


def test_the_labels_of_the_stack_are_copied():
    assert selection(**selectors(STACK, {})) == {"labels": {"release": "stack"}, "findings": []}


def test_an_empty_selector_selects_everything():
    assert selection(**selectors({}, {})) == {"labels": {}, "findings": []}


def test_expressions_are_satisfied():
    wanted = {
        "matchExpressions": [
            {"key": "prometheus", "operator": "In", "values": ["main", "all"]},
            {"key": "scraped", "operator": "Exists"},
            {"key": "ignored", "operator": "DoesNotExist"},
        ]
    }
    assert selection(**selectors(wanted, {})) == {"labels": {"prometheus": "all", "scraped": "true"}, "findings": []}


def test_a_selector_that_is_missing_selects_nothing():
    found = selection(**{**selectors(STACK, {}), "podMonitorSelector": None})["findings"]
    assert found == ["Prometheus watch/main selects no PodMonitor at all, because its podMonitorSelector is not set"]


def test_without_a_namespace_selector_only_its_own_namespace_counts():
    found = selection(**selectors({}, None))["findings"]
    assert found == [
        "Prometheus watch/main looks for no PodMonitor in front, because its podMonitorNamespaceSelector is not set: only in its own, watch",
        "Prometheus watch/main looks for no ServiceMonitor in cache, because its serviceMonitorNamespaceSelector is not set: "
        "only in its own, watch",
    ]


def test_a_namespace_that_is_left_out_is_named_with_the_label_it_needs():
    found = selection(**selectors({}, {"matchLabels": {"team": "shop"}}))["findings"]
    assert found == [
        "Prometheus watch/main looks for no PrometheusRule in watch, which its ruleNamespaceSelector does not select; "
        "give the namespace the label team=shop (labels of the namespace in the catalogue)"
    ]


def test_a_namespace_is_known_by_its_name_even_before_it_exists():
    only = {"matchLabels": {"kubernetes.io/metadata.name": "front"}}
    found = selection([], **{**selectors({}, {}), "podMonitorNamespaceSelector": only})
    assert found["findings"] == []


def test_a_label_that_a_selector_forbids_is_said():
    forbids = {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "DoesNotExist"}]}
    found = selection(**{**selectors({}, {}), "podMonitorSelector": forbids})["findings"]
    assert found == [
        "Prometheus watch/main does not select PodMonitor front/orders: its podMonitorSelector excludes a label that it carries"
    ]


def test_kinds_that_want_different_things_are_said():
    found = selection(**{**selectors(STACK, {}), "ruleSelector": {"matchLabels": {"release": "rules"}}})["findings"]
    assert found == [
        "Prometheus watch/main wants release to be stack of one kind and rules of PrometheusRule; set monitoring_labels"
    ]


@pytest.mark.parametrize(
    ("operator", "values", "there", "not_there"),
    [
        ("In", ["a"], True, False),
        ("NotIn", ["a"], False, True),
        ("Exists", [], True, False),
        ("DoesNotExist", [], False, True),
    ],
)
def test_operators_mean_what_kubernetes_means(operator, values, there, not_there):
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert selects(selector, {"k": "a"}) is there
    assert selects(selector, {}) is not_there
