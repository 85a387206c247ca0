# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as a survey gives them, all texts, some of them empty: what the roles make of them, before any cluster is asked.

One play over many hosts, a host for each case; none has a cluster, so that an answer that is right ends where the cluster would be asked.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _names

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
NOBODY_THERE = "The cluster cannot be read"
# Modules of kubernetes.core say it in other words.
NO_API = "Connection refused"
EMPTY = {"rollback_workloads": "", "rollback_revision": "", "rollback_since": "", "rollback_timeout": 300}

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing_answered": ("rollback", EMPTY, NOBODY_THERE),
    "names_in_a_text": (
        "rollback",
        {"rollback_workloads": "user, course", "rollback_revision": "previous"},
        NOBODY_THERE,
    ),
    "read_as_null": (
        "rollback",
        {"rollback_workloads": None, "rollback_revision": None, "rollback_since": None},
        NOBODY_THERE,
    ),
    "read_as_null_too": (
        "verify",
        {"verify_workloads": None, "verify_cut_off": None, "verify_checks": ["probes"]},
        NO_API,
    ),
    "read_as_date": (
        "rollback",
        {"rollback_since": datetime.datetime(2026, 1, 31, 14, 5, tzinfo=datetime.UTC), "rollback_revision": "previous"},
        NOBODY_THERE,
    ),
    "no_workload": (
        "rollback",
        {"rollback_workloads": "user,nobody"},
        "rollback_workloads names nobody, which the catalogue does not have; write one of gateway, user",
    ),
    "no_moment": (
        "rollback",
        {"rollback_since": "yesterday"},
        'rollback_since is "yesterday"; write a moment in UTC, such as 2026-01-31T14:05:00Z',
    ),
    "moment_and_number": (
        "rollback",
        {"rollback_since": "2026-01-31T14:05:00Z", "rollback_revision": "4"},
        'rollback_revision is "4"; with a moment it can only be previous',
    ),
    "no_site_before": (
        "rollback",
        {"rollback_since": "site", "rollback_revision": "previous"},
        "rollback_since is site, and no run of site.yml came before this job",
    ),
    "site_before": (
        "rollback",
        {
            "rollback_since": "site",
            "rollback_revision": "previous",
            "azora_site": {"site_before": {"began": datetime.datetime(2026, 1, 31, 14, 5)}},
        },
        NOBODY_THERE,
    ),
    "no_number": ("rollback", {"rollback_timeout": "soon"}, "rollback_timeout"),
    "every_store": ("backup", {"backup_stores": "", "backup_timeout": "60"}, NO_API),
    "no_store": (
        "backup",
        {"backup_stores": "postgres kafka"},
        "backup_stores names kafka, which the catalogue does not have backed up",
    ),
    "store_to_recover": (
        "restore",
        {"restore_store": "mysql"},
        'restore_store is "mysql", which the catalogue does not have backed up; it has postgres, redis',
    ),
    "no_new_cluster": (
        "restore",
        {"restore_store": "postgres", "restore_cluster": ""},
        'restore_cluster is ""; write the name of the cluster to make',
    ),
    "old_cluster": ("restore", {"restore_cluster": "pg"}, "restore_cluster is 'pg', which the catalogue has already"),
    "no_moment_to_recover": (
        "restore",
        {"restore_cluster": "pg-2", "restore_time": "yesterday"},
        "restore_time is 'yesterday'; write it as 2026-01-31 14:05:00+00",
    ),
    "no_files": (
        "restore",
        {"restore_store": "redis", "restore_database": "session", "restore_files": ""},
        "restore_files is empty: name the files in the bucket",
    ),
    "files_in_lines": (
        "restore",
        {"restore_store": "redis", "restore_database": "session", "restore_files": "a.rdb\nb.rdb"},
        NO_API,
    ),
    "nobody_to_rotate": (
        "rotate",
        {"rotate_only": "user, nobody"},
        "rotate_only names 'nobody', but what can be rotated",
    ),
    "some_verified": (
        "verify",
        {"verify_workloads": "user, course", "verify_checks": ["probes"], "verify_cut_off": "all"},
        NO_API,
    ),
    "nobody_verified": ("verify", {"verify_workloads": "user,nobody"}, "nobody"),
    "credential_is_missing": (
        "catalogue",
        {"awx_job_id": 7},
        "This job of AWX has no credential for the cluster credential_is_missing and would act as the service account of AWX's own pod",
    ),
    "credential_is_there": (
        "catalogue",
        {"awx_job_id": 7, "azora_connection": {"host": "https://127.0.0.1:9"}},
        NOBODY_THERE,
    ),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each host's run ended with."""
    folder = tmp_path_factory.mktemp("answers")
    known = {
        "name": "The description is known already, as in a run of several stages",
        "ansible.builtin.set_fact": {
            "catalogue": "{{ catalogue_platform | azora.platform.catalogue_normalised }}",
            "cluster": {
                "pod_cidrs": ["10.128.0.0/16"],
                "dns": {"namespace": "kube-system", "pod_labels": {"k8s-app": "kube-dns"}, "port": 53},
            },
            "__catalogue_derived_from": {"platform": "{{ catalogue_platform }}", "cluster": {}},
        },
        "run_once": True,
    }
    tried = {"name": "Try it", "ansible.builtin.include_role": {"name": "azora.platform.{{ tried }}"}}
    defaults = {"group/azora.platform.k8s": "{{ azora_connection | default({}) }}"}
    plays = [
        {"hosts": "all", "gather_facts": False, "strategy": "linear", "tasks": [known]},
        {"hosts": "all", "gather_facts": False, "strategy": "free", "module_defaults": defaults, "tasks": [tried]},
    ]
    common = yaml.safe_load((CHECKOUT / "roles/catalogue/defaults/main.yml").read_text(encoding="utf-8")) | {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "catalogue_service_image": "a/b:1",
        "catalogue_backup": {
            "destination": "s3://backups",
            "endpoint": "https://s3.internal",
            "cidrs": ["192.0.2.1/32"],
        },
    }
    connection = {"azora_connection": {"host": "https://127.0.0.1:9", "api_key": "none"}}
    # Of another cluster nothing is known yet.
    another = {"catalogue_cluster": {"pod_cidrs": ["10.9.0.0/16"]}}
    hosts = {
        name: (another if role == "catalogue" else connection) | {"tried": role} | answers
        for name, (role, answers, _sentence) in CASES.items()
    }
    (folder / "play.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("K8S_AUTH_")} | {
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        # As in a pod.
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "9",
    }
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"
    ran = subprocess.run(
        [str(program), "play.yml", "-i", "hosts.yml", "-f", "4"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    output = ran.stdout + ran.stderr
    assert "changed=1" not in output
    found = re.findall(r"^(?:fatal|failed): \[(\w+)\].*?=>(.*?)(?=^\S|\Z)", output, re.MULTILINE | re.DOTALL)
    assert {host for host, _text in found} == set(CASES), output[-12000:]
    # YAML doubles what it quotes by.
    return {host: " ".join(text.split()).replace("''", "'") for host, text in found}


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_taken_or_refused_in_a_sentence(said: dict[str, str], case: str) -> None:
    assert CASES[case][2] in said[case]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", []),
        ("  ", []),
        (None, []),
        ([], []),
        ([""], []),
        ("user", ["user"]),
        ("user,course", ["user", "course"]),
        ("user, course,\nuser", ["user", "course"]),
        ("[user, 'course']", ["user", "course"]),
        ('["user"]', ["user"]),
        (["user", " course "], ["user", "course"]),
        ("default/user all", ["default/user", "all"]),
        ([4], ["4"]),
    ],
)
def test_names_however_they_were_given(given: Any, names: list[str]) -> None:
    assert _names.names(given) == names


@pytest.mark.parametrize("given", [{"user": 1}, True, 3, [{"name": "user"}], [True]])
def test_what_are_no_names(given: Any) -> None:
    with pytest.raises(_names.NamesError, match="write names, as a list or with commas between them"):
        _names.names(given)


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        (None, ""),
        ("", ""),
        ("site", "site"),
        ("2026-01-31T14:05:00Z", "2026-01-31T14:05:00Z"),
        (datetime.datetime(2026, 1, 31, 14, 5), "2026-01-31T14:05:00Z"),
        (datetime.datetime.fromisoformat("2026-01-31T15:05:00+01:00"), "2026-01-31T14:05:00Z"),
    ],
)
def test_a_moment_however_it_was_read(given: Any, moment: str) -> None:
    assert _names.moment(given) == moment
