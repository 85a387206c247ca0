# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failing container said, without its secrets, and what is to be done."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._masking import masked, secret_values
from ansible_collections.azora.platform.plugins.module_utils._rollout_advice import advice

from .conftest import secret_of

VALUES = secret_values([secret_of("x", PASSWORD='tr"icky', PORT="5432", NOTE="first line of it all\nshort")])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('refused tr"icky for user', "refused *** for user"),
        ('{"sent": "tr\\"icky"}', '{"sent": "***"}'),
        ("dHIiaWNreQ== arrived", "*** arrived"),
        ("read first line of it all", "read ***"),
        ("port 5432 is closed", "port 5432 is closed"),
        ("postgres://user:hunter2@pg:5432/db", "postgres://***@pg:5432/db"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("password=hunter2, user=x", "password=***, user=x"),
        ('"api_key": "hunter2", "n": 1', '"api_key": ***, "n": 1'),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: ***"),
        ("db.password = hunter2", "db.password = ***"),
        (
            'for volume "user-credentials" : secret "x" not found',
            'for volume "user-credentials" : secret "x" not found',
        ),
        ('secret "user-credentials" not found', 'secret "user-credentials" not found'),
        ("got eyJhbGciOi.eyJzdWIi.c2ln", "got ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- done", "*** done"),
        ("LOG_LEVEL is 'loud': it must be one of debug, info.", "LOG_LEVEL is 'loud': it must be one of debug, info."),
    ],
)
def test_secrets_are_masked(text, shown):
    assert masked(text, VALUES) == shown


def test_the_longest_value_goes_first():
    values = secret_values([secret_of("x", A="secret-word", B="secret-word-and-more")])
    assert masked("the secret-word-and-more", values) == "the ***"


@pytest.mark.parametrize(
    ("reason", "log", "words"),
    [
        ("CrashLoop", [], "check its configuration"),
        ("CrashLoop", ['FATAL: password authentication failed for user "user"'], "compare the Secret"),
        ("CrashLoop", ["dial tcp 10.0.0.1:5432: connect: connection refused"], "network policies"),
        ("NotReady", ["could not translate host name"], "network policies"),
        ("CrashLoop", ["java.lang.OutOfMemoryError: Java heap space"], "memory limit"),
        ("OOMKilled", [], "memory limit"),
        ("ImagePull", ["connection refused"], "its registry"),
        ("Unheard", [], "kubectl describe"),
    ],
)
def test_what_to_do(reason, log, words):
    assert words in advice(reason, log)
