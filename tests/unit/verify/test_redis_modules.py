# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that back up and restore Redis databases: what is refused, what check mode does, and that no key comes out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _kubernetes_client_redis
from ansible_collections.azora.platform.plugins.modules import redis_export, redis_import

from .conftest import FakeKubernetes

Run = Callable[..., dict[str, Any]]
NODES = {"redis.io/cluster": "rec", "redis.io/role": "node"}


def secret(**values: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


class Rest:
    """A cluster's REST API behind its pods, with one database; every change ends as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys = 0
        self.outcome = "succeeded"
        self.changes: list[tuple[str, Any]] = []
        monkeypatch.setattr(_kubernetes_client_redis.ClusterApi, "_ask_pod", self._ask)

    def _ask(self, _pod: str, method: str, path: str, body: Any) -> dict[str, Any]:
        if path.startswith("/v1/bdbs/stats/last/3"):
            return {"3": {"no_of_keys": float(self.keys)}}
        if method == "GET":
            reason = "" if self.outcome == "succeeded" else "no-permission"
            found: dict[str, Any] = {"last_export_time": "2026-05-01T00:00:00Z"}
            for action in ("export", "import"):
                found |= {f"{action}_status": self.outcome, f"{action}_failure_reason": reason}
            return found
        if method == "POST":
            self.changes.append((path.rpartition("/")[2], body))
            if path.endswith("import"):
                self.keys = 7
        return {}


@pytest.fixture
def rest(kubernetes_api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> Rest:
    kubernetes_api.add_pod("data", "rec-0", "127.0.0.1", NODES)
    place = {"awsSecretName": "rec-backups", "bucketName": "shop", "subdir": "rec/carts"}
    databases = "/apis/app.redislabs.com/v1alpha1/namespaces/data/redisenterprisedatabases"
    kubernetes_api.objects |= {
        "/apis/app.redislabs.com/v1/namespaces/data/redisenterpriseclusters/rec": {"spec": {}},
        f"{databases}/carts": {
            "spec": {"redisEnterpriseCluster": {"name": "rec"}, "backup": {"s3": place}},
            "status": {"databaseUID": "3"},
        },
        "/api/v1/namespaces/data/secrets/rec": secret(username="admin", password="rest-password"),
        "/api/v1/namespaces/data/secrets/rec-backups": secret(
            AWS_ACCESS_KEY_ID="AK", AWS_SECRET_ACCESS_KEY="store-secret"
        ),
    }
    return Rest(monkeypatch)


@pytest.fixture
def connection(kubernetes_api: FakeKubernetes) -> dict[str, Any]:
    return {"host": kubernetes_api.url, "api_key": "token", "interval": 0.001}


CARTS = {"namespace": "data", "name": "carts"}
FILES = {**CARTS, "files": ["carts.rdb.gz"]}


def test_an_export_says_where_and_when(rest: Rest, run: Run, connection: dict[str, Any]) -> None:
    result = run(redis_export, databases=[CARTS], **connection)
    assert result["changed"]
    assert result["databases"] == [
        {**CARTS, "destination": "s3://shop/rec/carts", "moment": "2026-05-01T00:00:00Z"},
    ]
    assert [action for action, _body in rest.changes] == ["export"]
    assert "store-secret" not in json.dumps(result)
    assert "rest-password" not in json.dumps(result)


def test_what_fails_is_one_sentence_without_a_key(rest: Rest, run: Run, connection: dict[str, Any]) -> None:
    rest.outcome = "failed"
    result = run(redis_export, databases=[CARTS], **connection)
    assert result["failed"]
    assert result["msg"] == "The export of data/carts failed (no-permission: the object store refuses the keys)."
    assert "store-secret" not in json.dumps(result)
    absent = run(redis_export, databases=[{**CARTS, "name": "other"}], **connection)
    assert absent["msg"] == "The RedisEnterpriseDatabase data/other is not there."


def test_check_mode_writes_and_imports_nothing(rest: Rest, run: Run, connection: dict[str, Any]) -> None:
    assert run(redis_export, check_mode=True, databases=[CARTS], **connection)["databases"][0]["moment"] is None
    assert run(redis_import, check_mode=True, **FILES, **connection)["keys_after"] == 0
    assert rest.changes == []


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_database_with_keys_is_refused(rest: Rest, run: Run, connection: dict[str, Any], *, check_mode: bool) -> None:
    rest.keys = 2
    result = run(redis_import, check_mode=check_mode, **FILES, **connection)
    assert result["failed"]
    assert "The database data/carts has 2 keys, and an import would replace them" in result["msg"]
    assert rest.changes == []


def test_a_database_with_keys_is_replaced_when_told(rest: Rest, run: Run, connection: dict[str, Any]) -> None:
    rest.keys = 2
    result = run(redis_import, **FILES, overwrite=True, subdir="old", **connection)
    assert (result["keys_before"], result["keys_after"], result["source"]) == (2, 7, "s3://shop/old")
    [(action, body)] = rest.changes
    assert action == "import"
    assert [(one["subdir"], one["filename"]) for one in body["dataset_import_sources"]] == [("old", "carts.rdb.gz")]
