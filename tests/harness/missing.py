"""What to do if a test's server, or the privilege to start it, is missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user or give files away"
)


def missing(reason: str) -> NoReturn:
    """Skip the test; fail it if CI is set, which promises that everything is available."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def needs_root(reason: str) -> None:
    """Skip the test unless it runs as root, as in one of the runs of .ci/run."""
    if os.geteuid() != 0:
        pytest.skip(reason)
