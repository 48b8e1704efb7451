"""What to do where a test's server, or the right to start it, cannot be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user or give files away"
)


def missing(reason: str) -> NoReturn:
    """Skip the test; fail it instead where CI is set, which promises that all is there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def needs_root(reason: str) -> None:
    """Skip the test for everybody but root, as whom it has to run: .ci/run sees to that."""
    if os.geteuid() != 0:
        pytest.skip(reason)
