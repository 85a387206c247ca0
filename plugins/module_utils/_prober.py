# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into a prober and what comes out of it: the batch, the ephemeral container, the framed log.

Nothing here talks to a cluster. The program itself is `_prober_program`, a file of its own.
"""

from __future__ import annotations

import ast
import base64
import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _prober_program
from ansible_collections.azora.platform.plugins.module_utils._verification_input import VerificationError

# Unpacks and runs the program: a pod keeps the specification of each ephemeral container it ever had, so it is kept small.
# Base64 rather than a denser code, because the kubelet expands "$(NAME)" and "$$" in arguments.
LOADER = (
    "import binascii,sys,zlib;"
    "program,batch=[zlib.decompress(binascii.a2b_base64(text)).decode() for text in sys.argv[1:3]];"
    "sys.argv=['prober',batch];"
    "exec(compile(program,'prober','exec'))"
)
# The same from standard input, for a command line ends up in logs of the API server and of proxies before it.
TYPED_LOADER = LOADER.replace("sys.argv[1:3]", "sys.stdin.readline().split()")
# Linux takes no single argument longer than this (MAX_ARG_STRLEN, with its final zero).
LONGEST_ARGUMENT = 128 * 1024 - 1
# The user when the pod names none; what distroless images call nonroot.
NONROOT = 65532


class DamagedFrameError(Exception):
    """The log of a prober is not the whole of what it reported."""


@dataclass(frozen=True)
class Patience:
    """How long a prober tries, in seconds, and how many sockets it opens at a time."""

    connect: float = 1.0
    settle: float = 10.0
    deadline: float = 30.0
    concurrency: int = 256


@dataclass
class Batch:
    """All that one prober does in one pod."""

    run: str
    address: str
    cells: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    own_ports: list[int] = field(default_factory=list)
    ask_dns: bool = False

    @property
    def empty(self) -> bool:
        return not (self.cells or self.requests or self.own_ports or self.ask_dns)

    def document(self, patience: Patience) -> dict[str, Any]:
        return {
            "run": self.run,
            "timeout": patience.connect,
            "settle": patience.settle,
            "deadline": patience.deadline,
            "concurrency": patience.concurrency,
            "cells": self.cells,
            "requests": self.requests,
            "self": {"host": self.address, "ports": self.own_ports},
            "dns": {"resolver": "/etc/resolv.conf", "port": 53} if self.ask_dns else None,
        }


def program_source() -> str:
    """The text of the program; through the loader, since Ansible runs modules from an archive."""
    loader: Any = _prober_program.__loader__
    source = loader.get_source(_prober_program.__name__) if hasattr(loader, "get_source") else None
    if source is None:
        raise VerificationError("the text of the prober program cannot be read from this installation")
    # Ansible's own loader of collections hands out bytes.
    return source.decode() if isinstance(source, bytes) else str(source)


@functools.cache
def packed_program() -> str:
    return packed(without_words(program_source()))


def without_words(source: str) -> str:
    """The same program without comments and docstrings, which are a quarter of what each pod would have to keep."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            said = node.body[0]
            # A line that the rest of a body does not need; what is only a docstring keeps it as its one statement.
            if len(node.body) > 1:
                lines[said.lineno - 1 : said.end_lineno] = [""] * ((said.end_lineno or said.lineno) - said.lineno + 1)
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")) + "\n"


def packed(text: str) -> str:
    argument = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(argument) > LONGEST_ARGUMENT:
        raise VerificationError(
            f"the batch of a prober is {len(argument)} bytes long and no argument may exceed {LONGEST_ARGUMENT}:"
            " verify fewer workloads at a time"
        )
    return argument


def ephemeral_container(
    name: str, image: str, batch: Batch, patience: Patience, pod: Mapping[str, Any]
) -> dict[str, Any]:
    """A container that a namespace with the Pod Security level "restricted" admits."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", "-S", "-c", LOADER],
        "args": [packed_program(), packed(_document(batch, patience))],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": user_of(pod),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def execution(batch: Batch, patience: Patience) -> tuple[list[str], str]:
    """The command to run in a pod that has python3, and what to type to it."""
    command = ["python3", "-I", "-S", "-c", TYPED_LOADER]
    return command, f"{packed_program()} {packed(_document(batch, patience))}\n"


def _document(batch: Batch, patience: Patience) -> str:
    return json.dumps(batch.document(patience), separators=(",", ":"), sort_keys=True)


def user_of(pod: Mapping[str, Any]) -> int:
    """The user the pod's own containers run as: the one its node, quota and SCC are known to accept."""
    spec = pod.get("spec", {})
    contexts = [container.get("securityContext") or {} for container in spec.get("containers", [])]
    contexts.append(spec.get("securityContext") or {})
    for context in contexts:
        if context.get("runAsUser"):
            return int(context["runAsUser"])
    return NONROOT


def is_end_mark(line: str, run: str) -> bool:
    """Whether this line of a log is the last of the frame of this run."""
    return line.startswith(f"{_prober_program.FRAME} END {run} ")


def observations(log: str, run: str) -> list[dict[str, Any]]:
    """The documents of the frame of this run, or DamagedFrameError with what is wrong."""
    lines = log.splitlines()
    begin = f"{_prober_program.FRAME} BEGIN {run}"
    if begin not in lines:
        raise DamagedFrameError(
            "its log has no begin mark" if not log.strip() else f"its log begins {_first_words(lines)}"
        )
    inside = lines[lines.index(begin) + 1 :]
    ends = [index for index, line in enumerate(inside) if is_end_mark(line, run)]
    if not ends:
        raise DamagedFrameError("its log has no end mark, so it is not complete")
    body = inside[: ends[0]]
    count, checksum = inside[ends[0]].split()[3:5]
    if int(count) != len(body):
        raise DamagedFrameError(f"its log holds {len(body)} of {count} observations")
    if _prober_program.checksum_of("\n".join(body)) != checksum:
        raise DamagedFrameError("its log does not match its checksum")
    return [json.loads(line) for line in body]


def _first_words(lines: Sequence[str]) -> str:
    told = [line for line in lines if line.strip()]
    # The last line of a Python traceback names the error; anything else is best told by its last line as well.
    return f'otherwise and ends with "{told[-1].strip()[:160]}"'
