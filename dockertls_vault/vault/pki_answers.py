"""What the PKI engine refuses to sign, and why: its rows of the table of answers; pure.

The words are those of ``builtin/logical/pki`` in Vault and in OpenBao.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.errors import NameRefused, UnknownRole

from .meaning import Row, Verdict, row

if TYPE_CHECKING:
    from .meaning import Refusal


def _name_refused(refusal: Refusal) -> NameRefused:
    name = refusal.said["name"] if refusal.said else None
    return NameRefused(
        f"the role {_role(refusal)!r} does not allow the name {name!r}: {refusal.words}",
        name=name,
        hint="ask for another name (--host), or have the role's allowed_domains widened",
    )


def _unknown_role(refusal: Refusal) -> UnknownRole:
    return UnknownRole(f"Vault knows no role for {refusal.path!r}: {refusal.words}")


def _role(refusal: Refusal) -> str:
    return refusal.path.rpartition("/")[2]


SIGNING: tuple[Row, ...] = tuple(
    row(statuses, phrase, verdict, error, path="/sign/")
    for statuses, phrase, verdict, error in (
        (400, r"unknown role", Verdict.LAGGING, _unknown_role),
        (
            400,
            r"(?:subject alternate name|common name) \"?(?P<name>[^\s\"]+)\"? (?:is )?not allowed",
            Verdict.FINAL,
            _name_refused,
        ),
    )
)
