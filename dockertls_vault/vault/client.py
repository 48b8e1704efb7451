"""hvac's client over our own cluster: for those who look at the CA and set it up.

hvac and what it brings along take as long to import as a certificate takes to be issued
(docs/reference/performance.md), so whatever `issue` asks Vault is asked without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hvac
from hvac.adapters import JSONAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http.adapter import Adapter


class _Bridge(JSONAdapter):
    """hvac's way to send a request, by ours."""

    def __init__(self, ours: Adapter) -> None:
        super().__init__(base_uri="", token="")
        self._ours = ours

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002 - hvac's signature; a fault always raises
        **kwargs: Any,
    ) -> Any:
        sent = dict(headers or {})
        if wrap_ttl := kwargs.get("wrap_ttl"):
            sent["X-Vault-Wrap-TTL"] = str(wrap_ttl)
        return self._ours.request(
            method, url, headers=sent, json=kwargs.get("json"), params=kwargs.get("params")
        )


def client(ours: Adapter) -> hvac.Client:
    """Return hvac's client, which sends by ``ours``."""
    # An address and a token that are given keep hvac from the environment.
    return hvac.Client(
        url="http://unused",
        token="",
        verify=True,
        adapter=lambda **_options: _Bridge(ours),  # type: ignore[arg-type]  # hvac only calls it
    )
