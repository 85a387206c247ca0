# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server says of an admission webhook that it cannot reach, as one sentence with what to look at.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

Object = Mapping[str, t.Any]

# failed calling webhook "NAME": failed to call webhook: Post "https://SERVICE.NAMESPACE.svc:PORT/PATH": REASON
_CALL = re.compile(r'calling webhook "(?P<name>[^"]+)": (?P<rest>.*)', re.DOTALL)
_ADDRESS = re.compile(
    r'https://(?P<service>[^./"]+)\.(?P<namespace>[^./"]+)\.svc(?::(?P<port>\d+))?[^"]*"(?::\s*(?P<reason>.*))?',
    re.DOTALL,
)
# Where the message ends inside the API server's answer, which clients show as JSON.
_END = re.compile(r'",\s*"(?:reason|details|code|metadata)"|[\r\n]|\\n')


class Failure(t.NamedTuple):
    """A webhook by its name, where the API server looked for it, and what happened."""

    webhook: str
    namespace: str
    service: str
    reason: str


def webhook_failure(message: str) -> Failure | None:
    """What a message of the API server says of a webhook that did not answer; None if it is about something else."""
    # Shown inside JSON, quotes are escaped once or twice.
    called = _CALL.search(re.sub(r'\\+"', '"', message))
    if called is None:
        return None
    address = _ADDRESS.search(called["rest"])
    if address is None:
        return Failure(called["name"], "", "", _shortened(called["rest"]))
    return Failure(called["name"], address["namespace"], address["service"], _shortened(address["reason"] or ""))


def webhook_sentence(message: str, configurations: Sequence[Object], seconds: float) -> str:
    """Which webhook did not answer for so long, where it is registered, and what to look at."""
    failure = webhook_failure(message)
    if failure is None:
        return message
    registered = " and ".join(_registered(failure.webhook, configurations)) or "a configuration that cannot be read"
    reason = failure.reason or "no reason is given"
    said = f"The webhook {failure.webhook} of {registered} has not answered for {seconds:g} s ({reason}), so the API server refuses what it should judge"
    return f"{said}: {_what_to_look_at(failure, registered)}, and run this again"


def _registered(webhook: str, configurations: Sequence[Object]) -> Iterator[str]:
    for one in configurations:
        if any(entry.get("name") == webhook for entry in one.get("webhooks") or []):
            yield f"the {one['kind']} {one['metadata']['name']}"


def _what_to_look_at(failure: Failure, registered: str) -> str:
    reason = failure.reason
    if not failure.service:
        return "see to it that its server answers"
    service = f"{failure.namespace}/{failure.service}"
    if f'service "{failure.service}" not found' in reason:
        return f"its Service {service} is not there, so install its operator again, or delete {registered} if that operator is gone for good"
    if "no endpoints available" in reason or "no service port" in reason:
        return f"no pod behind its Service {service} is ready, so look at the operator's pods in {failure.namespace}"
    if "x509" in reason or "certificate" in reason:
        return f"its Service {service} shows a certificate that the caBundle of {registered} does not know, so restart the operator, which renews both"
    return (
        f"look whether the operator's pods behind its Service {service} are ready, and whether the network policies in {failure.namespace} "
        "let the API server in (webhook_port of the operator in the catalogue)"
    )


def _shortened(text: str) -> str:
    end = _END.search(text)
    shortened = (text[: end.start()] if end else text).strip(" '}")
    # A quotation mark without its other half belongs to what the message stands in.
    return shortened.removesuffix('"') if shortened.count('"') % 2 else shortened
