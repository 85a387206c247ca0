# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the second evaluator and the makers of objects importable; Azora's own catalogue, as its role gives it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.azora.platform.plugins.module_utils import _catalogue

sys.path.insert(0, str(Path(__file__).parent))
DEFAULTS = Path(__file__).parents[3] / "roles" / "catalogue" / "defaults" / "main.yml"


@pytest.fixture(scope="session")
def azora() -> dict[str, Any]:
    loader = DataLoader()
    variables = loader.load_from_file(str(DEFAULTS), trusted_as_template=True)
    return _catalogue.normalised(Templar(loader=loader, variables=variables).template(variables["catalogue_platform"]))


@pytest.fixture
def cluster_facts() -> dict[str, Any]:
    """What the module cluster_info tells of a cluster."""
    return {
        "pod_cidrs": ["10.154.0.0/16"],
        "service_cidrs": ["10.155.0.0/17"],
        "node_cidrs": ["10.155.128.11/32", "10.155.128.12/32"],
        "api_server": [{"address": "10.155.128.2", "port": 6443}],
        "dns": {"namespace": "kube-system", "pod_labels": {"k8s-app": "kube-dns"}, "addresses": ["10.155.0.10"]},
    }
