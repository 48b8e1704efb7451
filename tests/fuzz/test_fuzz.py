"""The short form of the fuzz; ``make fuzz`` is the long one."""

from __future__ import annotations

import pytest

from . import BORDERS
from .border import fuzz

COUNT = 300


@pytest.mark.slow
@pytest.mark.parametrize("name", BORDERS)
@pytest.mark.filterwarnings("ignore")  # as the program itself does
def test_whatever_comes_in(name: str) -> None:
    """It ends as a result or as one of our errors: nothing is status 70."""
    tally = fuzz(BORDERS[name], range(COUNT), seed=0)
    assert not tally.bugs, next(iter(tally.bugs.values()))
    assert tally.outcomes["result"], "what is wrong each time tests little"
