"""The table of settings: the default, the description and the sources of each.

Environment variables are those of Vault's and OpenBao's command lines (``VAULT_X``, and ``BAO_X``,
which wins) and our own (``DOCKERTLS_X``). A secret has neither a flag nor a key in a file: it comes
from the environment, or from a separate file that a setting names.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.request import KeyType

from . import parsers
from .address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .address import Proxy, Target
    from .method import Method

DEFAULT_ADDRESS = Address("https", "127.0.0.1", 8200)
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Source:
    """The sources of a setting: ``variables`` in order of precedence, and ``key`` in a file."""

    doc: str
    parse: Callable[[object], object] = parsers.text
    variables: tuple[str, ...] = ()
    key: str | None = None
    flag: str | None = None


def _vault(name: str) -> tuple[str, str]:
    return (f"BAO_{name}", f"VAULT_{name}")


def _setting(default: Any, doc: str, *, secret: bool = False, **source: Any) -> Any:
    return field(default=default, repr=not secret, metadata={"source": Source(doc, **source)})


class Origin(str):
    """The source of a setting's value, as it appears in messages."""

    __slots__ = ()


class Flag(Origin):
    """A flag, such as ``--mount``."""

    __slots__ = ()


class Variable(Origin):
    """The name of an environment variable."""

    __slots__ = ()


class InFile(Origin):
    """A configuration file and the key in it."""

    __slots__ = ()


