"""``dockertls-vault needs-renewal [DIR…]``, if tick.py leaves it to the program."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.needs_renewal import Need, overall

from . import options, speech, tick
from .directories import state_directory
from .help import Command, examples, single_command
from .options import with_preferences
from .preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.needs_renewal import Answer

logger = logging.getLogger(__name__)
app = single_command()


@app.command(
    cls=Command,
    epilog=examples(
        "dockertls-vault needs-renewal && dockertls-vault renew",
        "dockertls-vault needs-renewal ~/.docker",
    ),
)
@with_preferences("quiet")
def needs_renewal(
    _preferences: Preferences,
    directories: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR]...",
            help="The directories of the credentials; by default, all that are known on this host.",
        ),
    ] = None,
) -> None:
    """Report by the exit status whether a renewal is due.

    0: `renew` has something to do. 1: it does not. 2: there is no credential. 255: any failure.
    It only reads files, so a timer can run it often.
    """
    named = [str(options.directory("DIR", directory)) for directory in directories or ()]
    answers = tick.find(named, os.environ) or _by_settings(named)
    for text in tick.words([answer for answer in answers if answer.need is not Need.ERROR]):
        logger.info("%s", text)
    for answer in answers:
        if answer.need is Need.ERROR:
            speech.say("error", f"{answer.about}: {answer.reason}")
            if answer.hint:
                speech.say("hint", answer.hint)
    raise typer.Exit(overall(answers))


def _by_settings(directories: Sequence[str]) -> tuple[Answer, ...]:
    """Answer on a host whose state directory a configuration file names."""
    settings = options.find_settings({"state_dir": None}, others=())
    return tick.answer(directories, str(state_directory(settings, os.environ)), os.environ)
