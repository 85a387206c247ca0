# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Full and growing volumes of PostgreSQL: what is said, and which claims are written."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.azora.platform.plugins.filter.postgres_enlargement import postgres_enlargement
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_manifests
from ansible_collections.azora.platform.plugins.module_utils._postgres_volumes import full_sentence
from ansible_collections.azora.platform.plugins.module_utils._readiness import store_finding
from ansible_collections.azora.platform.plugins.module_utils._store_preflight import store_findings

FULL = "Not enough disk space"


def live(
    *, wal: str | None = "2Gi", phase: str = FULL, failed: t.Sequence[str] = ("pg-2",), conditions: t.Any = ()
) -> dict[str, t.Any]:
    spec: dict[str, t.Any] = {"instances": 3, "storage": {"size": "10Gi"}}
    if wal:
        spec["walStorage"] = {"size": wal}
    status = {
        "phase": phase,
        "readyInstances": 2,
        "instancesStatus": {"failed": list(failed)},
        "conditions": list(conditions),
    }
    return {"kind": "Cluster", "metadata": {"namespace": "data", "name": "pg"}, "spec": spec, "status": status}


def claim(
    name: str, size: str, role: str = "PG_WAL", *, capacity: str = "", namespace: str = "data", cluster: str = "pg"
) -> dict[str, t.Any]:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"cnpg.io/cluster": cluster, "cnpg.io/pvcRole": role},
        },
        "spec": {"storageClassName": "usual", "resources": {"requests": {"storage": size}}},
        "status": {"capacity": {"storage": capacity or size}},
    }


CLAIMS = [
    claim("pg-1", "10Gi", "PG_DATA"),
    claim("pg-1-wal", "2Gi"),
    claim("pg-2", "10Gi", "PG_DATA"),
    claim("pg-2-wal", "2Gi"),
]
OTHERS = [
    claim("pg-1-wal", "2Gi", namespace="other"),
    claim("pg-drill-1-wal", "2Gi", cluster="pg-drill"),
    claim("x", "1Gi", "PG_TABLESPACE"),
]


def test_what_is_full_and_what_to_write() -> None:
    sentence = full_sentence(live())
    assert sentence.startswith(
        "no room for one more file of the write-ahead log in pg-2-wal (2Gi): write a larger postgres_wal_storage_size"
    )
    assert "object store" not in sentence


def test_without_a_volume_of_its_own_the_log_fills_the_datas() -> None:
    sentence = full_sentence(live(wal=None, failed=["pg-3", "pg-1"]))
    assert "in pg-1, pg-3 (10Gi): write a larger postgres_storage_size" in sentence


def test_nobody_says_which_instance() -> None:
    assert "in one of its claims (2Gi)" in full_sentence(live(failed=[]))


def test_an_archive_that_refuses_the_log_has_to_be_mended_too() -> None:
    archiving = {"type": "ContinuousArchiving", "status": "False", "message": "403 Forbidden"}
    assert "does not arrive in the object store (403 Forbidden): mend that as well" in full_sentence(
        live(conditions=[archiving])
    )


@pytest.fixture
def wanted(catalogue, settings):
    """The manifests with these sizes."""

    def manifests(**sizes: str) -> list[dict[str, t.Any]]:
        return postgres_manifests(catalogue, settings("postgres", **sizes))

    return manifests


def test_a_full_cluster_is_hopeless_unless_its_volumes_grow() -> None:
    full, growing, other = (store_finding(live(), enlarged) for enlarged in ([], ["data/pg"], ["data/other"]))
    assert full is not None
    assert full.sentence.startswith("phase 'Not enough disk space', 2 of 3 instances ready, no room for")
    assert full.hopeless
    assert growing == full._replace(hopeless=False)
    assert other == full


def test_other_dead_ends_do_not_heal_by_room() -> None:
    finding = store_finding(live(phase="Invalid cluster definition"), ["data/pg"])
    assert finding is not None
    assert finding.hopeless


