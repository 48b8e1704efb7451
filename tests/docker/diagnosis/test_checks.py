"""The table of checks: documented in its order, and the only source of results."""

from __future__ import annotations

import re
from pathlib import Path

import dockertls_vault
from dockertls_vault.docker.diagnosis.checks import Check
from tests.checkout import ROOT

PACKAGE = Path(dockertls_vault.__file__).parent


def test_reference_lists_the_checks_in_order() -> None:
    """The page of the JSON contract has every identifier in the order of a report."""
    page = (ROOT / "docs/reference/json.md").read_text()
    section = page.partition("\n## check\n")[2].partition("\n## ")[0]
    (listed,) = re.findall(r"in this order: (.*?) \|", section)
    assert re.findall(r"`([a-z-]+)`", listed) == [check.identifier for check in Check]


def test_every_result_comes_from_the_table() -> None:
    """No other file creates one with its own identifier or description."""
    made = [
        path for path in PACKAGE.rglob("*.py") if re.search(r"\bCheckResult\(", path.read_text())
    ]
    assert [path.name for path in made] == ["checks.py"]
