# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens, limits, headers, CORS, sizes, timeouts and circuit breakers on the wire, answered as Tyk answers."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

jwt = pytest.importorskip("jwt")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")

Start = Callable[..., Any]
KEY = bytes(range(32))
OTHER_KEY = bytes(32)
# One window for a whole test, however slow the machine.
LONG = 86400
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
TOKENS = {
    "org_id": "default",
    "use_keyless": False,
    "enable_jwt": True,
    "jwt_signing_method": "hmac",
    "jwt_source": base64.b64encode(KEY).decode(),
    "jwt_identity_base_field": "sub",
    "jwt_default_policies": ["clients"],
}
LIMITED = {"enable_fixed_window_rate_limiter": True}


def token(subject: str = "somebody", key: Any = KEY, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    headers = {"kid": claims.pop("kid")} if "kid" in claims else None
    claims = {"sub": subject, "exp": int(time.time()) + 60, **claims}
    return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm=algorithm, headers=headers)}"}


def allow(one: Any, *apis: str, **policy: Any) -> None:
    """Write the policy of the clients."""
    rights = {api: {"api_id": api, "api_name": api, "versions": ["Default"]} for api in apis}
    document = {"id": "clients", "org_id": "default", "active": True, "state": "active", "quota_max": -1}
    one.policies.write_text(json.dumps({"clients": {**document, "access_rights": rights, **policy}}))


def versioned(**version: Any) -> dict[str, Any]:
    return {"version_data": {"not_versioned": True, "versions": {"Default": {"name": "Default", **version}}}}


def said(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]


# ---- tokens ---------------------------------------------------------------------------------------------------------


def test_who_has_no_good_token_is_told_as_tyk_tells_it(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    one.define("user", user.url, **TOKENS)
    allow(one, "user")
    one.reload()
    unsigned = token()["Authorization"].rpartition(".")[0] + "."
    assert said(one.ask("GET", "/user")) == (400, "Authorization field missing")
    refused = {
        "nonsense": {"Authorization": "Bearer nonsense"},
        "unsigned": {"Authorization": unsigned},
        "another key": token(key=OTHER_KEY),
    }
    for kind, headers in refused.items():
        assert said(one.ask("GET", "/user", headers=headers)) == (403, "Key not authorized"), kind
    for headers in (token(key=PRIVATE, algorithm="RS256"), {"Authorization": f"Bearer {jwt.encode({}, '', 'none')}"}):
        answer = one.ask("GET", "/user", headers=headers)
        assert said(answer) == (403, "Key not authorized: Unexpected signing method")
    now = int(time.time())
    assert said(one.ask("GET", "/user", headers=token(exp=now - 1))) == (401, "Key not authorized: token has expired")
    early = one.ask("GET", "/user", headers=token(nbf=now + 60))
    assert said(early) == (401, "Key not authorized: token is not valid yet")
    nobody = one.ask("GET", "/user", headers=token(subject=""))
    assert said(nobody) == (403, "found an empty user ID in predefined base claim, claim: sub")
    assert user.requests == []
    assert one.ask("GET", "/user", headers=token()).status == 200
    # Tyk takes a bare token, too.
    assert one.ask("GET", "/user", headers={"Authorization": token()["Authorization"][7:]}).status == 200


def test_a_token_opens_only_what_its_policy_names(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    for name in ("user", "course"):
        one.define(name, user.url, **TOKENS)
    one.define("foreign", user.url, **{**TOKENS, "org_id": "another"})
    one.define("unnamed", user.url, **{**TOKENS, "jwt_default_policies": ["nobody"]})
    allow(one, "user", "foreign", "unnamed")
    one.reload()
    assert one.ask("GET", "/user", headers=token()).status == 200
    assert said(one.ask("GET", "/course", headers=token())) == (403, "Access to this API has been disallowed")
    for name in ("foreign", "unnamed"):
        answer = one.ask("GET", f"/{name}", headers=token())
        assert said(answer) == (403, "key not authorized: no matching policy")
    allow(one, "user", active=False)
    one.reload()
    assert one.ask("GET", "/user", headers=token()).status == 403


def test_the_key_comes_from_the_environment(gateway: Start, redis: Any, peer: Start) -> None:
    one, user = gateway(redis.environment, variables={"JWT_HMAC_KEY": base64.b64encode(KEY).decode()}), peer()
    one.define("user", user.url, **{**TOKENS, "jwt_source": "env://JWT_HMAC_KEY"})
    one.define("course", user.url, **{**TOKENS, "jwt_source": "env://NOWHERE"})
    allow(one, "user", "course")
    one.reload()
    assert one.ask("GET", "/user", headers=token()).status == 200
    # Without a value there is no key: the API is not served.
    assert one.ask("GET", "/course", headers=token()).status == 404


def test_public_keys_are_taken_as_they_stand_or_from_a_set(shared_gateway: Any, peer: Start) -> None:
    one, user, issuer = shared_gateway, peer(), peer()
    entry = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE.public_key()))
    issuer.answers = lambda _request: (200, {"keys": [{**entry, "kid": "one"}, {"kty": "EC", "kid": "other"}]})
    rsa_tokens = {**TOKENS, "jwt_signing_method": "rsa"}
    one.define("user", user.url, **{**rsa_tokens, "jwt_source": base64.b64encode(PUBLIC_PEM).decode()})
    url = f"{issuer.url}/keys"
    one.define("course", user.url, **{**rsa_tokens, "jwt_source": base64.b64encode(url.encode()).decode()})
    allow(one, "user", "course")
    one.reload()
    good = token(key=PRIVATE, algorithm="RS256", kid="one")
    assert one.ask("GET", "/user", headers=good).status == 200
    # The public key is no secret: a token signed with it as if it were one must not pass.
    head = token()["Authorization"].rpartition(".")[0]
    signature = hmac.digest(PUBLIC_PEM, head.removeprefix("Bearer ").encode(), "sha256")
    forged = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    answer = one.ask("GET", "/user", headers={"Authorization": forged})
    assert said(answer) == (403, "Key not authorized: Unexpected signing method")
    assert [one.ask("GET", "/course", headers=good).status for _turn in range(3)] == [200, 200, 200]
    for kid in ("unknown", "other"):
        headers = token(key=PRIVATE, algorithm="RS256", kid=kid)
        assert said(one.ask("GET", "/course", headers=headers)) == (403, "Key not authorized")
    assert one.ask("GET", "/course", headers=token(key=PRIVATE, algorithm="RS256")).status == 403
    assert len(issuer.requests) == 1, "the set is kept"


