"""HashiCorp Vault where it differs from OpenBao: rules in front of a real OpenBao.

Vault's own server is not available here. Each rule is one difference, taken from Vault's source
and release notes; everything else is OpenBao's unchanged answer. tests/test_dialect.py tests each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .headers import ignore_namespaces, refuse_to_forward, state_the_index
from .health import Health
from .intermediates import cut_to_the_issuer
from .leaves import not_before_the_issuer, within_name_constraints
from .quotas import LeaseCountQuotas
from .roles import RoleParameters
from .roots import constrained_roots
from .tokens import say_invalid_token

if TYPE_CHECKING:
    from .exchange import Rule


def community() -> tuple[Rule, ...]:
    """Return the rules of Vault Community."""
    return (refuse_to_forward, ignore_namespaces, Health(enterprise=False), *_both())


def enterprise() -> tuple[Rule, ...]:
    """Return the rules of Vault Enterprise and HCP Vault."""
    return (
        refuse_to_forward,
        state_the_index,
        LeaseCountQuotas(),
        Health(enterprise=True, version="1.21.1+ent"),
        *_both(),
    )


def _both() -> tuple[Rule, ...]:
    return (
        say_invalid_token,
        not_before_the_issuer,
        within_name_constraints,
        cut_to_the_issuer,
        constrained_roots,
        RoleParameters(),
    )
