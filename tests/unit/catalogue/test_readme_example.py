# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What README shows as a platform of one's own is one, and the verification would not object to its description."""

from __future__ import annotations

import pathlib
import re

import yaml
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _connectivity
from ansible_collections.azora.platform.plugins.module_utils._verification_findings import pod_findings
from ansible_collections.azora.platform.plugins.module_utils._verification_input import workloads_from

README = pathlib.Path(__file__).resolve().parents[3] / "README.md"


def test_the_example_of_the_readme() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [yaml.safe_load(text) for text in examples if "catalogue_platform" in text]
    assert _catalogue.mistakes(example["catalogue_platform"]) == []
    catalogue = _catalogue.normalised(example["catalogue_platform"])
    workloads = workloads_from(_connectivity.verification_workloads(catalogue))
    assert {"shop/orders", "shop/billing", "shop-data/pg"} <= {workload.identity for workload in workloads}
    findings = [finding for workload in workloads for finding in pod_findings(workload, [])]
    assert {finding.check for finding in findings} == {"readiness"}, "nothing but that no pod is there"


GUIDE = README.parent / "docs" / "your-own-platform.md"


def test_the_examples_of_the_guide() -> None:
    """The whole platform as it stands there, with the service more, the provided operator and the chosen security added to it."""
    texts = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    examples = [yaml.safe_load(text) for text in texts]
    (platform,) = [one["catalogue_platform"] for one in examples if "catalogue_platform" in one]
    assert _catalogue.mistakes(platform) == []
    services = [service for one in examples if isinstance(one, list) for service in one]
    (operators,) = [one["operators"] for one in examples if "operators" in one]
    assert [service["name"] for service in services] == ["billing", "orders"]
    # Ten lines for one service more, as the page promises.
    assert len(texts[0].splitlines()) <= 10
    more = {
        **platform,
        "services": [*platform["services"], *services],
        "operators": operators,
        "gateway": {"name": "gateway", "namespace": "shop", "image": "tykio/tyk-gateway:v5.14.0"},
    }
    assert _catalogue.mistakes(more) == []
    workloads = workloads_from(_connectivity.verification_workloads(_catalogue.normalised(more)))
    findings = [finding for workload in workloads for finding in pod_findings(workload, [])]
    assert {finding.check for finding in findings} == {"readiness"}, "nothing but that no pod is there"