def test_a_set_that_cannot_be_fetched_is_asked_for_again(shared_gateway: Any, peer: Start) -> None:
    one, user, issuer = shared_gateway, peer(), peer()
    issuer.answers = lambda _request: (500, b"broken")
    source = base64.b64encode(f"{issuer.url}/keys".encode()).decode()
    one.define("user", user.url, **{**TOKENS, "jwt_signing_method": "rsa", "jwt_source": source})
    allow(one, "user")
    one.reload()
    headers = token(key=PRIVATE, algorithm="RS256", kid="one")
    assert one.ask("GET", "/user", headers=headers).status == 403
    entry = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE.public_key()))
    issuer.answers = lambda _request: (200, {"keys": [{**entry, "kid": "one"}]})
    assert one.ask("GET", "/user", headers=headers).status == 200


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a_client_s_limit_is_exact_over_two_gateways_and_all_apis(gateway: Start, redis: Any, peer: Start) -> None:
    both, user = [gateway(redis.environment, **LIMITED) for _turn in range(2)], peer()
    for name in ("user", "course"):
        both[0].define(name, user.url, **TOKENS)
    allow(both[0], "user", "course", rate=7, per=LONG)
    for one in both:
        one.reload()
    answers = [
        both[number % 2].ask("GET", "/user" if number % 3 else "/course", headers=token("anna")) for number in range(12)
    ]
    assert [answer.status for answer in answers] == [200] * 7 + [429] * 5
    assert said(answers[-1]) == (429, "Rate Limit Exceeded")
    assert both[0].ask("GET", "/user", headers=token("berta")).status == 200, "each client has a limit of its own"
    assert len(user.requests) == 8
    keys = redis.client().keys("rate-limit-*")
    assert not [key for key in keys if "anna" in key]
    assert all(0 < redis.client().ttl(key) <= LONG + 1 for key in keys)


