# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway makes of Tyk's files: configuration, definitions, routes."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("redis")
pytest.importorskip("jwt")

from tyk_stand_in.configuration import Configuration, ConfigurationError, read_configuration, variable_of
from tyk_stand_in.definitions import ApiDefinition, DefinitionError, parse_definition, read_definitions
from tyk_stand_in.policies import PolicyError, read_policies
from tyk_stand_in.routing import Routes, leaves_its_path, upstream_url

Write = Any


def definition(listen_path: str = "/users", target: str = "http://user:8080", **settings: Any) -> ApiDefinition:
    proxy = {"listen_path": listen_path, "target_url": target, **settings.pop("proxy", {})}
    return parse_definition({"api_id": listen_path, "active": True, "use_keyless": True, "proxy": proxy, **settings})


# ---- tyk.conf -------------------------------------------------------------------------------------------------------


def configuration(path: pathlib.Path, document: Any, **variables: str) -> Configuration:
    path = path / "tyk.conf"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_configuration(path, variables)


@pytest.mark.parametrize(
    ("path", "variable"),
    [
        ("listen_port", "TYK_GW_LISTENPORT"),
        ("node_secret", "TYK_GW_NODESECRET"),
        ("control_api_port", "TYK_GW_CONTROLAPIPORT"),
        ("storage.addrs", "TYK_GW_STORAGE_ADDRS"),
        ("policies.policy_record_name", "TYK_GW_POLICIES_POLICYRECORDNAME"),
        ("http_server_options.enable_strict_routes", "TYK_GW_HTTPSERVEROPTIONS_ENABLESTRICTROUTES"),
    ],
)
def test_variables_are_named_as_tyk_names_them(path: str, variable: str) -> None:
    assert variable_of(path) == variable


def test_variables_win_over_the_file(tmp_path: pathlib.Path) -> None:
    found = configuration(
        tmp_path,
        {"listen_port": 8080, "secret": "in-the-file", "storage": {"addrs": ["redis:6379"]}, "hash_keys": True},
        TYK_GW_LISTENPORT="9000",
        TYK_GW_SECRET="in-the-secret",
        TYK_GW_STORAGE_ADDRS="gateway.azora-redis.svc:12003",
        TYK_GW_STORAGE_PASSWORD="redis-password",
        TYK_GW_HASHKEYS="true",
    )
    assert (found.listen_port, found.secret) == (9000, "in-the-secret")
    assert found.storage_address == ("gateway.azora-redis.svc", 12003)
    assert "password" not in repr(found).replace("storage_password", "")


def test_host_and_port_are_used_where_no_addresses_are(tmp_path: pathlib.Path) -> None:
    found = configuration(tmp_path, {"storage": {"host": "redis", "port": 6380}}, TYK_GW_STORAGE_PORT="6381")
    assert found.storage_address == ("redis", 6381)


def test_every_mistake_is_found_at_once(tmp_path: pathlib.Path) -> None:
    document = {
        "listen_port": "8080",
        "use_db_app_configs": True,
        "storage": {"enable_cluster": True, "addrs": ["redis"]},
        "http_server_options": {"use_ssl": True},
    }
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path, document, TYK_GW_CONTROLAPIPORT="none", TYK_GW_LOGLEVEL="loud")
    text = " ".join(caught.value.mistakes)
    for name in (
        "listen_port",
        "TYK_GW_CONTROLAPIPORT",
        "use_db_app_configs",
        "addrs",
        "cluster",
        "use_ssl",
        "log_level",
    ):
        assert name in text


@pytest.mark.parametrize("document", ["{", "[]"])
def test_a_file_that_is_no_object_is_refused(tmp_path: pathlib.Path, document: str) -> None:
    with pytest.raises(ConfigurationError):
        configuration(tmp_path, document)


# ---- definitions ----------------------------------------------------------------------------------------------------


def test_files_are_read_as_tyk_reads_them(tmp_path: pathlib.Path) -> None:
    complete = {"api_id": "user", "proxy": {"listen_path": "/users", "target_url": "http://user:8080"}}
    files = {
        "user.json": json.dumps(complete),
        "user-oas.json": json.dumps(complete),
        "user-mcp.json": json.dumps(complete),
        "broken.json": "{",
        "empty.json": "",
        "readme.txt": "not read",
        "zz-again.json": json.dumps(complete | {"api_id": "again"}),
        "course.json": json.dumps({"api_id": "course", "proxy": {"listen_path": "courses", "target_url": "http://c"}}),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert [(found.api_id, found.listen_path) for found in read_definitions(tmp_path)] == [
        ("course", "/courses"),
        ("user", "/users"),
    ]


def test_a_folder_that_is_not_there_means_no_apis(tmp_path: pathlib.Path) -> None:
    assert read_definitions(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"api_id": "a", "proxy": {"listen_path": "", "target_url": "http://a"}},
        {"api_id": "a", "proxy": {"listen_path": "/a b", "target_url": "http://a"}},
        {"api_id": "a", "proxy": {"listen_path": "/{id}", "target_url": "http://a"}},
        {"api_id": "a", "proxy": {"listen_path": "/a", "target_url": "user:8080"}},
        {"api_id": "", "proxy": {"listen_path": "/a", "target_url": "http://a"}},
        {"api_id": "a", "active": "yes", "proxy": {"listen_path": "/a", "target_url": "http://a"}},
    ],
)
def test_what_cannot_be_served_is_refused(document: Any) -> None:
    with pytest.raises(DefinitionError):
        parse_definition(document)


