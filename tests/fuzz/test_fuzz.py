"""The short form of the fuzz; ``make fuzz`` is the long one."""

from __future__ import annotations

import pytest

from . import BORDERS
from .border import fuzz

COUNT = 300


@pytest.mark.slow
@pytest.mark.parametrize("name", BORDERS)
@pytest.mark.filterwarnings("ignore")  # as the program itself does
def test_any_input_gives_a_result_or_one_of_our_errors(name: str) -> None:
    """No input ends with status 70."""
    tally = fuzz(BORDERS[name], range(COUNT), seed=0)
    assert not tally.bugs, next(iter(tally.bugs.values()))
    assert tally.outcomes["result"], "what is wrong each time tests little"