def test_an_api_s_limit_counts_everybody(gateway: Start, redis: Any, peer: Start) -> None:
    both, user = [gateway(redis.environment, **LIMITED) for _turn in range(2)], peer()
    both[0].define("user", user.url, **TOKENS, global_rate_limit={"rate": 3, "per": LONG})
    both[0].define("open", user.url, global_rate_limit={"rate": 2, "per": LONG})
    allow(both[0], "user")
    for one in both:
        one.reload()
    answers = [both[number % 2].ask("GET", "/user", headers=token(f"client-{number}")) for number in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert said(answers[-1]) == (429, "API Rate Limit Exceeded")
    # Who has no token does not count.
    assert both[0].ask("GET", "/user").status == 400
    assert [both[number % 2].ask("GET", "/open").status for number in range(4)] == [200, 200, 429, 429]


def test_a_window_ends(gateway: Start, redis: Any, peer: Start) -> None:
    one, user = gateway(redis.environment, **LIMITED), peer()
    one.define("user", user.url, global_rate_limit={"rate": 1, "per": 1})
    one.reload()
    statuses = set()
    deadline = time.monotonic() + 20
    while statuses != {200, 429} or one.ask("GET", "/user").status != 200:
        statuses.add(one.ask("GET", "/user").status)
        assert time.monotonic() < deadline, statuses


def test_without_redis_a_client_that_cannot_be_counted_does_not_pass(gateway: Start, peer: Start) -> None:
    one, user = gateway({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}, **LIMITED), peer()
    one.define("user", user.url, **TOKENS)
    one.define("open", user.url, global_rate_limit={"rate": 1, "per": LONG})
    allow(one, "user", rate=5, per=1)
    one.reload()
    assert said(one.ask("GET", "/user", headers=token())) == (500, "There was a problem proxying the request")
    assert one.ask("GET", "/open").status == 200


def test_limits_of_another_kind_are_not_taken_for_these(gateway: Start, redis: Any, peer: Start) -> None:
    one = gateway(redis.environment)
    one.define("user", peer().url, global_rate_limit={"rate": 1, "per": 1})
    one.reload()
    assert one.ask("GET", "/user").status == 404


# ---- headers, origins, sizes ----------------------------------------------------------------------------------------


def test_headers_are_changed_in_both_directions(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    user.answers = lambda _request: (200, {}, {"X-Powered-By": "service", "X-Kept": "yes"})
    settings = versioned(
        global_headers={"X-Platform": "azora"},
        global_headers_remove=["X-Internal"],
        global_response_headers={"X-Frame-Options": "DENY"},
        global_response_headers_remove=["X-Powered-By"],
    )
    one.define("user", user.url, **TOKENS, **settings)
    allow(one, "user")
    one.reload()
    answer = one.ask("GET", "/user", headers={**token(), "X-Internal": "secret", "X-Platform": "mine"})
    sent = user.requests[0]["headers"]
    assert (sent.get_all("X-Platform"), sent["X-Internal"]) == (["azora"], None)
    assert (answer.headers["x-frame-options"], answer.headers["x-kept"]) == ("DENY", "yes")
    assert "x-powered-by" not in answer.headers


def test_a_browser_is_told_which_origins_may(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    user.answers = lambda _request: (200, {}, {"Access-Control-Allow-Origin": "*"})
    cors = {
        "enable": True,
        "allowed_origins": ["https://www.example.org"],
        "allowed_methods": ["GET", "POST"],
        "allowed_headers": ["Authorization"],
        "exposed_headers": ["X-Request-ID"],
        "allow_credentials": True,
        "max_age": 60,
    }
    one.define("user", user.url, **TOKENS, CORS=cors)
    allow(one, "user")
    one.reload()

    def preflight(origin: str, method: str, headers: str = "authorization") -> Any:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
        return one.ask("OPTIONS", "/user", headers={"Origin": origin, **asked})

    good = preflight("https://www.example.org", "POST")
    assert (good.status, good.headers["access-control-allow-origin"]) == (204, "https://www.example.org")
    assert good.headers["access-control-allow-methods"] == "POST"
    assert good.headers["access-control-allow-headers"] == "authorization"
    assert (good.headers["access-control-allow-credentials"], good.headers["access-control-max-age"]) == ("true", "60")
    for bad in (
        preflight("https://evil.example", "POST"),
        preflight("https://www.example.org", "DELETE"),
        preflight("https://www.example.org", "POST", "x-other"),
    ):
        assert (bad.status, bad.headers.get("access-control-allow-origin")) == (204, None)
    assert user.requests == [], "the gateway answers these itself"
    origin = {"Origin": "https://www.example.org"}
    answer = one.ask("GET", "/user", headers={**token(), **origin})
    assert answer.headers["access-control-allow-origin"] == "https://www.example.org"
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID"
    refused = one.ask("GET", "/user", headers=origin)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (400, "https://www.example.org")


def test_large_requests_are_refused_before_anything_else(shared_gateway: Any, peer: Start) -> None:
    one, user = shared_gateway, peer()
    one.define("user", user.url, **TOKENS, **versioned(global_size_limit=10))
    allow(one, "user")
    one.reload()
    assert one.ask("POST", "/user", b"0123456789", headers=token()).status == 200
    assert said(one.ask("POST", "/user", b"0123456789a")) == (400, "Request is too large")
    chunked = one.ask("POST", "/user", headers={**token(), "Transfer-Encoding": "chunked"}, body=b"0\r\n\r\n")
    assert said(chunked) == (411, "Content length is required for this request")
    assert one.ask("GET", "/user", headers=token()).status == 200
    assert len(user.requests) == 2


# ---- slow and broken services ---------------------------------------------------------------------------------------


def test_a_service_that_takes_too_long_is_given_up(shared_gateway: Any, peer: Start) -> None:
    one, slow = shared_gateway, peer()
    released = threading.Event()

    def wait(_request: dict[str, Any]) -> tuple[int, Any]:
        released.wait(10)
        return 200, {}

    slow.answers = wait
    timeouts = [{"path": "/", "method": "GET", "timeout": 0.2}]
    one.define("slow", slow.url, **versioned(extended_paths={"hard_timeouts": timeouts}))
    one.reload()
    assert said(one.ask("GET", "/slow")) == (504, "Upstream service reached hard timeout.")
    released.set()
    assert one.ask("GET", "/slow").status == 200


def test_a_service_that_fails_is_left_alone_for_a_while(gateway: Start, redis: Any, peer: Start) -> None:
    one, user = gateway(redis.environment), peer()
    breakers = [
        {
            "path": "/",
            "method": method,
            "threshold_percent": 0.5,
            "samples": 4,
            "return_to_service_after": 2,
            "disable_half_open_state": True,
        }
        for method in ("GET", "POST")
    ]
    one.define("user", user.url, **versioned(extended_paths={"circuit_breakers": breakers}))
    one.reload()
    user.answers = lambda _request: (500, {"error": "broken"})
    assert [one.ask("GET", "/user").status for _turn in range(4)] == [500] * 4
    assert said(one.ask("GET", "/user")) == (503, "Service temporarily unavailable.")
    assert len(user.requests) == 4
    user.answers = lambda _request: (200, {})
    assert one.ask("POST", "/user").status == 200, "each method has a breaker of its own"
    deadline = time.monotonic() + 10
    while one.ask("GET", "/user").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [one.ask("GET", "/user").status for _turn in range(4)] == [200] * 4


# ---- what is not known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"enable_jwt": True, "use_keyless": False, "jwt_source": "QQ==", "jwt_signing_method": "ecdsa"},
        {"enable_jwt": True, "use_keyless": False, "jwt_source": "not base64", "jwt_signing_method": "hmac"},
        {"jwt_scope_to_policy_mapping": {"admin": "admins"}},
        {"auth_configs": {"jwt": {"auth_header_name": "X-Token"}}, "enable_jwt": True, "use_keyless": False},
        {"global_rate_limit": {"rate": 1, "per": 0}},
        {"CORS": {"enable": True, "options_passthrough": True}},
        {"CORS": {"enable": True, "allowed_origins": ["https://*.example.org"]}},
        versioned(global_headers={"X-User": "$tyk_context.jwt_claims_sub"}),
        versioned(extended_paths={"url_rewrites": [{}]}),
        versioned(extended_paths={"hard_timeouts": [{"path": "/slow", "method": "GET", "timeout": 1}]}),
        versioned(extended_paths={"circuit_breakers": [{"path": "/", "method": "GET", "samples": 1}]}),
        {"proxy": {"service_discovery": {"use_discovery_service": True}}},
        {"custom_middleware": {"pre": ["x"]}},
        {"config_data": {"key": "vault://secret"}},
    ],
)
def test_an_api_with_settings_that_are_not_known_is_not_served(
    shared_gateway: Any, peer: Start, settings: dict[str, Any]
) -> None:
    one = shared_gateway
    one.define("odd", peer().url, **settings)
    one.reload()
    assert one.ask("GET", "/odd").status == 404
    assert "odd" not in [api["api_id"] for api in one.control("/tyk/apis").json]


@pytest.mark.parametrize(
    "policy", [{"quota_max": 100}, {"rate": 5, "per": 0}, {"throttle_interval": 1}, {"partitions": {"acl": True}}]
)
def test_a_policy_that_is_not_known_keeps_the_old_ones(
    shared_gateway: Any, peer: Start, policy: dict[str, Any]
) -> None:
    one = shared_gateway
    one.define("user", peer().url, **TOKENS)
    allow(one, "user")
    one.reload()
    allow(one, **policy)
    one.reload()
    assert one.ask("GET", "/user", headers=token()).status == 200
