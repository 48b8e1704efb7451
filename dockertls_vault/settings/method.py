"""The methods to authenticate with; pure."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """How to authenticate to Vault: with an existing token, or by a login."""

    TOKEN = "token"  # noqa: S105 - the name of a method
    APPROLE = "approle"
    JWT = "jwt"
    KUBERNETES = "kubernetes"
    CERT = "cert"
    USERPASS = "userpass"
    LDAP = "ldap"
