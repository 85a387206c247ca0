# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateway reads exactly the files that the catalogue gives, and its secrets from its Secret."""

from __future__ import annotations

import copy
import json

from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import gateway_manifests


def container_of(manifests, find):
    [container] = find(manifests, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"]
    return container


def files_of(manifests, find, volume):
    """The files of a volume, from the ConfigMap that it names."""
    volumes = {
        entry["name"]: entry
        for entry in find(manifests, "Deployment", "gateway")["spec"]["template"]["spec"]["volumes"]
    }
    return find(manifests, "ConfigMap", volumes[volume]["configMap"]["name"])["data"]


def test_files_of_tyk_are_in_config_maps(catalogue, settings, find):
    manifests = gateway_manifests(catalogue, {})
    configuration = json.loads(files_of(manifests, find, "config")["tyk.conf"])
    assert configuration["storage"]["addrs"] == ["gateway.cache.svc.cluster.local:12003"]
    assert configuration["app_path"] == "/opt/tyk-gateway/apps"
    apis = files_of(manifests, find, "apis")
    assert list(apis) == ["orders.json"]
    assert json.loads(apis["orders.json"])["proxy"]["target_url"] == "http://orders.front.svc.cluster.local:8080"
    assert json.loads(files_of(manifests, find, "policies")["policies.json"]) == {}


def test_files_are_mounted_where_the_configuration_says(catalogue, find):
    manifests = gateway_manifests(catalogue, {})
    mounts = {mount["name"]: mount for mount in container_of(manifests, find)["volumeMounts"]}
    assert mounts["apis"]["mountPath"] == "/opt/tyk-gateway/apps"
    assert mounts["policies"]["mountPath"] == "/opt/tyk-gateway/policies"
    assert mounts["config"]["mountPath"] == "/opt/tyk-gateway/tyk.conf"
    assert mounts["config"]["subPath"] == "tyk.conf"


def test_no_secret_stands_in_a_config_map(catalogue, find):
    manifests = gateway_manifests(catalogue, {})
    configuration = json.loads(files_of(manifests, find, "config")["tyk.conf"])
    assert not {"secret", "node_secret"} & set(configuration)
    assert "password" not in configuration["storage"]
    taken = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container_of(manifests, find)["env"]}
    assert set(taken) == {"TYK_GW_SECRET", "TYK_GW_NODESECRET", "TYK_GW_STORAGE_PASSWORD"}
    assert {reference["name"] for reference in taken.values()} == {"gateway-credentials"}


def test_liveness_and_readiness_ask_what_tyk_answers(catalogue, find):
    container = container_of(gateway_manifests(catalogue, {}), find)
    assert container["livenessProbe"]["httpGet"] == {"path": "/hello", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}


def test_service_is_reached_as_the_site_wants(catalogue, find):
    plain = find(gateway_manifests(catalogue, {}), "Service", "gateway")["spec"]
    assert plain["type"] == "ClusterIP"
    assert "nodePort" not in plain["ports"][0]
    spec = find(gateway_manifests(catalogue, {"service_type": "NodePort", "node_port": 30080}), "Service", "gateway")[
        "spec"
    ]
    assert (spec["type"], spec["ports"][0]["nodePort"]) == ("NodePort", 30080)


def test_the_control_port_is_not_for_the_outside(platform, find):
    given = copy.deepcopy(platform)
    given["gateway"]["ports"] = {"http": 8080, "control": 8081}
    manifests = gateway_manifests(_catalogue.normalised(given), {})
    assert [port["name"] for port in find(manifests, "Service", "gateway")["spec"]["ports"]] == ["http"]
    assert container_of(manifests, find)["readinessProbe"]["httpGet"]["port"] == "control"


def test_a_changed_route_rolls_the_gateway(platform, catalogue, find):
    given = copy.deepcopy(platform)
    given["services"][0]["expose"] = {"path": "/purchases"}
    before, after = (
        find(gateway_manifests(entry, {}), "Deployment", "gateway")["spec"]["template"]
        for entry in (catalogue, _catalogue.normalised(given))
    )
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]
    names = [
        {entry["name"]: entry["configMap"]["name"] for entry in template["spec"]["volumes"] if "configMap" in entry}
        for template in (before, after)
    ]
    # Each file in a ConfigMap of its own, which never changes: only the routes are another one now.
    assert {kind for kind in names[0] if names[0][kind] != names[1][kind]} == {"apis"}
    assert all(entry["immutable"] for entry in gateway_manifests(catalogue, {}) if entry["kind"] == "ConfigMap")


def test_replicas_are_guarded_and_spread(catalogue, find):
    manifests = gateway_manifests(catalogue, {"run_as_user": 1000})
    assert find(manifests, "PodDisruptionBudget", "gateway")["spec"]["maxUnavailable"] == 1
    deployment = find(manifests, "Deployment", "gateway")["spec"]
    assert deployment["replicas"] == 2
    pod = deployment["template"]["spec"]
    assert pod["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
    assert pod["securityContext"]["runAsUser"] == 1000


def with_tokens(platform, **authentication):
    given = copy.deepcopy(platform)
    given["gateway"]["authentication"] = {"method": "jwt", **authentication}
    return _catalogue.normalised(given)


def test_the_key_of_tokens_comes_from_a_secret_and_stands_in_no_config_map(platform, find):
    manifests = gateway_manifests(with_tokens(platform), {})
    taken = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container_of(manifests, find)["env"]}
    assert taken["JWT_HMAC_KEY"] == {"name": "gateway-jwt", "key": "JWT_HMAC_KEY"}
    assert json.loads(files_of(manifests, find, "apis")["orders.json"])["jwt_source"] == "env://JWT_HMAC_KEY"
    own = gateway_manifests(with_tokens(platform, secret={"name": "clients", "key": "hmac"}), {})
    taken = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container_of(own, find)["env"]}
    assert taken["JWT_HMAC_KEY"] == {"name": "clients", "key": "hmac"}


def test_another_key_of_tokens_rolls_the_gateway(platform, find):
    catalogue = with_tokens(platform)
    before, after = (
        find(
            gateway_manifests(catalogue, {"secret_checksums": {"front/gateway-jwt": checksum}}), "Deployment", "gateway"
        )["spec"]["template"]["metadata"]["annotations"]
        for checksum in ("one", "two")
    )
    assert before != after
