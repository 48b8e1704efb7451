"""The table of settings: for each its default, what it is, and where it may come from.

The variables are those of Vault's and OpenBao's own command lines (``VAULT_X``, and ``BAO_X``,
which wins) and this tool's (``DOCKERTLS_X``). A secret has no flag and no key in a file: it
comes from the environment, or from a file of its own that is named here.
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
    from .parsers import Method

DEFAULT_ADDRESS = Address("https", "127.0.0.1", 8200)
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Source:
    """Where a setting may come from: ``variables`` in order of preference, ``key`` in a file."""

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
    """Where a setting was found, as a person is told."""

    __slots__ = ()


class Flag(Origin):
    """Such as ``--mount``."""

    __slots__ = ()


class Variable(Origin):
    """Of the environment, by its name."""

    __slots__ = ()


class InFile(Origin):
    """A configuration file and the key in it."""

    __slots__ = ()


@dataclass(frozen=True)
class Settings:
    """Everything that was found; ``origins`` says for each field where.

    ``outvoted`` has each VAULT_X that says something else than the BAO_X that won, with that one;
    ``under_sudo``, whether sudo runs this, which drops most variables.
    """

    addresses: tuple[Address, ...] = _setting(
        (DEFAULT_ADDRESS,),
        "Addresses of Vault, http://, https:// or unix://, separated by commas (a list in a file); "
        "the next one is tried when a node is down, hung, sealed, electing a leader, or not Vault.",
        parse=parsers.addresses,
        variables=(*_vault("AGENT_ADDR"), *_vault("ADDR")),
        key="vault.address",
    )
    namespace: str | None = _setting(
        None,
        "The namespace in Vault.",
        parse=parsers.namespace,
        variables=_vault("NAMESPACE"),
        key="vault.namespace",
        flag="--namespace",
    )
    ca_cert: Path | None = _setting(
        None,
        "A PEM file of CAs to verify Vault's certificate with.",
        parse=parsers.path,
        variables=_vault("CACERT"),
        key="vault.ca_cert",
    )
    ca_cert_bytes: str | None = _setting(
        None,
        "The same as PEM text, where neither `ca_cert` nor `ca_path` is given.",
        variables=_vault("CACERT_BYTES"),
        key="vault.ca_cert_bytes",
    )
    ca_path: Path | None = _setting(
        None,
        "A directory of such PEM files; together with `ca_cert`, both count.",
        parse=parsers.path,
        variables=_vault("CAPATH"),
        key="vault.ca_path",
    )
    client_cert: Path | None = _setting(
        None,
        "A client certificate for Vault.",
        parse=parsers.path,
        variables=_vault("CLIENT_CERT"),
        key="vault.client_cert",
    )
    client_key: Path | None = _setting(
        None,
        "The key of that certificate.",
        parse=parsers.path,
        variables=_vault("CLIENT_KEY"),
        key="vault.client_key",
    )
    skip_verify: bool = _setting(
        False,
        "Disable verification of Vault's certificate; warns every time.",
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
        "Timeout of one request; 0 is the default, a negative duration no limit.",
        parse=parsers.request_timeout,
        variables=_vault("CLIENT_TIMEOUT"),
        key="vault.client_timeout",
    )
    max_retries: int | None = _setting(
        None,
        "How often a request is tried again at most, at each address; as often as the timeout "
        "allows by default.",
        parse=parsers.count,
        variables=_vault("MAX_RETRIES"),
        key="vault.max_retries",
    )
    proxy: Proxy | None = _setting(
        None,
        "A proxy for every request to Vault.",
        parse=parsers.proxy,
        variables=(*_vault("PROXY_ADDR"), *_vault("HTTP_PROXY")),
        key="vault.proxy",
    )
    http_proxy: str | None = _setting(
        None,
        "A proxy for addresses with http, unless they are loopback's.",
        secret=True,
        variables=("HTTP_PROXY", "http_proxy"),
    )
    https_proxy: str | None = _setting(
        None,
        "A proxy for addresses with https, unless they are loopback's.",
        secret=True,
        variables=("HTTPS_PROXY", "https_proxy"),
    )
    no_proxy: str | None = _setting(
        None,
        "Hosts, domains and networks for which these two do not count, separated by commas.",
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
        "Total time to keep trying to reach Vault.",
        parse=parsers.duration,
        variables=("DOCKERTLS_TIMEOUT",),
        key="vault.timeout",
        flag="--timeout",
    )
    token: str | None = _setting(None, "A token.", secret=True, variables=_vault("TOKEN"))
    token_file: Path | None = _setting(
        None,
        "A file with a token, such as the sink of Vault Agent; read again when Vault refuses it.",
        parse=parsers.path,
        variables=("DOCKERTLS_TOKEN_FILE",),
        key="vault.token_file",
    )
    token_path: Path | None = _setting(
        None,
        "Where ``vault login`` keeps the token, if not in ``~/.vault-token``.",
        parse=parsers.path,
        variables=_vault("TOKEN_PATH"),
    )
    token_helper_config: Path | None = _setting(
        None,
        "The file that names a token helper, as Vault's own command line has it.",
        parse=parsers.path,
        variables=_vault("CONFIG_PATH"),
    )
    home: Path | None = _setting(
        None,
        "Where ``.bao``, ``.vault`` and ``.vault-token`` are looked for.",
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
        "Where the auth method is mounted, if not under its own name.",
        parse=parsers.mount,
        variables=("DOCKERTLS_AUTH_MOUNT",),
        key="auth.mount",
    )
    auth_role: str | None = _setting(
        None,
        "The role to log in with (jwt, kubernetes, cert); for approle, the role that a wrapped "
        "secret_id must be of.",
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
        "The name of a variable with the JWT, as GitLab's ``id_tokens`` have names of their own.",
        parse=parsers.variable,
        variables=("DOCKERTLS_JWT_VARIABLE",),
        key="auth.jwt_variable",
    )
    jwt_audience: str | None = _setting(
        None,
        "The audience to ask GitHub for; GitHub's own default is the owner's address.",
        variables=("DOCKERTLS_JWT_AUDIENCE",),
        key="auth.jwt_audience",
    )
    github_url: Target | None = _setting(
        None,
        "Where a job of GitHub Actions with ``id-token: write`` gets its JWT.",
        parse=parsers.url,
        variables=("ACTIONS_ID_TOKEN_REQUEST_URL",),
    )
    github_token: str | None = _setting(
        None,
        "What that address is asked with.",
        secret=True,
        variables=("ACTIONS_ID_TOKEN_REQUEST_TOKEN",),
    )
    gitlab_token: str | None = _setting(
        None,
        "The JWT of a GitLab job, under the name that GitLab's documentation gives it.",
        secret=True,
        variables=("VAULT_ID_TOKEN",),
    )
    kubernetes_host: str | None = _setting(
        None, "Set in each pod of Kubernetes.", variables=("KUBERNETES_SERVICE_HOST",)
    )
    kubernetes_token_file: Path = _setting(
        SERVICE_ACCOUNT_TOKEN,
        "The token of the pod's service account, read at each login.",
        parse=parsers.path,
        variables=("DOCKERTLS_KUBERNETES_TOKEN_FILE",),
        key="auth.kubernetes_token_file",
    )
    mount: str = _setting(
        "dockertls",
        "The PKI mount that signs.",
        parse=parsers.mount,
        variables=("DOCKERTLS_MOUNT",),
        key="pki.mount",
        flag="--mount",
    )
    trust_mount: str | None = _setting(
        None,
        "The mount whose roots go into ca.pem, if other than the one that signs.",
        parse=parsers.mount,
        variables=("DOCKERTLS_TRUST_MOUNT",),
        key="pki.trust_mount",
        flag="--trust-mount",
    )
    server_role: str = _setting(
        "server",
        "The role for servers.",
        parse=parsers.role,
        variables=("DOCKERTLS_SERVER_ROLE",),
        key="pki.server_role",
        flag="--role",
    )
    client_role: str = _setting(
        "client",
        "The role for clients.",
        parse=parsers.role,
        variables=("DOCKERTLS_CLIENT_ROLE",),
        key="pki.client_role",
        flag="--role",
    )
    key_type: KeyType = _setting(
        KeyType.EC_P256,
        "The type of private key: ec-p256, ec-p384, ec-p521, rsa-2048, rsa-3072, rsa-4096 or "
        "ed25519.",
        parse=parsers.key_type,
        variables=("DOCKERTLS_KEY_TYPE",),
        key="pki.key_type",
        flag="--key-type",
    )
    admin_group: str | None = _setting(
        None,
        "A group of administrators, whose members may write in the directory and in those above "
        "it: they can replace the key.",
        variables=("DOCKERTLS_ADMIN_GROUP",),
        key="files.admin_group",
        flag="--admin-group",
    )
    origins: Mapping[str, Origin] = field(default_factory=dict)
    outvoted: Mapping[str, str] = field(default_factory=dict)
    under_sudo: bool = False


def sources() -> dict[str, Source]:
    """Return each setting's name and where it may come from."""
    return {
        found.name: found.metadata["source"]
        for found in dataclasses.fields(Settings)
        if "source" in found.metadata
    }
