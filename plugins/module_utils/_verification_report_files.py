# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of a verification as files: which format a path asks for, whether it can be written at all, and writing it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.azora.platform.plugins.module_utils._report_html import html_report
from ansible_collections.azora.platform.plugins.module_utils._report_json import json_report
from ansible_collections.azora.platform.plugins.module_utils._report_junit import junit_report
from ansible_collections.azora.platform.plugins.module_utils._report_metrics import metrics_report
from ansible_collections.azora.platform.plugins.module_utils._report_sarif import sarif_report
from ansible_collections.azora.platform.plugins.module_utils._report_words import Occasion, Result
from ansible_collections.azora.platform.plugins.module_utils._verification_input import VerificationError

Writer = Callable[[Result, Occasion], str]

# The first that fits counts: .sarif.json, which SARIF recommends too, is not .json.
FORMATS: dict[str, Writer] = {
    ".sarif.json": sarif_report,
    ".sarif": sarif_report,
    ".json": json_report,
    ".xml": junit_report,
    ".html": html_report,
    ".prom": metrics_report,
}
READABLE_BY_ALL = 0o644


def report_paths(given: Sequence[str] | None) -> list[str]:
    """The paths, absolute and each once; VerificationError names one whose ending means no format."""
    paths = list(dict.fromkeys(os.path.abspath(path) for path in given or [] if path))
    for path in paths:
        if _writer(path) is None:
            raise VerificationError(
                f"report_path {path} ends in none of .json, .xml (JUnit), .sarif, .html and .prom, so its format is not known"
            )
    return paths


def refuse_unwritable(paths: Iterable[str]) -> None:
    """Before anything is probed, since a verification without its report is done in vain."""
    for path in paths:
        directory = os.path.dirname(path)
        if not os.path.isdir(directory):
            raise VerificationError(f"report_path {path} cannot be written, because there is no directory {directory}")
        if os.path.isdir(path):
            raise VerificationError(f"report_path {path} cannot be written, because it is a directory")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise VerificationError(
                f"report_path {path} cannot be written, because this user may not write to {directory}"
            )


def write_reports(paths: Iterable[str], result: Result, occasion: Occasion) -> tuple[list[str], list[str]]:
    """The paths that were written, and a sentence for each that could not be."""
    written, failures = [], []
    for path in paths:
        writer = _writer(path)
        if writer is None:  # refused before
            continue
        try:
            _write(path, writer(result, occasion))
        except OSError as error:
            failures.append(f"The report {path} could not be written: {error.strerror or error}.")
        else:
            written.append(path)
    return written, failures


def _writer(path: str) -> Writer | None:
    return next((writer for ending, writer in FORMATS.items() if path.lower().endswith(ending)), None)


def _write(path: str, text: str) -> None:
    """Whoever reads meanwhile finds the old report or the new one, and never half of one."""
    descriptor, draft = tempfile.mkstemp(prefix=".report-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            # A temporary file is for its owner alone; a report is for everyone.
            os.fchmod(file.fileno(), READABLE_BY_ALL)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
