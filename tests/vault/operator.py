"""The operator of a test's Vault: any call with any token, without the code under test."""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dockertls_vault.settings import resolve
from dockertls_vault.vault.session import Session, open_session

from .waits import NoWaits

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.progress import Progress
    from tests.harness.openbao import DevVault

LIMIT = 60.0  # seconds; far more than any call takes


@dataclass(frozen=True)
class Operator:
    """A client with ``token`` at ``address``."""

    address: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, server: DevVault) -> Operator:
        return cls(server.address, server.token)

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and body of the answer; ``_`` in ``headers`` stands for ``-``."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=LIMIT)
        sent = {"X-Vault-Token": self.token}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, f"/v1/{path}", json.dumps(body) if body else None, sent)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(raw) if raw else {}

    def write(self, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """POST, expect success, and return the body."""
        status, answer = self.call("POST", path, body or {}, **headers)
        assert status in {200, 204}, (path, status, answer)
        return answer

    def read(self, path: str) -> dict[str, Any]:
        """GET, expect success, and return the data."""
        status, answer = self.call("GET", path)
        assert status == 200, (path, status, answer)
        data: dict[str, Any] = answer["data"]
        return data

    def enable_auth(self, kind: str) -> str:
        """Mount an auth method at a unique path; return that path, below ``auth/``."""
        mount = f"{kind}-{secrets.token_hex(4)}"
        self.write(f"sys/auth/{mount}", {"type": kind})
        return mount

    def enable_pki(self) -> str:
        """Mount a PKI engine with a root and the roles server and client; return its path."""
        mount = f"pki-{secrets.token_hex(4)}"
        self.write(f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
        root = {"common_name": "test root", "key_type": "ec", "ttl": "87600h"}
        self.write(f"{mount}/issuers/generate/root/internal", root)
        common = {"key_type": "any", "allow_any_name": True, "no_store": True, "max_ttl": "168h"}
        common |= {"not_before_duration": "5m", "require_cn": False, "enforce_hostnames": False}
        self.write(f"{mount}/roles/server", {**common, "server_flag": True, "client_flag": False})
        self.write(f"{mount}/roles/client", {**common, "server_flag": False, "client_flag": True})
        return mount

    def policy(self, hcl: str) -> str:
        """Write a policy; return its name."""
        name = f"policy-{secrets.token_hex(4)}"
        self.write(f"sys/policies/acl/{name}", {"policy": hcl})
        return name

    def create_token(self, **parameters: Any) -> str:
        """Return a new token."""
        answer = self.write("auth/token/create", parameters)
        return str(answer["auth"]["client_token"])

    def is_alive(self, token: str) -> bool:
        """Tell whether a token is still valid."""
        status, _ = self.call("POST", "auth/token/lookup", {"token": token})
        return status == 200


def settings(address: str, **variables: str) -> Settings:
    """Resolve the settings from environment variables only."""
    return resolve.resolve({}, {"VAULT_ADDR": address, **variables}, [])


def session(
    address: str,
    waits: Progress | None = None,
    ask: Callable[[str], str] | None = None,
    /,
    **variables: str,
) -> Session:
    """Open a session; a wait in it fails the test unless ``waits`` is given."""
    return open_session(settings(address, **variables), progress=waits or NoWaits(), ask=ask)


def ask_as_nobody(opened: Session) -> Any:
    """Send one request without a token; return the data of the answer."""
    return opened.anonymous.get("/v1/auth/token/lookup-self")["data"]