def test_silence_means_inactive_and_closed() -> None:
    """Go's zero values: neither active nor keyless."""
    found = parse_definition({"api_id": "a", "proxy": {"listen_path": "/a", "target_url": "http://a"}})
    assert (found.active, found.keyless) == (False, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"enable_ip_whitelisting": True},
        {"version_data": {"not_versioned": False}},
        {"version_data": {"versions": {"Default": {"extended_paths": {"white_list": [{}]}}}}},
    ],
)
def test_what_restricts_access_and_is_not_implemented_is_a_restriction(settings: dict[str, Any]) -> None:
    assert definition(**settings).restrictions
    assert not definition().restrictions


def test_policies_come_from_a_file_or_a_folder(tmp_path: pathlib.Path) -> None:
    record = tmp_path / "policies.json"
    record.write_text('{"user-default": {"id": "user-default"}}')
    assert list(read_policies("file", str(record), "")) == ["user-default"]
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "one.json").write_text('{"id": "one"}')
    assert list(read_policies("file", str(record), str(folder))) == ["one"]
    assert read_policies("", str(record), "") == {}
    record.write_text("")
    with pytest.raises(PolicyError):
        read_policies("file", str(record), "")


# ---- routes ---------------------------------------------------------------------------------------------------------


def test_the_longest_listen_path_wins() -> None:
    routes = Routes([definition("/foo"), definition("/foo-bar"), definition("/foo/deep"), definition("/")])
    matched = {
        path: found.listen_path
        for path in ("/foo", "/foo/x", "/foo-bar", "/foo/deep/x", "/x")
        if (found := routes.match(path))
    }
    assert matched == {
        "/foo": "/foo",
        "/foo/x": "/foo",
        "/foo-bar": "/foo-bar",
        "/foo/deep/x": "/foo/deep",
        "/x": "/",
    }


def test_prefixes_are_plain_unless_routes_are_strict() -> None:
    apis = [definition("/users")]
    assert Routes(apis).match("/users2") is not None
    assert Routes(apis, strict=True).match("/users2") is None
    assert Routes(apis, strict=True).match("/users/2") is not None
    assert Routes(apis, strict=True).match("/users") is not None


def test_what_is_inactive_is_not_matched_but_listed() -> None:
    routes = Routes([definition("/users", active=False)])
    assert routes.match("/users") is None
    assert routes.by_id("/users") is not None


@pytest.mark.parametrize(
    ("listen_path", "target", "strip", "path", "query", "url"),
    [
        ("/users", "http://user:8080", False, "/users/7", "", "http://user:8080/users/7"),
        ("/users", "http://user:8080/", False, "/users", "a=1&b=%20", "http://user:8080/users?a=1&b=%20"),
        ("/ai", "http://agent:8080", True, "/ai/ask", "", "http://agent:8080/ask"),
        ("/ai/", "http://agent:8080", True, "/ai/ask", "", "http://agent:8080/ask"),
        ("/ai", "http://agent:8080", True, "/ai", "", "http://agent:8080/"),
        ("/ai", "http://agent:8080/base/", True, "/ai/ask/", "", "http://agent:8080/base/ask/"),
        ("/ai", "http://agent:8080/base", True, "/ai/", "", "http://agent:8080/base"),
        ("/users", "http://user:8080", False, "/users/a%2Fb", "", "http://user:8080/users/a%2Fb"),
    ],
)
def test_the_service_sees_this_url(
    listen_path: str, target: str, strip: bool, path: str, query: str, *, url: str
) -> None:
    api = definition(listen_path, target, proxy={"strip_listen_path": strip})
    assert upstream_url(api, path, query) == url


@pytest.mark.parametrize(
    ("path", "leaves"),
    [("/users/../sessions", True), ("/users/%2e%2E/x", True), ("/users/./x", True), ("/users/..x/a.b", False)],
)
def test_paths_that_climb_are_seen(path: str, leaves: bool) -> None:
    assert leaves_its_path(path) is leaves
