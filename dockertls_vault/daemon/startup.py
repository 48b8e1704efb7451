"""Whether dockerd would start with its configuration: by its text, its files and itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.diagnosis.report import Result

from . import configuration, tls_files, trial
from .examination.checks import Check, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from dockertls_vault.docker.diagnosis.report import CheckResult

    from .configuration import Configuration
    from .supervision import Supervision

_NO_START = "dockerd does not start with this configuration"


def judge(
    planned: Configuration, supervision: Supervision | None, limit: timedelta
) -> list[CheckResult]:
    """Judge whether dockerd would start with a configuration, at most ``limit`` for each program.

    What the text alone shows comes first: dockerd would only say the same.
    """
    results = configuration.judge(planned)
    if any(each.result is not Result.OK for each in results):
        return results
    command = supervision.command if supervision else None
    problems = [*_of_files(planned)] or [*_of_dockerd(command, limit)]
    return [Check.CONFIGURATION.found_all(problems), *results[1:]] if problems else results


def _of_files(planned: Configuration) -> Iterator[Problem]:
    for cause in tls_files.unusable(planned.settings):
        yield Problem(
            Result.ERROR,
            cause,
            _NO_START,
            "put the right file there, or issue new ones: sudo -E dockertls-vault issue server",
        )


def _of_dockerd(command: tuple[str, ...] | None, limit: timedelta) -> Iterator[Problem]:
    reason = trial.rejection(command, limit) if command else None
    if reason is not None:
        yield Problem(Result.ERROR, reason, _NO_START, "correct it")
