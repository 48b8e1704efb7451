"""hvac's client on top of our own cluster, for the commands that inspect and set up the CA.

Importing hvac and its dependencies takes as long as issuing a certificate
(docs/reference/performance.md), so `issue` does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hvac
from hvac.adapters import JSONAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http.adapter import Adapter


class _Bridge(JSONAdapter):
    """hvac's adapter, which sends each request through ours."""

    def __init__(self, ours: Adapter) -> None:
        super().__init__(base_uri="", token="")
        self._ours = ours

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002 - hvac's signature; an error always raises
        **kwargs: Any,
    ) -> Any:
        sent = dict(headers or {})
        if wrap_ttl := kwargs.get("wrap_ttl"):
            sent["X-Vault-Wrap-TTL"] = str(wrap_ttl)
        return self._ours.request(
            method, url, headers=sent, json=kwargs.get("json"), params=kwargs.get("params")
        )


def client(ours: Adapter) -> hvac.Client:
    """Return an hvac client that sends its requests through ``ours``."""
    # With a URL and a token, hvac does not read the environment.
    return hvac.Client(
        url="http://unused",
        token="",
        verify=True,
        adapter=lambda **_options: _Bridge(ours),  # type: ignore[arg-type]  # hvac only calls it
    )
