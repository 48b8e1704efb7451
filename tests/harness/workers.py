"""Tests in several processes (pytest-xdist): which stay together, and in which order.

Each process has its own servers if they start in a second; slower ones run in only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

# Fixtures that take many seconds: all tests that use one of them run in the same process, and those
# that use several, in that of the first.
_COSTLY = ("newer_host_image", "engine", "release", "site")


@pytest.hookimpl(tryfirst=True)  # xdist looks for groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests of each costly fixture, and start the slow tests first."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        costly = (name for name in _COSTLY if name in getattr(item, "fixturenames", ()))
        if name := next(costly, None):
            item.add_marker(pytest.mark.xdist_group(name))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make logs and output transferable to the main process, which accepts only UTF-8."""
    report = yield
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    return report


def _sendable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
