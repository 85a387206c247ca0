# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of Azora's catalogue, promtool's tests of them, and the dashboards' queries as rules, written into a folder.

Each alert has to have a case in which it is raised, how the fault of that ends and the alert with it, and a case in which it is not raised.
What its text says is filled in here from the labels that the case expects, so a text that names a label the alert does not have is a mistake.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import typing as t

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import rule_groups

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
GIVEN: dict[str, t.Any] = {
    "catalogue_backup": {"destination": "s3://backups/azora", "endpoint": "https://s3.example.org"},
    "monitoring_kafka_parts": ["entity-operator", "kafka-exporter"],
    # What the role catalogue finds out about the cluster.
    "cluster": {"openshift": False},
    # A day and a half is long for a test that has a sample a minute.
    "monitoring_limits": {"backup_age_hours": 1, "verification_age_hours": 1},
}
# A sample and how often it is followed by another one: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
SAMPLES = re.compile(r"(?:^|\s)\S+?x(\d+)(?=\s|$)")
LABEL, VALUE = re.compile(r"{{ \$labels\.(\w+) }}"), re.compile(r"{{ \$value( \| \w+)? }}")


def variable(name: str) -> t.Any:
    """A variable of the roles catalogue and monitoring, with their own defaults."""
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for path in ("catalogue/defaults", "monitoring/defaults", "monitoring/vars"):
        variables |= loader.load_from_file(str(CHECKOUT / "roles" / path / "main.yml"), trusted_as_template=True)
    templar = Templar(loader=loader, variables=variables | GIVEN)
    return templar.template(variables[name])


def text(template: str, labels: dict[str, str], value: str) -> str:
    """What Prometheus makes of the text of an alert."""
    return VALUE.sub(lambda _match: value, LABEL.sub(lambda match: labels[match[1]], template))


def promtool_test(rule: dict[str, t.Any], case: dict[str, t.Any], *, raised: bool) -> dict[str, t.Any]:
    test: dict[str, t.Any] = {
        "name": f"{rule['alert']} is {'raised' if raised else 'not raised'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case["series"].items()],
    }
    moment = f"{case['at']}m"
    if "where" in case:
        firing = f'count(ALERTS{{alertname="{rule["alert"]}",alertstate="firing",{case["where"]}}})'
        samples = [{"labels": "{}", "value": 1}] if raised else []
        return test | {"promql_expr_test": [{"expr": firing, "eval_time": moment, "exp_samples": samples}]}
    expected = []
    if raised:
        labels = {**case["labels"], **rule["labels"]}
        said = {key: text(words, labels, case.get("value", "")) for key, words in rule["annotations"].items()}
        expected.append({"exp_labels": labels, "exp_annotations": said})
    return test | {"alert_rule_test": [{"alertname": rule["alert"], "eval_time": moment, "exp_alerts": expected}]}


def minutes(values: str) -> int:
    """How many samples, one a minute, a series has."""
    return sum(int(more) + 1 for more in SAMPLES.findall(values))


def promtool_test_of_end(rule: dict[str, t.Any], case: dict[str, t.Any]) -> dict[str, t.Any]:
    """Raised until the fault is over, and gone when that has lasted."""
    length = max(minutes(values) for values in case["series"].values())
    healed = max(minutes(values) for values in case["heals"])
    series = {
        name: f"{values} {after}" for (name, values), after in zip(case["series"].items(), case["heals"], strict=True)
    }
    series |= {name: f"_x{length} {values}" for name, values in case.get("appears", {}).items()}
    where = f",{case['where']}" if "where" in case else ""
    # One for each that is raised.
    raised = f'min(ALERTS{{alertname="{rule["alert"]}",alertstate="firing"{where}}})'
    moments = {length - 1: [{"labels": "{}", "value": 1}], length + healed - 1: []}
    return {
        "name": f"{rule['alert']} ends",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": raised, "eval_time": f"{moment}m", "exp_samples": samples} for moment, samples in moments.items()
        ],
    }


def queries() -> list[dict[str, str]]:
    """What the dashboards ask, as rules, with something for their variables."""
    asked = []
    for path in sorted((CHECKOUT / "roles/monitoring/files/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            asked += [target["expr"] for target in panel.get("targets", [])]
    filled = [re.sub(r"\$(platform|workload|gateway)", "azora", expression) for expression in asked]
    return [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(filled)]


def main(folder: pathlib.Path) -> None:
    groups = json.loads(
        json.dumps(
            rule_groups(_catalogue.normalised(variable("catalogue_platform")), variable("__monitoring_settings"))
        )
    )
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    cases = {case["alert"]: case for case in yaml.safe_load((CHECKOUT / "tests/rules/alerts.yml").read_text("utf-8"))}
    if set(rules) != set(cases):
        sys.exit(
            f"Only rules or only cases of tests/rules/alerts.yml have {', '.join(sorted(set(rules) ^ set(cases)))}."
        )
    tests = [
        promtool_test(rules[name], case[which], raised=which == "fires")
        for name, case in cases.items()
        for which in ("fires", "quiet")
    ]
    tests += [promtool_test_of_end(rules[name], case["fires"]) for name, case in cases.items()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}), "utf-8")
    (folder / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": queries()}]}), "utf-8")
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(whole, sort_keys=False), "utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
