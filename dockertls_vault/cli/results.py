"""The results of checks as a table: what was checked, what was found, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import render

if TYPE_CHECKING:
    from dockertls_vault.docker.diagnosis.report import CheckResult


def table(results: Sequence[CheckResult]) -> render.Table:
    """Return a row for each check."""
    rows = [(each.result.value, each.description, _found(each)) for each in results]
    return render.Table(("result", "check", "details"), rows, graded=True)


def _found(result: CheckResult) -> list[str]:
    lines = result.summary.split("\n")
    lines += [f"reason: {result.reason}"] if result.reason else []
    lines += [f"remedy: {result.remedy}"] if result.remedy else []
    return lines
