# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a request, as exceptions that know the answer they become."""

from __future__ import annotations


class RequestError(Exception):
    """A failure with a sentence for the caller and the HTTP status that fits it."""

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(RequestError):
    status = 400


class NotFoundError(RequestError):
    status = 404


class StoreUnavailableError(RequestError):
    """A store does not answer or refuses; the detail is for the log, not for the caller."""

    status = 503

    def __init__(self, store: str, detail: BaseException) -> None:
        super().__init__(f"{store} is not available.")
        self.store = store
        self.detail = f"{type(detail).__name__}: {detail}".strip().replace("\n", " ")


class CalleeError(RequestError):
    status = 502

    def __init__(self, callee: str, message: str) -> None:
        super().__init__(message)
        self.callee = callee


class CalleeTimeoutError(CalleeError):
    status = 504


class CalleeRefusedError(CalleeError):
    """The callee answered 4xx: it is well, the request is not."""

    def __init__(self, callee: str, answer_status: int, reason: str) -> None:
        super().__init__(callee, f"{callee} refused the request: {reason}")
        self.answer_status = answer_status
        self.reason = reason
