# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of what the catalogue says about requests: who may send them, how many, and what is done with them on the way."""

from __future__ import annotations

import re

from ansible_collections.azora.platform.plugins.module_utils._catalogue_shape import (
    Cidr,
    Key,
    ListOf,
    MapOf,
    Record,
    Switch,
    Text,
    Whole,
)
from ansible_collections.azora.platform.plugins.module_utils._gateway_ingress import (
    HTTP_ROUTE,
    INGRESS,
    ISSUER_ANNOTATION,
    ROUTE,
)

JWT, NO_AUTHENTICATION = "jwt", "none"
HS256, RS256 = "HS256", "RS256"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Tyk reads a listen path as a regular expression: nothing that means something there.
LISTEN_PATH = Text(
    "a path such as /users: it begins with '/', does not end with '/', and has letters, digits, '-' and '_' only",
    re.compile(r"(/[A-Za-z0-9_-]+)+"),
    255,
)
_ANY_HEADER = r"[A-Za-z0-9][A-Za-z0-9-]*"
HEADER = Text("the name of a header such as X-Platform", re.compile(_ANY_HEADER), 100)
# These belong to one connection, or say how long the message is.
CHANGEABLE_HEADER = Text(
    "the name of a header such as X-Platform; Host, Content-Length and those of the connection are the gateway's own",
    re.compile(
        r"(?i)(?!(host|content-length|connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*)$)"
        + _ANY_HEADER
    ),
    100,
)
# Tyk would put something else in the place of these.
HEADER_VALUE = Text(
    "plain text of one line; '$' and references such as env:// or file:// mean something to Tyk",
    re.compile(r"(?!.*(\$|(env|secrets|consul|vault|file)://))[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?"),
    1024,
)
HEADERS = Record(
    {
        "add": Key(MapOf(HEADER_VALUE, CHANGEABLE_HEADER)),
        "remove": Key(ListOf(CHANGEABLE_HEADER, distinct=True)),
    },
    "{add: {X-Platform: azora}, remove: [X-Internal]}",
)
RATE_LIMIT = Record(
    {
        "rate": Key(Whole(1, 10**6, "a number of requests"), required=True),
        "per_seconds": Key(Whole(1, 86400, "a number of seconds"), required=True),
    },
    "{rate: 100, per_seconds: 1}",
)
CORS = Record(
    {
        "origins": Key(
            ListOf(
                Text(
                    "an origin such as https://www.example.org, or '*'",
                    re.compile(r"\*|https?://[A-Za-z0-9.-]+(:[1-9][0-9]{0,4})?"),
                    255,
                ),
                least=1,
                distinct=True,
            ),
            required=True,
        ),
        "methods": Key(ListOf(Text(choices=METHODS), least=1, distinct=True)),
        "headers": Key(ListOf(HEADER, distinct=True)),
        "exposed_headers": Key(ListOf(HEADER, distinct=True)),
        "credentials": Key(Switch()),
        "max_age_seconds": Key(Whole(0, 86400, "a number of seconds")),
    },
    "{origins: [https://www.example.org]}",
)
CIRCUIT_BREAKER = Record(
    {
        "threshold_percent": Key(Whole(1, 100, "a percentage"), required=True),
        "samples": Key(Whole(1, 10**6, "a number of requests"), required=True),
        "open_seconds": Key(Whole(1, 3600, "a number of seconds"), required=True),
    },
    "{threshold_percent: 50, samples: 20, open_seconds: 10}",
)
# Said for all routes under gateway, and for one under its expose.
TRAFFIC: dict[str, Key] = {
    "rate_limit": Key(RATE_LIMIT),
    "request_headers": Key(HEADERS),
    "response_headers": Key(HEADERS),
    "cors": Key(CORS),
    "size_limit_bytes": Key(Whole(1, 2**40, "a number of bytes")),
    "timeout_seconds": Key(Whole(1, 3600, "a number of seconds")),
    "circuit_breaker": Key(CIRCUIT_BREAKER),
}
EXPOSE = Record(
    {
        "path": Key(LISTEN_PATH, required=True),
        "strip_path": Key(Switch()),
        "authentication": Key(Switch()),
        **TRAFFIC,
    },
    "{path: /users}",
    short=lambda path: {"path": path},
)
AUTHENTICATION = Record(
    {
        "method": Key(Text(choices=(JWT, NO_AUTHENTICATION)), required=True),
        "algorithm": Key(Text(choices=(HS256, RS256))),
        "secret": Key(
            Record(
                {
                    "name": Key(
                        Text(
                            "the name of a Secret: lower-case letters, digits, '-' and '.', at most 253 characters",
                            re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"),
                            253,
                        ),
                        required=True,
                    ),
                    "key": Key(
                        Text("a key of that Secret such as JWT_HMAC_KEY", re.compile(r"[A-Za-z0-9._-]+"), 253),
                        required=True,
                    ),
                },
                "{name: gateway-clients, key: JWT_HMAC_KEY}",
            )
        ),
        "public_key": Key(
            Text(
                "a public key in PEM form, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----",
                re.compile(r"\s*-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*"),
                16384,
            )
        ),
        "jwks_url": Key(
            Text(
                "the URL of a JSON Web Key Set such as https://login.example.org/.well-known/jwks.json",
                re.compile(r"https?://[A-Za-z0-9.-]+(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~/%?&=+-]*)?"),
                1024,
            )
        ),
        "jwks_cidrs": Key(ListOf(Cidr(), distinct=True)),
        "subject_claim": Key(Text("the name of a claim such as sub", re.compile(r"[A-Za-z0-9_.:/-]+"), 253)),
    },
    "{method: jwt, algorithm: HS256}",
    short=lambda method: {"method": method},
)
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_NAME = Text("a name: lower-case letters, digits, '-' and '.', at most 253 characters", _DNS_NAME, 253)
INGRESS_ENTRY = Record(
    {
        "kind": Key(Text(choices=(INGRESS, HTTP_ROUTE, ROUTE)), required=True),
        "hosts": Key(
            ListOf(
                Text(
                    "the name of a host such as api.example.org, or *.example.org",
                    re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?"),
                    253,
                ),
                least=1,
                distinct=True,
            ),
            required=True,
        ),
        "class": Key(_NAME),
        "parent": Key(
            Record(
                {"name": Key(_NAME, required=True), "namespace": Key(_NAME), "section": Key(_NAME)}, "{name: public}"
            )
        ),
        "tls": Key(
            Record(
                {
                    "secret": Key(_NAME),
                    "issuer": Key(_NAME),
                    "issuer_kind": Key(Text(choices=tuple(ISSUER_ANNOTATION))),
                },
                "{secret: gateway-tls}",
            )
        ),
        "proxy_pods": Key(
            Record(
                {
                    "namespace": Key(_NAME, required=True),
                    "labels": Key(MapOf(Text("the value of a label"), Text("a label's key")), required=True),
                },
                "{namespace: ingress-nginx, labels: {app.kubernetes.io/name: ingress-nginx}}",
            )
        ),
    },
    "{kind: Ingress, hosts: [api.example.org]}",
)
# What the gateway has beyond other workloads.
GATEWAY_KEYS: dict[str, Key] = {
    "authentication": Key(AUTHENTICATION),
    "client_rate_limit": Key(RATE_LIMIT),
    "ingress": Key(INGRESS_ENTRY),
    **TRAFFIC,
}
