"""Intermediates, which Vault (since 1.17) truncates to the validity of their issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import signed

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request

_WARNING = (
    "the signed intermediary CA certificate's notAfter was truncated to the issuer's notAfter"
)


def cut_to_the_issuer(request: Request, forward: Forward) -> Answer:
    """Truncate an intermediate to its issuer, with a warning; OpenBao only warns."""
    answer = forward(request)
    if not signed.is_intermediate(request, answer):
        return answer
    last = signed.issuer(answer).not_valid_after_utc
    if signed.certificate(answer).not_valid_after_utc <= last:
        return answer
    asked = {name: value for name, value in request.json.items() if name != "ttl"}
    cut = forward(request.with_json({**asked, "not_after": f"{last:%Y-%m-%dT%H:%M:%SZ}"}))
    return cut.with_warnings(*(cut.json.get("warnings") or ()), _WARNING)
