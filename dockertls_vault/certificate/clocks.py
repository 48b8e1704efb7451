"""What time it is, by this machine's clock and by Vault's; pure.

Vault dates a certificate by its own clock, so a certificate is judged by that, as far as it can
be trusted: a Vault that lies about the time gains CLOCK_TOLERANCE, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration

if TYPE_CHECKING:
    from datetime import datetime

# How far Vault's clock may be from this machine's: what `ca init` dates certificates back for.
CLOCK_TOLERANCE = timedelta(minutes=5)
# How far the clocks of one cluster may be apart: one node signs, another one (or a proxy) dates
# the answer, in whole seconds.
_CLUSTER_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Clocks:
    """The time in UTC when Vault's answer came: ``now`` here, ``vaults`` in its Date header."""

    now: datetime
    vaults: datetime | None = None

    @property
    def agreed(self) -> datetime:
        """The time to judge by: Vault's, but not further from ours than the tolerance."""
        if self.vaults is None:
            return self.now
        return min(max(self.vaults, self.now - CLOCK_TOLERANCE), self.now + CLOCK_TOLERANCE)

    @property
    def earliest(self) -> datetime:
        """The earliest time that Vault may have counted a TTL from."""
        return self.now if self.vaults is None else min(self.now, self.vaults)

    @property
    def latest(self) -> datetime:
        """The latest time that Vault may have counted a TTL from; bound by the tolerance."""
        latest = max(self.now, self.agreed)
        return min(latest + _CLUSTER_TOLERANCE, self.now + CLOCK_TOLERANCE)

    @property
    def difference(self) -> str | None:
        """How far this machine's clock is from Vault's, None where that does not matter."""
        behind = timedelta(0) if self.vaults is None else self.vaults - self.now
        if abs(behind) <= _CLUSTER_TOLERANCE:
            return None
        direction = "behind" if behind > timedelta(0) else "ahead of"
        return f"{format_duration(abs(behind))} {direction} Vault's (its Date header)"

    def __str__(self) -> str:
        """Name this machine's clock, and how far it is from Vault's."""
        if self.difference is None:
            agrees = "" if self.vaults is None else ", in sync with Vault's"
            return f"this machine's clock{agrees}"
        return f"this machine's clock, which is {self.difference}"
