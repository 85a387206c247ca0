# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the chart kube-prometheus-stack is told of this platform.

https://github.com/prometheus-community/helm-charts/blob/main/charts/kube-prometheus-stack/values.yaml
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.azora.platform.plugins.module_utils._operator_charts import Values, merged

# Watchers of the nodes themselves. node-exporter needs their network and files, which Pod Security forbids in a namespace of the platform; the
# control plane's parts are on addresses to which no policy lets Prometheus, and on most clusters nobody may ask them.
OF_NODES = ("nodeExporter", "kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd", "coreDns")
NAME = "app.kubernetes.io/name"


def monitoring_chart_values(catalogue: Mapping[str, t.Any], settings: Mapping[str, t.Any]) -> Values:
    """The values for the chart: what follows from the catalogue, and over it `chart_values` of the settings.

    `interval` is how often Prometheus scrapes and judges its rules, `image_mirror` the registry in front of all images.
    """
    interval = settings["interval"]
    # By these the network policies know Prometheus; the operator itself gives its pods their name.
    labels = {key: value for key, value in catalogue["monitoring"]["pod_labels"].items() if key != NAME}
    values: Values = {
        **{part: {"enabled": False} for part in OF_NODES},
        # It would run as root, to own a volume that the pod's group owns already.
        "grafana": {"initChownData": {"enabled": False}},
        "prometheus": {"prometheusSpec": {"scrapeInterval": interval, "evaluationInterval": interval}},
    }
    if labels:
        values["prometheus"]["prometheusSpec"]["podMetadata"] = {"labels": labels}
    if settings.get("image_mirror"):
        values["global"] = {"imageRegistry": settings["image_mirror"].rstrip("/")}
    return merged(values, settings.get("chart_values") or {})
