# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenario's tests share: the lab's layout, its API, a client outside the cluster, and playbook runs."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes
import pytest
import testinfra
import yaml
from tokens import signing_key, token

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
GATEWAY_PORT = 30080


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the platform away comes after everything else; the rest stays in the order of the files."""
    items.sort(key=lambda item: item.get_closest_marker("ends_the_platform") is not None)


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
    }


def ansible(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    finished = subprocess.run(arguments, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False)
    if check and finished.returncode:
        pytest.fail(f"{' '.join(arguments)} ended with {finished.returncode}:\n{finished.stdout}\n{finished.stderr}")
    return finished


@pytest.fixture(scope="session")
def lab_name() -> str:
    return os.environ["AZORA_TEST_LAB"]


@pytest.fixture(scope="session")
def lab(lab_name: str) -> dict[str, Any]:
    """What the lab wrote down about itself: names, addresses, paths."""
    return json.loads(pathlib.Path("/var/lib/azora-lab", lab_name, "layout.json").read_text(encoding="utf-8"))


def control_group(lab: dict[str, Any]) -> pathlib.Path:
    """The lab's control group, in the hierarchy that this machine has."""
    mounts = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
    return next(path for mount in mounts if (path := pathlib.Path(mount + lab["cgroup"])).is_dir())


def processes(lab: dict[str, Any], group: str) -> set[int]:
    """The processes of a control group of the lab."""
    text = (control_group(lab) / group / "cgroup.procs").read_text(encoding="utf-8")
    return {int(number) for number in text.split()}


def kill_all(lab: dict[str, Any], pattern: str) -> None:
    """Kill what is in the control groups of the lab that match, and in those below them."""
    found = {
        int(number)
        for group in control_group(lab).glob(pattern)
        for listed in [group / "cgroup.procs", *group.rglob("cgroup.procs")]
        for number in listed.read_text(encoding="utf-8").split()
    }
    assert found, f"no process in {pattern}"
    for number in found:
        # The parent's end may have taken it along.
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="session")
def api(lab: dict[str, Any]) -> kubernetes.client.ApiClient:
    return kubernetes.config.new_client_from_config(lab["kubeconfig"])


@pytest.fixture(scope="session")
def core(api: kubernetes.client.ApiClient) -> kubernetes.client.CoreV1Api:
    return kubernetes.client.CoreV1Api(api)


@pytest.fixture(scope="session")
def kubectl(lab: dict[str, Any]) -> list[str]:
    """The lab's own, which lies beside its API server's program, told where the lab is."""
    record = pathlib.Path(lab["records_dir"], "control-kube-apiserver.json").read_text(encoding="utf-8")
    program = pathlib.Path("/proc", str(json.loads(record)["pid"]), "exe").readlink().with_name("kubectl")
    return [str(program), "--kubeconfig", lab["kubeconfig"]]


@pytest.fixture(scope="session")
def machine() -> Any:
    return testinfra.get_host("local://")


@pytest.fixture(scope="session")
def outside(lab: dict[str, Any]) -> Callable[..., tuple[int, Any]]:
    """HTTP through the gateway, from a client outside the cluster, with a good token unless told otherwise: (status, parsed body)."""
    good = token(signing_key(lab))

    def request(
        method: str, path: str, body: Any = None, timeout: int = 20, token: str | None = good
    ) -> tuple[int, Any]:
        node = lab["nodes"][0]["address"]
        command = [
            "nsenter", f"--net=/var/run/netns/{lab['outside']['netns']}",
            "curl", "--silent", "--show-error", "--max-time", str(timeout), "--request", method,
            "--write-out", "\n%{http_code}", "--header", "@-", f"http://{node}:{GATEWAY_PORT}{path}",
        ]  # fmt: skip
        given = f"Authorization: Bearer {token}\n" if token is not None else ""
        if body is not None:
            command += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
        answer = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, f"{method} {path}: {answer.stderr}"
        text, status = answer.stdout.rsplit("\n", 1)
        try:
            return int(status), json.loads(text)
        except ValueError:
            return int(status), text

    return request


def catalogue() -> dict[str, Any]:
    """Azora's catalogue as the role has it, to be changed and given as catalogue_platform; its own expressions stay as they are."""
    defaults = (CHECKOUT / "roles/catalogue/defaults/main.yml").read_text(encoding="utf-8")
    platform: dict[str, Any] = yaml.safe_load(defaults)["catalogue_platform"]
    return platform


def playbook_command(playbook: str, lab_name: str, extra: dict[str, Any]) -> list[str]:
    variables = yaml.safe_dump({"lab_name": lab_name, **extra}, default_flow_style=True, width=10**6).strip()
    return ["ansible-playbook", playbook, "-e", variables]


@pytest.fixture(scope="session")
def play(lab_name: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a playbook against the lab, with extra variables."""

    def run(playbook: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        return ansible(*playbook_command(playbook, lab_name, extra), check=False)

    return run


@pytest.fixture(scope="session")
def watched_play(lab_name: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same, with a function that gets each line while the playbook goes on."""

    def run(playbook: str, look: Callable[[str], None], **extra: Any) -> subprocess.CompletedProcess[str]:
        command, lines = playbook_command(playbook, lab_name, extra), []
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                look(line)
        return subprocess.CompletedProcess(command, process.returncode, "".join(lines), "")

    return run


@pytest.fixture(scope="session")
def verify(play: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    # Faults that change no object would else not be looked for.
    return lambda **extra: play("playbooks/verify.yml", **{"verify_force": True, **extra})
