# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four services get revisions that cannot work, all at once: each is found out, said, and returned, while the old ones serve."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes
from drill import reads

from conftest import catalogue

Play = Callable[..., subprocess.CompletedProcess[str]]
NAMESPACE = "default"
LOAD_SECONDS, RATE = 240, 40
PATHS = ["/users?limit=1", "/courses?limit=1", "/enrollments?limit=1", "/sessions/nobody"]
# Nobody listens there, and nobody ever will.
NOWHERE = "localhost:9/azora/service:1"
NO_PROGRESS_SECONDS = 30
PATIENCE_SECONDS = 15
WRONG_LEVEL = "loudly"
# What must be said of each.
SAID = {
    "user": ["(CrashLoop)", "exit code"],
    "course": ["(NotReady)", f"without progress for {NO_PROGRESS_SECONDS} s", "Readiness probe failed"],
    "enrollment": ["(ImagePull)", NOWHERE, "check the image's name and tag"],
    "session": ["(CrashLoop)", "LOG_LEVEL is 'loudly': it must be one of debug, info, warning, error."],
}


def broken_platform(lab_name: str) -> dict[str, Any]:
    """Azora's catalogue with four mistakes; its own expressions stay as they are."""
    platform = catalogue()
    images = json.loads(pathlib.Path("/var/lib/azora-lab", lab_name, "images.json").read_text(encoding="utf-8"))
    services = {service["name"]: service for service in platform["services"]}
    # Ends, as there is no Kubernetes API for it; idles and answers nothing; is nowhere.
    services["user"]["image"] = images["metrics-server"]["reference"]
    services["course"]["image"] = images["agnhost"]["reference"]
    services["enrollment"]["image"] = NOWHERE
    services["session"]["environment"] = {"LOG_LEVEL": WRONG_LEVEL}
    return {
        "catalogue_platform": platform,
        "services_progress_deadline_seconds": NO_PROGRESS_SECONDS,
        "rollout_patience": PATIENCE_SECONDS,
    }


def revisions(apps: kubernetes.client.AppsV1Api) -> dict[str, Any]:
    """The pod templates of the four, whose pods all serve."""
    found = {}
    for name in SAID:
        deployment = apps.read_namespaced_deployment(name, NAMESPACE)
        status = deployment.status
        counts = (status.replicas, status.updated_replicas, status.available_replicas)
        assert set(counts) == {deployment.spec.replicas}, f"{name}: {counts}"
        found[name] = deployment.spec.template.to_dict()
    return found


def config_maps(template: dict[str, Any]) -> set[str]:
    sources = template["spec"]["containers"][0]["env_from"]
    return {source["config_map_ref"]["name"] for source in sources if source["config_map_ref"]}


def test_four_bad_revisions_are_found_out_and_returned(
    play: Play,
    lab: dict[str, Any],
    lab_name: str,
    api: kubernetes.client.ApiClient,
    core: kubernetes.client.CoreV1Api,
) -> None:
    apps = kubernetes.client.AppsV1Api(api)
    before = revisions(apps)
    with reads(lab, PATHS, seconds=LOAD_SECONDS, rate=RATE) as load:
        bad = play("playbooks/services.yml", **broken_platform(lab_name))
    assert bad.returncode != 0, bad.stdout
    told = " ".join(bad.stdout.replace("\\'", "'").split())
    for name, words in SAID.items():
        said = told.split(f"default/{name} failed after", maxsplit=1)
        assert len(said) == 2, bad.stdout
        print(f"\n{name}: failed after{said[1].partition(':')[0]}")
        # Up to what is said of the next.
        sentences = said[1].split(" failed after ", maxsplit=1)[0]
        for word in [*words, "It was returned to revision", "which is ready again after"]:
            assert word in sentences, f"{word!r} is not in {sentences!r}"
    assert "Traceback" not in bad.stdout + bad.stderr
    print(f"{load.result['answered']} reads answered meanwhile, {len(load.result['failed'])} failed")
    assert load.result["failed"] == []
    assert load.result["answered"] > len(PATHS) * NO_PROGRESS_SECONDS
    # Nothing of the bad ones stays behind, and the configuration that each good one was started with is still there.
    assert revisions(apps) == before
    maps = {entry.metadata.name for entry in core.list_namespaced_config_map(NAMESPACE).items}
    for template in before.values():
        assert config_maps(template) <= maps


def test_the_good_catalogue_changes_no_pod_after_that(play: Play, core: kubernetes.client.CoreV1Api) -> None:
    def pods() -> set[str]:
        """Those that stay; what did not work takes its time to go."""
        found = core.list_namespaced_pod(NAMESPACE).items
        return {pod.metadata.uid for pod in found if pod.metadata.deletion_timestamp is None}

    before = pods()
    good = play("playbooks/services.yml")
    assert good.returncode == 0, good.stdout
    assert pods() == before