@dataclass(frozen=True)
class Settings:
    """The resolved settings; ``origins`` has the source of each field that is not a default.

    ``overridden`` maps each VAULT_X to the BAO_X with a different value that won; ``under_sudo`` is
    true if the process runs under sudo, which drops most environment variables.
    """

    addresses: tuple[Address, ...] = _setting(
        (DEFAULT_ADDRESS,),
        "Addresses of Vault: http://, https:// or unix://, separated by commas (a list in a file). "
        "The next one is tried if a node is down, hung, sealed, without a leader, or not Vault.",
        parse=parsers.addresses,
        variables=(*_vault("AGENT_ADDR"), *_vault("ADDR")),
        key="vault.address",
    )
    namespace: str | None = _setting(
        None,
        "The Vault namespace.",
        parse=parsers.namespace,
        variables=_vault("NAMESPACE"),
        key="vault.namespace",
        flag="--namespace",
    )
    ca_cert: Path | None = _setting(
        None,
        "A PEM file with the CAs that Vault's certificate is verified against.",
        parse=parsers.path,
        variables=_vault("CACERT"),
        key="vault.ca_cert",
    )
    ca_cert_bytes: str | None = _setting(
        None,
        "The same as PEM text; ignored if `ca_cert` or `ca_path` is set.",
        variables=_vault("CACERT_BYTES"),
        key="vault.ca_cert_bytes",
    )
    ca_path: Path | None = _setting(
        None,
        "A directory of such PEM files; used in addition to `ca_cert`.",
        parse=parsers.path,
        variables=_vault("CAPATH"),
        key="vault.ca_path",
    )
    client_cert: Path | None = _setting(
        None,
        "The client certificate for TLS connections to Vault.",
        parse=parsers.path,
        variables=_vault("CLIENT_CERT"),
        key="vault.client_cert",
    )
    client_key: Path | None = _setting(
        None,
        "The private key of the client certificate.",
        parse=parsers.path,
        variables=_vault("CLIENT_KEY"),
        key="vault.client_key",
    )
    skip_verify: bool = _setting(
        False,
        "Disable verification of Vault's certificate; prints a warning each time.",
        parse=parsers.boolean,
        variables=_vault("SKIP_VERIFY"),
        key="vault.skip_verify",
    )
    tls_server_name: str | None = _setting(
        None,
        "The name to verify in Vault's certificate, and to send as SNI.",
        parse=parsers.host,
        variables=_vault("TLS_SERVER_NAME"),
        key="vault.tls_server_name",
    )
    client_timeout: timedelta = _setting(
        parsers.REQUEST_TIMEOUT,
        "Timeout of a single request; 0 means the default, a negative duration no limit.",
        parse=parsers.request_timeout,
        variables=_vault("CLIENT_TIMEOUT"),
        key="vault.client_timeout",
    )
    max_retries: int | None = _setting(
        None,
        "How often to retry a request at most, at each address; by default, until the timeout.",
        parse=parsers.count,
        variables=_vault("MAX_RETRIES"),
        key="vault.max_retries",
    )
    proxy: Proxy | None = _setting(
        None,
        "The HTTP proxy for all requests to Vault.",
        parse=parsers.proxy,
        variables=(*_vault("PROXY_ADDR"), *_vault("HTTP_PROXY")),
        key="vault.proxy",
    )
    http_proxy: str | None = _setting(
        None,
        "The proxy for http:// addresses other than loopback ones.",
        secret=True,
        variables=("HTTP_PROXY", "http_proxy"),
    )
    https_proxy: str | None = _setting(
        None,
        "The proxy for https:// addresses other than loopback ones.",
        secret=True,
        variables=("HTTPS_PROXY", "https_proxy"),
    )
    no_proxy: str | None = _setting(
        None,
        "Hosts, domains and networks that bypass these two proxies, separated by commas.",
        variables=("NO_PROXY", "no_proxy"),
    )
    disable_redirects: bool = _setting(
        False,
        "Do not follow a standby's redirect to the leader.",
        parse=parsers.boolean,
        variables=_vault("DISABLE_REDIRECTS"),
        key="vault.disable_redirects",
    )
    timeout: timedelta = _setting(
        timedelta(seconds=30),
        "Overall time limit for requests to Vault, including retries.",
        parse=parsers.duration,
        variables=("DOCKERTLS_TIMEOUT",),
        key="vault.timeout",
        flag="--timeout",
    )
    token: str | None = _setting(None, "The Vault token.", secret=True, variables=_vault("TOKEN"))
    token_file: Path | None = _setting(
        None,
        "A file with the token, such as a sink of Vault Agent; read again if Vault rejects it.",
        parse=parsers.path,
        variables=("DOCKERTLS_TOKEN_FILE",),
        key="vault.token_file",
    )
    token_path: Path | None = _setting(
        None,
        "Where ``vault login`` stores the token, if not in ``~/.vault-token``.",
        parse=parsers.path,
        variables=_vault("TOKEN_PATH"),
    )
    token_helper_config: Path | None = _setting(
        None,
        "The configuration file of Vault's command line, which may name a token helper.",
        parse=parsers.path,
        variables=_vault("CONFIG_PATH"),
    )
    home: Path | None = _setting(
        None,
        "The directory of ``.bao``, ``.vault`` and ``.vault-token``.",
        parse=parsers.path,
        variables=("HOME",),
    )
    auth: Method | None = _setting(
        None,
        "How to log in to Vault: token, approle, jwt, kubernetes, cert, userpass or ldap; "
        "detected by default.",
        parse=parsers.method,
        variables=("DOCKERTLS_AUTH",),
        key="auth.method",
        flag="--auth",
    )
    auth_mount: str | None = _setting(
        None,
        "The mount of the auth method, if it is not named after the method.",
        parse=parsers.mount,
        variables=("DOCKERTLS_AUTH_MOUNT",),
        key="auth.mount",
    )
    auth_role: str | None = _setting(
        None,
        "The role to log in with (jwt, kubernetes, cert); for approle, the role that a wrapped "
        "secret_id must belong to.",
        parse=parsers.role,
        variables=("DOCKERTLS_AUTH_ROLE",),
        key="auth.role",
    )
    auth_user: str | None = _setting(
        None,
        "The user to log in as (userpass, ldap); prompts for the password.",
        parse=parsers.user,
        variables=("DOCKERTLS_AUTH_USER",),
        key="auth.user",
    )
    role_id: str | None = _setting(
        None, "AppRole's role_id.", variables=("DOCKERTLS_ROLE_ID",), key="auth.role_id"
    )
    role_id_file: Path | None = _setting(
        None,
        "A file with the role_id.",
        parse=parsers.path,
        variables=("DOCKERTLS_ROLE_ID_FILE",),
        key="auth.role_id_file",
    )
    secret_id: str | None = _setting(
        None, "AppRole's secret_id.", secret=True, variables=("DOCKERTLS_SECRET_ID",)
    )
    secret_id_file: Path | None = _setting(
        None,
        "A file with the secret_id.",
        parse=parsers.path,
        variables=("DOCKERTLS_SECRET_ID_FILE",),
        key="auth.secret_id_file",
    )
    wrapped_secret_id: str | None = _setting(
        None,
        "The wrapping token of a response-wrapped secret_id.",
        secret=True,
        variables=("DOCKERTLS_WRAPPED_SECRET_ID",),
    )
    wrapped_secret_id_file: Path | None = _setting(
        None,
        "A file with that wrapping token.",
        parse=parsers.path,
        variables=("DOCKERTLS_WRAPPED_SECRET_ID_FILE",),
        key="auth.wrapped_secret_id_file",
    )
    jwt: str | None = _setting(
        None, "A JWT to log in with.", secret=True, variables=("DOCKERTLS_JWT",)
    )
    jwt_file: Path | None = _setting(
        None,
        "A file with the JWT, read at each login.",
        parse=parsers.path,
        variables=("DOCKERTLS_JWT_FILE",),
        key="auth.jwt_file",
    )
    jwt_variable: str | None = _setting(
        None,
        "The name of the environment variable with the JWT, such as one of GitLab's ``id_tokens``.",
        parse=parsers.variable,
        variables=("DOCKERTLS_JWT_VARIABLE",),
        key="auth.jwt_variable",
    )
    jwt_audience: str | None = _setting(
        None,
        "The audience to request from GitHub; by default, the URL of the repository's owner.",
        variables=("DOCKERTLS_JWT_AUDIENCE",),
        key="auth.jwt_audience",
    )
    github_url: Target | None = _setting(
        None,
        "Where a GitHub Actions job with ``id-token: write`` requests its JWT.",
        parse=parsers.url,
        variables=("ACTIONS_ID_TOKEN_REQUEST_URL",),
    )
    github_token: str | None = _setting(
        None,
        "The bearer token for that request.",
        secret=True,
        variables=("ACTIONS_ID_TOKEN_REQUEST_TOKEN",),
    )
    gitlab_token: str | None = _setting(
        None,
        "The JWT of a GitLab job, by the name that GitLab's documentation uses.",
        secret=True,
        variables=("VAULT_ID_TOKEN",),
    )
    kubernetes_host: str | None = _setting(
        None, "Set by Kubernetes in every pod.", variables=("KUBERNETES_SERVICE_HOST",)
    )
    kubernetes_token_file: Path = _setting(
        SERVICE_ACCOUNT_TOKEN,
        "A file with the token of the pod's service account, read at each login.",
        parse=parsers.path,
        variables=("DOCKERTLS_KUBERNETES_TOKEN_FILE",),
        key="auth.kubernetes_token_file",
    )
    mount: str = _setting(
        "dockertls",
        "The PKI mount that signs certificates.",
        parse=parsers.mount,
        variables=("DOCKERTLS_MOUNT",),
        key="pki.mount",
        flag="--mount",
    )
    trust_mount: str | None = _setting(
        None,
        "The mount whose roots go into ca.pem, if it is not the one that signs.",
        parse=parsers.mount,
        variables=("DOCKERTLS_TRUST_MOUNT",),
        key="pki.trust_mount",
        flag="--trust-mount",
    )
    server_role: str = _setting(
        "server",
        "The PKI role for server certificates.",
        parse=parsers.role,
        variables=("DOCKERTLS_SERVER_ROLE",),
        key="pki.server_role",
        flag="--role",
    )
    client_role: str = _setting(
        "client",
        "The PKI role for client certificates.",
        parse=parsers.role,
        variables=("DOCKERTLS_CLIENT_ROLE",),
        key="pki.client_role",
        flag="--role",
    )
    key_type: KeyType = _setting(
        KeyType.EC_P256,
        "The private key type: ec-p256, ec-p384, ec-p521, rsa-2048, rsa-3072, rsa-4096 or ed25519.",
        parse=parsers.key_type,
        variables=("DOCKERTLS_KEY_TYPE",),
        key="pki.key_type",
        flag="--key-type",
    )
    admin_group: str | None = _setting(
        None,
        "A group of administrators who may write to the directory and its parents, and so can "
        "replace the key.",
        variables=("DOCKERTLS_ADMIN_GROUP",),
        key="files.admin_group",
        flag="--admin-group",
    )
    state_dir: Path | None = _setting(
        None,
        "The directory that lists the credentials of this host for `renew`; by default "
        "/var/lib/dockertls-vault for root, and below XDG_STATE_HOME for other users.",
        parse=parsers.path,
        variables=("DOCKERTLS_STATE_DIR",),
        key="files.state_dir",
    )
    hook_timeout: timedelta = _setting(
        timedelta(minutes=5),
        "How long a hook may run.",
        parse=parsers.duration,
        variables=("DOCKERTLS_HOOK_TIMEOUT",),
        key="hooks.timeout",
    )
    origins: Mapping[str, Origin] = field(default_factory=dict)
    overridden: Mapping[str, str] = field(default_factory=dict)
    under_sudo: bool = False


def sources() -> dict[str, Source]:
    """Return the sources of each setting, by its name."""
    return {
        found.name: found.metadata["source"]
        for found in dataclasses.fields(Settings)
        if "source" in found.metadata
    }
