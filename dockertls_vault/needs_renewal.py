"""Find from files only whether a renewal is due, at each tick of a timer.

No name or certificate is parsed, nothing is written and Vault is not asked. Only `renew` notices
that names, issuer or trust bundle changed, so it is due if it last asked Vault more than LOOK ago.
Imports are kept cheap: no dataclasses, pathlib or logging.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .credential import glance, state
from .credential.state import LOOK
from .daemon import pickup
from .daemon.pickup import Pickup
from .duration import format_time
from .errors import DockerTLSError
from .files import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .credential.glance import Glance


class Need(IntEnum):
    """The answer, and the exit status for it.

    ``ExecCondition=`` of systemd.service(5) runs the unit for 0, skips it for 1 to 254, and fails
    it for 255.
    """

    NEEDED = 0
    NOT_DUE = 1
    MISSING = 2
    ERROR = 255

    @property
    def meaning(self) -> str:
        """What the status means, for the reference."""
        return _MEANINGS[self]


_MEANINGS = {
    Need.NEEDED: "a renewal is due, or hooks are pending: run `renew`",
    Need.NOT_DUE: "nothing is due",
    Need.MISSING: "there is no credential",
    Need.ERROR: "unknown, because of an error; every other failure has this status, too",
}
# The first of these that any credential has is the answer for all.
_PRECEDENCE = (Need.NEEDED, Need.ERROR, Need.MISSING, Need.NOT_DUE)


class Answer(NamedTuple):
    """Whether the directory ``about`` needs a renewal, and the ``reason``.

    ``due`` is when it will need one, if it does not yet.
    """

    need: Need
    about: str
    reason: str
    hint: str = ""
    due: datetime | None = None


class Host(NamedTuple):
    """Where to look for what concerns all credentials of a host.

    ``state`` is its state directory, and ``hooks`` are the directories of executables that run for
    every credential.
    """

    state: str
    hooks: Sequence[str] = ()


def overall(answers: Sequence[Answer]) -> Need:
    """Return the answer for all."""
    return min((answer.need for answer in answers), key=_PRECEDENCE.index)


def of_host(host: Host, now: datetime) -> tuple[Answer, ...]:
    """Answer for all credentials that the host knows."""
    try:
        known, looked = state.known(host.state), state.looked_at(host.state)
    except OSError as error:
        return (_unreadable(host.state, error),)
    if not known:
        return (Answer(Need.MISSING, host.state, "no credential is known on this host"),)
    answers = tuple(of_credential(directory, host, now) for directory in known)
    why = _why_look(looked, now)
    return answers if why is None else (*answers, Answer(Need.NEEDED, host.state, why))


def of_credential(directory: str, host: Host, now: datetime) -> Answer:
    """Answer for the credential in ``directory``."""
    try:
        found = glance.locate(directory)
        if found is None:
            return Answer(Need.MISSING, directory, "no dockertls-vault credential here")
        path, _ = found
        return _judge(path, glance.look(path), host, now)
    except OSError as error:
        return _unreadable(directory, error)
    except DockerTLSError as error:
        return Answer(Need.ERROR, directory, error.message, error.hint)


def _judge(path: str, shown: Glance, host: Host, now: datetime) -> Answer:
    if shown.damage:
        return Answer(Need.NEEDED, path, "; ".join(shown.damage))
    if shown.due is None:
        return Answer(Need.NEEDED, path, "it is not known yet when the certificate is due")
    schedule = shown.due.schedule
    why = schedule.why_due(now) or shown.due.why_trust_ends(now)
    if why is not None:
        return Answer(Need.NEEDED, path, why)
    if not _has_pending_hooks(path, shown, host):
        reason = f"not due before {format_time(shown.due.next)}"
        return Answer(Need.NOT_DUE, path, reason, due=shown.due.next)
    opens = _window_opens(shown, now)
    if opens is None:
        return Answer(Need.NEEDED, path, "hooks are pending")
    reason = f"hooks wait for their window, which opens at {format_time(opens)}"
    return Answer(Need.NOT_DUE, path, reason, due=min(opens, shown.due.next))


def _has_pending_hooks(path: str, shown: Glance, host: Host) -> bool:
    if shown.last_run.completed == shown.generation:
        return False
    has_own = shown.has_hooks
    if has_own is None:
        has_own = pickup.of(host.state, path) is not Pickup.NONE
    return has_own or any(map(reading.executables, host.hooks))


def _window_opens(shown: Glance, now: datetime) -> datetime | None:
    """Return when the window of the hooks opens, None if they may run now."""
    if shown.window is None:
        return None
    from .window import parse_window  # imported here: nearly always nothing is pending

    return shown.last_run.waits_until(parse_window(shown.window), now)


def _why_look(looked: float | None, now: datetime) -> str | None:
    """Return why it is time for `renew` to ask Vault again, None if it is not.

    If it asked in the future, the clock has been set back since.
    """
    if looked is None:
        return "`renew` has not yet asked Vault about all credentials"
    at = datetime.fromtimestamp(looked, UTC)
    if timedelta() <= now - at < LOOK:
        return None
    return f"`renew` last asked Vault about all credentials at {format_time(at)}"


def _unreadable(path: str, error: OSError) -> Answer:
    return Answer(
        Need.ERROR,
        path,
        f"cannot be read: {error.strerror}",
        "run it as root, or as the owner of the credential",
    )
