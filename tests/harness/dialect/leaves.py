"""Certificates that Vault refuses to issue although OpenBao issues them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import signed
from .constraints import violation
from .exchange import one_error, refusal

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request


def not_before_the_issuer(request: Request, forward: Forward) -> Answer:
    """Refuse a leaf backdated to before its issuer (Vault 1.21.1)."""
    answer = forward(request)
    if not (signed.is_leaf(request, answer) or signed.is_intermediate(request, answer)):
        return answer
    issuer, made = signed.issuer(answer), signed.certificate(answer)
    if made.not_valid_before_utc < issuer.not_valid_before_utc:
        return refusal(400, "notBefore before signer's notBefore")
    return answer


def within_name_constraints(request: Request, forward: Forward) -> Answer:
    """Refuse a name that a CA above may not sign, with an untyped 500 (Vault 1.18.3)."""
    answer = forward(request)
    if not signed.is_leaf(request, answer):
        return answer
    found = violation(signed.certificate(answer), signed.path(answer))
    return answer if found is None else refusal(500, one_error(found))
