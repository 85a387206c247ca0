# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are made once, and no value of any of them is in what Ansible prints, not even with -vvv and --diff."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import kubernetes

from conftest import ansible

# Keys whose values everybody may know: names, places, and certificates without their keys.
# Also certificates: the key of the one that Redis Enterprise reads is called so.
PUBLIC = {"username", "user", "dbname", "host", "port", "ca.pem", "tls.pem", "cert"}
PUBLIC_ENDINGS = (".crt", "_CA", "_USER", "_USERNAME")
# Shorter ones are words and numbers that stand in any output.
SHORTEST = 8
NAMESPACES = ("default", "azora-es", "azora-data", "azora-redis", "cnpg-system", "strimzi-system")
#: Made by the role credentials out of what the stores' operators gave.
DERIVED = ("default", "user-credentials")


def values(core: kubernetes.client.CoreV1Api) -> dict[str, bytes]:
    """What must not be printed, by namespace/name/key."""
    found = {
        f"{namespace}/{secret.metadata.name}/{key}": base64.b64decode(value)
        for namespace in NAMESPACES
        for secret in core.list_namespaced_secret(namespace).items
        for key, value in (secret.data or {}).items()
        if key not in PUBLIC and not key.endswith(PUBLIC_ENDINGS)
    }
    return {name: value for name, value in found.items() if len(value) >= SHORTEST}


def spellings(value: bytes) -> Iterator[str]:
    """How a value may stand in an output: plain, as in JSON, and as a Secret holds it."""
    yield base64.b64encode(value).decode()
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    yield text
    yield json.dumps(text)[1:-1]
    # A key is shown in lines, too; each of its lines gives it away.
    yield from (line for line in text.splitlines() if len(line) >= 32 and not line.startswith("-----"))


def printed(output: str, secrets: dict[str, bytes]) -> list[str]:
    return sorted(name for name, value in secrets.items() if any(spelling in output for spelling in spellings(value)))


def test_no_secret_is_printed(core: kubernetes.client.CoreV1Api, lab_name: str) -> None:
    before = values(core)
    assert len(before) > 20, sorted(before)
    # So that one Secret is made anew, not only compared.
    core.delete_namespaced_secret(DERIVED[1], DERIVED[0])
    run = ansible("ansible-playbook", "site.yml", "-vvv", "--diff", "-e", f"lab_name={lab_name}")
    output = run.stdout + run.stderr
    # What would be searched in vain proves nothing: the output is the whole, and the search finds what is there.
    assert "PLAY RECAP" in output
    assert "TASK [azora.platform.credentials" in output
    some = next(name for name in before if name.endswith("/password"))
    assert printed(output + base64.b64encode(before[some]).decode(), before) == [
        name for name in sorted(before) if before[name] == before[some]
    ]
    after = values(core)
    assert printed(output, before | after) == []
    # Made once: also the one that was deleted holds what it held.
    assert {name for name in before if before[name] != after.get(name)} == set()
