# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens, limits, headers and the rest: from the catalogue to what Tyk reads, and what a catalogue may not say of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _routes
from ansible_collections.azora.platform.plugins.module_utils._catalogue import CatalogueError

PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n"
JWKS = "https://login.example.org/.well-known/jwks.json"
RS256 = {"method": "jwt", "algorithm": "RS256"}


def with_gateway(platform: dict[str, Any], expose: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """The platform with other settings of the gateway, and of the route to user."""
    for key in ("authentication", "client_rate_limit"):
        platform["gateway"].pop(key, None)
    platform["gateway"].update(settings)
    user = next(service for service in platform["services"] if service["name"] == "user")
    user["expose"] = {"path": "/users", **(expose or {})}
    return platform


def definition(platform: dict[str, Any]) -> dict[str, Any]:
    return _routes.gateway_api_definitions(_catalogue.normalised(platform))["user"]


def version(platform: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definition(platform)["version_data"]["versions"]["Default"]
    return found


def test_without_authentication_there_is_no_policy(platform: dict[str, Any]) -> None:
    catalogue = _catalogue.normalised(with_gateway(platform))
    assert all(entry["use_keyless"] is True for entry in _routes.gateway_api_definitions(catalogue).values())
    assert json.loads(json.dumps(_routes.gateway_policies(catalogue))) == {}


def test_the_key_of_hs256_comes_from_the_environment(platform: dict[str, Any]) -> None:
    found = definition(with_gateway(platform, authentication="jwt"))
    assert (found["use_keyless"], found["enable_jwt"], found["jwt_signing_method"]) == (False, True, "hmac")
    assert found["jwt_source"] == "env://JWT_HMAC_KEY"
    assert (found["jwt_identity_base_field"], found["jwt_default_policies"]) == ("sub", ["clients"])


@pytest.mark.parametrize(("source", "value"), [("public_key", PUBLIC_KEY), ("jwks_url", JWKS)])
def test_the_key_of_rs256_stands_in_the_definition(platform: dict[str, Any], source: str, value: str) -> None:
    found = definition(with_gateway(platform, authentication={**RS256, source: value, "subject_claim": "email"}))
    assert (found["jwt_signing_method"], found["jwt_identity_base_field"]) == ("rsa", "email")
    assert base64.b64decode(found["jwt_source"]).decode() == value


def test_the_gateway_may_reach_its_key_set(platform: dict[str, Any]) -> None:
    given = with_gateway(platform, authentication={**RS256, "jwks_url": JWKS, "jwks_cidrs": ["203.0.113.0/24"]})
    assert _catalogue.normalised(given)["gateway"]["external"] == [
        {"name": "jwks", "port": 443, "cidrs": ["203.0.113.0/24"]}
    ]


def test_a_public_route_takes_everybody_and_no_policy_names_it(platform: dict[str, Any]) -> None:
    given = with_gateway(
        platform, {"authentication": False}, authentication="jwt", client_rate_limit={"rate": 5, "per_seconds": 10}
    )
    catalogue = _catalogue.normalised(given)
    assert _routes.gateway_api_definitions(catalogue)["user"]["use_keyless"] is True
    policy = _routes.gateway_policies(catalogue)["clients"]
    assert set(policy["access_rights"]) == {"ai-agent", "analytics", "course", "enrollment", "session"}
    assert policy["access_rights"]["course"] == {"api_id": "course", "api_name": "course", "versions": ["Default"]}
    assert (policy["rate"], policy["per"], policy["quota_max"]) == (5, 10, -1)
    assert (policy["active"], policy["state"]) == (True, "active")
    owners = {entry["org_id"] for entry in _routes.gateway_api_definitions(catalogue).values()}
    assert owners == {policy["org_id"]}, "Tyk refuses tokens whose policy is another organisation's"


def test_a_route_says_otherwise_than_the_gateway(platform: dict[str, Any]) -> None:
    given = with_gateway(
        platform,
        {
            "rate_limit": {"rate": 1, "per_seconds": 2},
            "request_headers": {"add": {"X-Platform": "other"}, "remove": ["X-Trace"]},
        },
        rate_limit={"rate": 100, "per_seconds": 1},
        request_headers={"add": {"X-Platform": "azora", "X-Via": "gateway"}, "remove": ["X-Internal"]},
        response_headers={"remove": ["Server"]},
    )
    assert definition(given)["global_rate_limit"] == {"rate": 1, "per": 2}
    found = version(given)
    assert found["global_headers"] == {"X-Platform": "other", "X-Via": "gateway"}
    assert found["global_headers_remove"] == ["X-Internal", "X-Trace"]
    assert (found["global_response_headers"], found["global_response_headers_remove"]) == ({}, ["Server"])
    others = _routes.gateway_api_definitions(_catalogue.normalised(given))
    assert others["course"]["global_rate_limit"] == {"rate": 100, "per": 1}


def test_timeouts_and_breakers_are_there_for_each_method(platform: dict[str, Any]) -> None:
    breaker = {"threshold_percent": 50, "samples": 20, "open_seconds": 10}
    given = with_gateway(platform, {"timeout_seconds": 60}, circuit_breaker=breaker, size_limit_bytes=1000)
    found = version(given)
    assert found["global_size_limit"] == 1000
    timeouts = {entry["method"]: entry["timeout"] for entry in found["extended_paths"]["hard_timeouts"]}
    assert timeouts == dict.fromkeys(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), 60)
    first = found["extended_paths"]["circuit_breakers"][0]
    assert (first["threshold_percent"], first["samples"], first["return_to_service_after"]) == (0.5, 20, 10)
    # No route waits longer than Tyk's own limit, which is 30 s.
    assert _routes.gateway_settings(_catalogue.normalised(given))["proxy_default_timeout"] == 60


def test_cors_has_sensible_defaults(platform: dict[str, Any]) -> None:
    found = definition(with_gateway(platform, cors={"origins": ["https://www.example.org"], "max_age_seconds": 5}))[
        "CORS"
    ]
    assert found["enable"] is True
    assert (found["allowed_origins"], found["max_age"]) == (["https://www.example.org"], 5)
    assert "Authorization" in found["allowed_headers"]
    assert found["options_passthrough"] is False


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"authentication": {"method": "jwt", "algorithm": "HS265"}}, "gateway.authentication.algorithm: 'HS265' is not a choice; did you mean 'HS256'?"),
        ({"authentication": "basic"}, "gateway.authentication.method: 'basic' is not a choice; known: jwt, none."),
        ({"authentication": {"method": "none", "algorithm": "HS256"}}, "gateway.authentication.algorithm: is for the method jwt; "),
        ({"authentication": RS256}, "gateway.authentication.algorithm: RS256 needs public_key or jwks_url; "),
        ({"authentication": {**RS256, "public_key": PUBLIC_KEY, "jwks_url": JWKS}}, "gateway.authentication.algorithm: RS256 takes only one of "),
        ({"authentication": {**RS256, "public_key": "AAAA"}}, "gateway.authentication.public_key: 'AAAA' is not valid; write a public key in PEM form"),
        ({"authentication": {**RS256, "jwks_url": "login"}}, "gateway.authentication.jwks_url: 'login' is not valid; write the URL"),
        ({"authentication": {**RS256, "jwks_url": "http://login.auth.svc/keys"}}, "gateway.authentication.jwks_url: 'login.auth.svc' is in the cluster, "),
        ({"authentication": {"method": "jwt", "jwks_url": JWKS}}, "gateway.authentication.jwks_url: is for RS256; "),
        (
            {"authentication": {**RS256, "public_key": PUBLIC_KEY, "secret": {"name": "keys", "key": "hmac"}}},
            "gateway.authentication.secret: is for HS256; ",
        ),
        ({"authentication": {"method": "jwt", "issuers": ["x"]}}, "gateway.authentication.issuers: 'issuers' is not a known key; "),
        ({"client_rate_limit": {"rate": 5, "per_seconds": 1}}, "gateway.client_rate_limit: needs clients that are known; "),
        (
            {"authentication": "jwt", "client_rate_limit": {"rate": 0, "per_seconds": 1}},
            "gateway.client_rate_limit.rate: 0 is not a number of requests from 1 to 1000000.",
        ),
        ({"rate_limit": {"rate": 5}}, "gateway.rate_limit.per_seconds: is missing; write a number of seconds from 1 to 86400."),
        ({"rate_limit": {"rate": 5, "per_seconds": 1}, "stores": []}, "gateway.stores: is empty; tokens and limits need a Redis database"),
        ({"size_limit_bytes": 0}, "gateway.size_limit_bytes: 0 is not a number of bytes from 1 to "),
        ({"timeout_seconds": 0}, "gateway.timeout_seconds: 0 is not a number of seconds from 1 to 3600."),
        ({"cors": {"origins": ["*"], "credentials": True}}, "gateway.cors.credentials: is on for any origin, "),
        ({"cors": {"origins": ["www.example.org"]}}, "gateway.cors.origins[0]: 'www.example.org' is not valid; write an origin such as "),
        ({"request_headers": {"add": {"X-Key": "env://SECRET"}}}, "gateway.request_headers.add.X-Key: 'env://SECRET' is not valid; write plain text"),
        ({"request_headers": {"add": {"X-User": "$tyk_context.sub"}}}, "gateway.request_headers.add.X-User: '$tyk_context.sub' is not valid; "),
        ({"request_headers": {"add": {"X-A": "1", "x-a": "2"}}}, "gateway.request_headers.add.x-a: is X-A again; write it once."),
        ({"response_headers": {"remove": ["content-length"]}}, "gateway.response_headers.remove[0]: 'content-length' is not valid; "),
        (
            {"circuit_breaker": {"threshold_percent": 0, "samples": 1, "open_seconds": 1}},
            "gateway.circuit_breaker.threshold_percent: 0 is not a percentage from 1 to 100.",
        ),
    ],
)  # fmt: skip
def test_mistakes_of_the_gateway(platform: dict[str, Any], settings: dict[str, Any], sentence: str) -> None:
    mistakes = _catalogue.mistakes(with_gateway(platform, **settings))
    assert [mistake for mistake in mistakes if mistake.startswith(sentence)], mistakes
    assert len(mistakes) == 1


