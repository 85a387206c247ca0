# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each operator gets its method, and what cannot be followed is said before anything happens."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.azora.platform.plugins.filter.operator_plan import operator_plan as planned
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._operator_charts import chart_values
from ansible_collections.azora.platform.plugins.module_utils._operator_plan import operator_mistakes, operator_plan

DEFAULTS = pathlib.Path(__file__).resolve().parents[3] / "roles" / "operators" / "defaults" / "main.yml"
RELEASES = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["operators_releases"]
BACKUP = {"destination": "s3://backups", "endpoint": "https://s3.example.org"}


@pytest.fixture
def everything(platform):
    """The small platform with both operators that manage no store."""
    stores = [{**store, "backup": BACKUP} if store["kind"] == "postgresql" else store for store in platform["stores"]]
    monitoring = {"namespace": "operators", "operator": True}
    return _catalogue.normalised({**platform, "stores": stores, "monitoring": monitoring})


def by_name(plan):
    return {operator["name"]: operator for operator in plan}


def test_what_follows_from_backups_and_monitoring_is_an_operator_like_the_others(everything, catalogue):
    assert {operator["name"] for operator in everything["operators"]} - {
        operator["name"] for operator in catalogue["operators"]
    } == {"barman-cloud", "prometheus-operator"}
    places = {operator["name"]: operator["namespace"] for operator in everything["operators"]}
    assert places["barman-cloud"] == places["cloudnative-pg"]


def test_an_operator_that_makes_backups_by_itself_has_no_plugin_beside_it(platform, everything):
    operators = [{**operator, "backup_plugin": False} for operator in platform["operators"]]
    stores = [{**store, "backup": BACKUP} if store["kind"] == "postgresql" else store for store in platform["stores"]]
    found = _catalogue.normalised({**platform, "stores": stores, "operators": operators})
    assert "barman-cloud" not in {operator["name"] for operator in found["operators"]}


def test_one_method_for_all_and_another_for_one(everything):
    plan = by_name(operator_plan(everything, RELEASES, "manifest", {"strimzi": "helm", "barman-cloud": "helm"}))
    assert {name: operator["method"] for name, operator in plan.items()} == {
        "cloudnative-pg": "manifest",
        "redis-enterprise": "manifest",
        "strimzi": "helm",
        "barman-cloud": "helm",
        "prometheus-operator": "manifest",
    }
    # The chart installs an older version than the manifest.
    assert plan["barman-cloud"]["version"] == "0.13.0"
    assert plan["strimzi"]["version"] == "1.2.0"


def test_definitions_come_without_the_operator(catalogue, everything):
    plan = operator_plan(catalogue, RELEASES, "present", {}, ["prometheus-operator"])
    assert [(one["name"], one["method"], one["definitions_only"]) for one in plan][-1] == (
        "prometheus-operator",
        "manifest",
        True,
    )
    # Where the operator is installed, it brings them.
    plan = operator_plan(everything, RELEASES, "manifest", {}, ["prometheus-operator"])
    assert [one["definitions_only"] for one in plan if one["name"] == "prometheus-operator"] == [False]


@pytest.mark.parametrize("method", ["manifest", "helm", "present"])
def test_the_releases_that_come_along_suffice(everything, method):
    assert operator_mistakes(everything, RELEASES, method, {}, ["prometheus-operator"]) == []


def test_what_olm_lacks_is_said(everything):
    said = operator_mistakes(everything, RELEASES, "olm", {})
    assert [sentence.partition(": ")[0] for sentence in said] == [
        "operators_releases.redis-enterprise.subscription.csv",
        "operators_releases.barman-cloud.subscription",
        "operators_releases.prometheus-operator.subscription",
    ]
    assert "choose another method in operators_methods.barman-cloud: manifest, helm, present" in said[1]


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"strimzy": "helm"}, "operators_methods.strimzy: the catalogue has no such operator; it has cloudnative-pg"),
        ({"strimzi": "yum"}, "operators_methods.strimzi: 'yum' is no method; write one of manifest, helm, olm"),
        (
            {"barman-cloud": "lab"},
            "operators_methods.barman-cloud: the lab has no stand-in for it; write manifest, helm",
        ),
    ],
)
def test_methods_that_cannot_be_followed(everything, methods, said):
    assert planned(everything, RELEASES, "manifest", methods)["mistakes"][0].startswith(said)


@pytest.mark.parametrize(
    ("method", "release", "said"),
    [
        ("manifest", {}, "operators_releases.strimzi.sources: is missing, and the method of strimzi is manifest"),
        ("manifest", {"sources": [{}]}, "operators_releases.strimzi.sources[0]: needs a url or a path"),
        ("manifest", {"sources": [{"url": "https://example.org/x"}]}, "operators_releases.strimzi.sources[0].sha256"),
        ("helm", {"chart": {"version": "1"}}, "operators_releases.strimzi.chart: needs a ref"),
        ("helm", {"chart": {"ref": "strimzi", "version": "1"}}, "operators_releases.strimzi.chart.repo: is missing"),
        ("helm", {"chart": {"ref": "oci://example.org/x"}}, "operators_releases.strimzi.chart.version: is missing"),
        ("olm", {"subscription": {"package": "p", "source": "s", "csv": "p.v1"}}, "operators_releases.strimzi.subscription.channel"),
        (
            "olm",
            {"subscription": {"package": "p", "channel": "c", "source": "s", "csv": "p.v1", "approval": "Never"}},
            "operators_releases.strimzi.subscription.approval: 'Never' is no approval; write Manual or Automatic",
        ),
    ],
)  # fmt: skip
def test_releases_that_do_not_say_enough(catalogue, method, release, said):
    releases = [{"name": "strimzi", **release}]
    others = {"cloudnative-pg": "present", "redis-enterprise": "present"}
    sentences = operator_mistakes(catalogue, releases, method, others)
    assert len(sentences) == 1
    assert sentences[0].startswith(said)


def test_charts_are_told_what_the_catalogue_says_and_where_images_are(everything):
    plan = by_name(operator_plan(everything, RELEASES, "helm", {}))
    mirror = "registry.example.com/mirror/"
    assert chart_values(plan["strimzi"], mirror) == {
        "watchNamespaces": ["data"],
        "defaultImageRegistry": "registry.example.com/mirror",
    }
    assert chart_values(plan["cloudnative-pg"]) == {}
    assert chart_values(plan["cloudnative-pg"], mirror) == {
        "image": {"repository": "registry.example.com/mirror/cloudnative-pg/cloudnative-pg"}
    }
    assert chart_values(plan["redis-enterprise"], mirror) == {
        "operator": {"image": {"repository": "registry.example.com/mirror/redislabs/operator"}}
    }
    assert chart_values(plan["barman-cloud"], mirror, without_certificates=True) == {
        "podLabels": {"app": "barman-cloud"},
        "image": {"registry": "registry.example.com/mirror"},
        "sidecarImage": {"registry": "registry.example.com/mirror"},
        "certificate": {"createClientCertificate": False, "createServerCertificate": False, "createIssuer": False},
    }


def test_the_values_of_a_release_lie_over_what_follows(everything):
    operator = by_name(operator_plan(everything, RELEASES, "helm", {}))["cloudnative-pg"]
    operator["chart"]["values"] = {"image": {"tag": "own"}, "replicaCount": 2}
    assert chart_values(operator, "registry.example.com") == {
        "image": {"repository": "registry.example.com/cloudnative-pg/cloudnative-pg", "tag": "own"},
        "replicaCount": 2,
    }
