"""Compare this machine's clock with Vault's; no I/O.

Vault sets a certificate's validity by its own clock, so a certificate is verified against that
clock. It is trusted only within CLOCK_TOLERANCE: a Vault that lies about the time gains no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration

if TYPE_CHECKING:
    from datetime import datetime

# Maximum difference between Vault's clock and this machine's; `ca init` backdates certificates by
# as much.
CLOCK_TOLERANCE = timedelta(minutes=5)
# Maximum difference between the clocks of one cluster: one node signs, and another one (or a proxy)
# sets the Date header, in whole seconds.
_CLUSTER_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Clocks:
    """The time of Vault's response in UTC: ``now`` by our clock, ``vaults`` by its Date header."""

    now: datetime
    vaults: datetime | None = None

    @property
    def agreed(self) -> datetime:
        """The time to verify against: Vault's, limited to our time plus or minus the tolerance."""
        if self.vaults is None:
            return self.now
        return min(max(self.vaults, self.now - CLOCK_TOLERANCE), self.now + CLOCK_TOLERANCE)

    @property
    def earliest(self) -> datetime:
        """The earliest time from which Vault may have counted a TTL."""
        return self.now if self.vaults is None else min(self.now, self.vaults)

    @property
    def latest(self) -> datetime:
        """The latest time from which Vault may have counted a TTL, limited by the tolerance."""
        latest = max(self.now, self.agreed)
        return min(latest + _CLUSTER_TOLERANCE, self.now + CLOCK_TOLERANCE)

    @property
    def difference(self) -> str | None:
        """How far this machine's clock is from Vault's; None if within the cluster's tolerance."""
        behind = timedelta(0) if self.vaults is None else self.vaults - self.now
        if abs(behind) <= _CLUSTER_TOLERANCE:
            return None
        direction = "behind" if behind > timedelta(0) else "ahead of"
        return f"{format_duration(abs(behind))} {direction} Vault's (its Date header)"

    def __str__(self) -> str:
        """Describe this machine's clock, with its difference from Vault's."""
        if self.difference is None:
            agrees = "" if self.vaults is None else ", in sync with Vault's"
            return f"this machine's clock{agrees}"
        return f"this machine's clock, which is {self.difference}"