def test_the_claims_of_a_full_cluster_grow_to_what_is_wanted(wanted) -> None:
    answer = postgres_enlargement(wanted(postgres_wal_storage_size="3Gi"), [live()], [*CLAIMS, *OTHERS])
    assert answer["clusters"] == ["data/pg"]
    assert answer["claims"] == [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "data"},
            "spec": {"resources": {"requests": {"storage": "3Gi"}}},
        }
        for name in ("pg-1-wal", "pg-2-wal")
    ]


def test_what_grows_already_is_not_written_again_but_waited_for(wanted) -> None:
    growing = [claim("pg-1-wal", "3Gi", capacity="2Gi"), claim("pg-2-wal", "3Gi")]
    answer = postgres_enlargement(wanted(postgres_wal_storage_size="3Gi"), [live()], growing)
    assert answer == {"claims": [], "clusters": ["data/pg"]}


@pytest.mark.parametrize(
    ("phase", "size"),
    [("Cluster in healthy state", "3Gi"), (FULL, "2Gi"), (FULL, "1Gi")],
    ids=["not full", "same size", "smaller"],
)
def test_nothing_else_grows(wanted, phase, size) -> None:
    answer = postgres_enlargement(wanted(postgres_wal_storage_size=size), [live(phase=phase)], CLAIMS)
    assert answer == {"claims": [], "clusters": []}


LIVE = (live(),)


@pytest.fixture
def judge(wanted):
    def judged(
        *, clusters: t.Any = LIVE, claims: t.Any = tuple(CLAIMS), grows: bool = False, **sizes: str
    ) -> list[str]:
        usual = {
            "metadata": {"name": "usual", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "allowVolumeExpansion": grows,
        }
        return store_findings(
            wanted(**sizes),
            nodes=None,
            storage_classes=[usual],
            redis_clusters=None,
            postgres_clusters=clusters,
            claims=claims,
        )

    return judged


def test_sizes_that_are_there_are_no_finding(judge) -> None:
    assert judge() == []
    assert judge(clusters=[], claims=[], postgres_wal_storage_size="9Gi") == []


def test_a_volume_cannot_become_smaller(judge) -> None:
    assert judge(postgres_wal_storage_size="1Gi") == [
        "postgres_wal_storage_size is 1Gi for the PostgreSQL cluster data/pg, which has 2Gi already, and a volume cannot become smaller: "
        "write at least 2Gi"
    ]


def test_volumes_grow_only_where_their_class_lets_them(judge) -> None:
    assert judge(grows=True, postgres_wal_storage_size="3Gi", postgres_storage_size="20Gi") == []
    data, log = judge(postgres_wal_storage_size="3Gi", postgres_storage_size="20Gi")
    assert data.startswith(
        "postgres_storage_size is 20Gi for the PostgreSQL cluster data/pg, but pg-1, pg-2 have 10Gi, and the StorageClass 'usual'"
    )
    assert "postgres_wal_storage_size is 3Gi" in log
    assert log.endswith("write 2Gi, or recover into a new cluster (playbooks/restore.yml)")


def test_volumes_that_are_not_to_be_resized_stay_as_they_are(judge, wanted) -> None:
    sizes: t.Any = {
        "postgres_wal_storage_size": "3Gi",
        "postgres_cluster_settings": {"walStorage": {"resizeInUseVolumes": False}},
    }
    assert judge(**sizes) == []
    assert postgres_enlargement(wanted(**sizes), [*LIVE], CLAIMS) == {"claims": [], "clusters": []}


def test_a_size_that_is_none_is_named(judge) -> None:
    assert judge(postgres_wal_storage_size="3 GB", postgres_storage_size="20Gi") == [
        "postgres_wal_storage_size is '3 GB', which is no size: write one such as '10Gi'"
    ]


def test_what_could_not_be_read_is_not_judged(judge) -> None:
    assert judge(clusters=None, postgres_wal_storage_size="1Gi") == []
    assert judge(claims=None, postgres_wal_storage_size="3Gi") == []
