# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens for the gateway, signed with the key that the platform generated: what whoever issues tokens for it would do."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from typing import Any

import kubernetes

NAMESPACE, SECRET, KEY = "default", "gateway-jwt", "JWT_HMAC_KEY"
# Longer than any load.
SECONDS = 7200
# Where a load finds its token: not among its arguments, which everyone on the machine can read.
VARIABLE = "GATEWAY_TOKEN"


def signing_key(lab: dict[str, Any]) -> bytes:
    core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(lab["kubeconfig"]))
    # The Secret's value is the base64 of the key, as Tyk takes it, and the API puts it into base64 once more.
    return base64.b64decode(base64.b64decode(core.read_namespaced_secret(SECRET, NAMESPACE).data[KEY]))


def token(key: bytes, subject: str = "scenario", seconds: float = SECONDS) -> str:
    claims = {"sub": subject, "exp": int(time.time() + seconds)}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(key, signed.encode(), 'sha256'))}"


def load_environment(lab: dict[str, Any]) -> dict[str, str]:
    """What a load needs in its environment."""
    return {**os.environ, VARIABLE: token(signing_key(lab))}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
