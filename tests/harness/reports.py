"""Compare the tests' run as root with the one as an ordinary user: each test must have run.

Usage: python -m tests.harness.reports ROOT.xml USER.xml, the JUnit reports of both.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Run:
    """The tests that passed, and the reasons of those that were skipped."""

    passed: frozenset[str]
    skipped: Mapping[str, str]

    @property
    def tests(self) -> frozenset[str]:
        return self.passed | self.skipped.keys()


def read(path: Path) -> Run:
    """Read the report of a run without failures."""
    cases = {
        f"{case.get('classname')}::{case.get('name')}": case.find("skipped")
        for case in ET.parse(path).iter("testcase")  # noqa: S314 - pytest has written it
    }
    return Run(
        frozenset(name for name, skipped in cases.items() if skipped is None),
        {
            name: skipped.get("message", "")
            for name, skipped in cases.items()
            if skipped is not None
        },
    )


def problems(root: Run, user: Run) -> list[str]:
    """Return the tests that neither run has run, and those that only one contains."""
    found = [f"skipped as root: {name}: {why}" for name, why in sorted(root.skipped.items())]
    found += [f"only root's run has {name}" for name in sorted(root.tests - user.tests)]
    found += [f"only the user's run has {name}" for name in sorted(user.tests - root.tests)]
    return found


def summary(root: Run, user: Run) -> str:
    """Return how many ran as which user, and how many need root, by reason."""
    reasons = Counter(user.skipped.values())
    return "\n".join(
        (
            f"{len(root.passed)} tests passed as root",
            f"{len(user.passed)} of them passed as an ordinary user",
            f"{len(user.skipped)} are skipped there:",
            *(f"{count:5} {why}" for why, count in reasons.most_common()),
        )
    )


def main() -> int:
    """Print the summary, or the problems with status 1."""
    root, user = map(read, map(Path, sys.argv[1:]))
    wrong = problems(root, user)
    print("\n".join(wrong) or summary(root, user))  # noqa: T201 - a program
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