@pytest.mark.parametrize(
    ("expose", "sentence"),
    [
        (
            {"path": "/courses/users"},
            "services.course.expose.path: '/courses' lies above '/courses/users', the path of user; ",
        ),
        ({"authentication": True}, "services.user.expose.authentication: is on, but the gateway has none; "),
        (
            {"rate_limit": {"rate": -1, "per_seconds": 1}},
            "services.user.expose.rate_limit.rate: -1 is not a number of requests from 1 to ",
        ),
    ],
)
def test_mistakes_of_a_route(platform: dict[str, Any], expose: dict[str, Any], sentence: str) -> None:
    [mistake] = _catalogue.mistakes(with_gateway(platform, expose))
    assert mistake.startswith(sentence), mistake


def test_a_path_below_another_is_refused_whichever_comes_first(platform: dict[str, Any]) -> None:
    next(service for service in platform["services"] if service["name"] == "course")["expose"] = {
        "path": "/users/courses"
    }
    [mistake] = _catalogue.mistakes(platform)
    assert mistake.startswith(
        "services.course.expose.path: '/users/courses' lies below '/users', which is the path of user; "
    )
    # A path that only begins with the same letters is another one: routes are strict.
    next(service for service in platform["services"] if service["name"] == "course")["expose"] = {"path": "/users-2"}
    assert _catalogue.mistakes(platform) == []


def test_normalised_refuses_what_mistakes_name(platform: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError, match="HS265"):
        _catalogue.normalised(with_gateway(platform, authentication={"method": "jwt", "algorithm": "HS265"}))
