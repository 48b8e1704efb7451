"""The time that a restart of dockerd may take, and what to do once it is over."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState, DockerUnavailable
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK_BY_HAND = "run `dockertls-vault daemon restart --if-needed`, which checks it"
_SHARE = 0.9  # of the time that a hook has
_PATIENCE = timedelta(seconds=systemd.PATIENCE)
_LATE = "see `systemctl list-jobs`: systemd goes on with what it has begun"
_LATE_HOOK = (
    f"{_LATE}, and the next `renew` waits for it and checks the daemon; if it always takes that "
    "long, raise DOCKERTLS_HOOK_TIMEOUT"
)
_LATE_BY_HAND = f"{_LATE}; then {CHECK_BY_HAND}"


class AllowedTime:
    """The time for all of it, and a hint for when it is over."""

    def __init__(self, limit: timedelta, hint: str) -> None:
        self._limit = limit
        self._hint = hint
        self._end = time.monotonic() + self._limit.total_seconds()

    @classmethod
    def of_hook(cls, limit: timedelta) -> Self:
        """Return the time of a hook, which is killed after ``limit``: it ends before, and says why.

        The rest is for Python to start and to end.
        """
        return cls(limit * _SHARE, _LATE_HOOK)

    @classmethod
    def by_hand(cls) -> Self:
        """Return the time of a restart that nothing kills."""
        return cls(_PATIENCE, _LATE_BY_HAND)

    @property
    def left(self) -> float:
        """The seconds that are left, 0 or less if it is over."""
        return self._end - time.monotonic()

    @contextmanager
    def before(self, what: str) -> Iterator[float]:
        """Yield the seconds that are left; raises DockerUnavailable if they do not suffice.

        It says that ``what`` is so then.
        """
        late = DockerUnavailable(f"after {format_duration(self._limit)}, {what}", hint=self._hint)
        seconds = self.left
        if seconds <= 0:
            raise late
        try:
            yield seconds
        except TimeoutError:
            raise late from None
        except ConflictingState:
            if self.left > 0:
                raise
            raise late from None
