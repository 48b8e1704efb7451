"""What a command needs to know about Vault, found once: flag, environment, file, default.

The variables are those of Vault's and OpenBao's own command lines (``VAULT_X``, and ``BAO_X``,
which wins) and this tool's (``DOCKERTLS_X``). A file is TOML; the user's wins over the
system's. Secrets come from the environment or from files named here, never from a flag or
from the configuration file itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .duration import parse_duration
from .errors import DockerTLSError, InvalidInput, InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SYSTEM_FILE = Path("/etc/dockertls-vault/config.toml")
DEFAULT_ADDRESS = "https://127.0.0.1:8200"
_TRUE = {"1", "t", "true", "yes", "on"}
_FALSE = {"0", "f", "false", "no", "off", ""}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"not a text: {value!r}")
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value).lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise InvalidInput(f"neither true nor false: {value!r}")


def _count(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"not a number of times: {value!r}")
    return int(text)


def _duration(value: object) -> timedelta:
    return parse_duration(str(value))


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _mount(value: object) -> str:
    text = _text(value).strip("/")
    if not text or any(not part or part in {".", ".."} for part in text.split("/")):
        raise InvalidInput(f"not a path in Vault: {value!r}")
    if not text.isprintable() or set(text) & set(" ?#%*+\\"):
        raise InvalidInput(f"not a path in Vault: {value!r}")
    return text


def _role(value: object) -> str:
    text = _mount(value)
    if "/" in text:
        raise InvalidInput(f"not the name of a role: {value!r}")
    return text


def _addresses(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else _text(value).split(",")
    addresses = tuple(_address(_text(part).strip()) for part in parts)
    return tuple(dict.fromkeys(addresses))


def _address(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidInput(
            f"not an address of Vault: {text!r}", hint="write it as https://vault.example.com:8200"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidInput(
            f"an address of Vault with more than a host, a port and a path: "
            f"{parts.scheme}://{parts.hostname}"
        )
    return text.rstrip("/").removesuffix("/v1")


@dataclass(frozen=True)
class Source:
    """Where a setting may come from: ``variables`` in order of preference, ``key`` in a file."""

    doc: str
    parse: Callable[[object], object] = _text
    variables: tuple[str, ...] = ()
    key: str | None = None
    flag: str | None = None


def _vault(name: str) -> tuple[str, str]:
    return (f"BAO_{name}", f"VAULT_{name}")


def _setting(default: Any, doc: str, *, secret: bool = False, **source: Any) -> Any:
    return field(default=default, repr=not secret, metadata={"source": Source(doc, **source)})


@dataclass(frozen=True)
class Settings:
    """Everything that was found; ``origins`` says for each field where."""

    addresses: tuple[str, ...] = _setting(
        (DEFAULT_ADDRESS,),
        "Addresses of Vault, separated by commas (a list in a file); the next one is tried "
        "when a node is down, hung, sealed or electing.",
        parse=_addresses,
        variables=_vault("ADDR"),
        key="vault.address",
    )
    namespace: str | None = _setting(
        None,
        "The namespace in Vault.",
        parse=_mount,
        variables=_vault("NAMESPACE"),
        key="vault.namespace",
        flag="--namespace",
    )
    ca_cert: Path | None = _setting(
        None,
        "A PEM file with the CAs that Vault's own certificate is checked against.",
        parse=_path,
        variables=_vault("CACERT"),
        key="vault.ca_cert",
    )
    ca_cert_bytes: str | None = _setting(
        None,
        "The same as PEM text, if there is no file.",
        variables=_vault("CACERT_BYTES"),
        key="vault.ca_cert_bytes",
    )
    ca_path: Path | None = _setting(
        None,
        "A directory of such PEM files, if neither of the two is given.",
        parse=_path,
        variables=_vault("CAPATH"),
        key="vault.ca_path",
    )
    client_cert: Path | None = _setting(
        None,
        "A certificate to show to Vault.",
        parse=_path,
        variables=_vault("CLIENT_CERT"),
        key="vault.client_cert",
    )
    client_key: Path | None = _setting(
        None,
        "The key of that certificate.",
        parse=_path,
        variables=_vault("CLIENT_KEY"),
        key="vault.client_key",
    )
    skip_verify: bool = _setting(
        False,
        "Do not check Vault's certificate; said aloud each time.",
        parse=_boolean,
        variables=_vault("SKIP_VERIFY"),
        key="vault.skip_verify",
    )
    tls_server_name: str | None = _setting(
        None,
        "The name to expect in Vault's certificate, and to send as SNI.",
        variables=_vault("TLS_SERVER_NAME"),
        key="vault.tls_server_name",
    )
    client_timeout: timedelta = _setting(
        timedelta(seconds=60),
        "How long one request may take at most.",
        parse=_duration,
        variables=_vault("CLIENT_TIMEOUT"),
        key="vault.client_timeout",
    )
    max_retries: int | None = _setting(
        None,
        "How often a request is tried again at most; as often as the timeout allows by default.",
        parse=_count,
        variables=_vault("MAX_RETRIES"),
        key="vault.max_retries",
    )
    proxy: str | None = _setting(
        None,
        "A proxy to reach Vault through.",
        variables=_vault("PROXY_ADDR"),
        key="vault.proxy",
    )
    disable_redirects: bool = _setting(
        False,
        "Do not follow a standby's redirect to the leader.",
        parse=_boolean,
        variables=_vault("DISABLE_REDIRECTS"),
        key="vault.disable_redirects",
    )
    timeout: timedelta = _setting(
        timedelta(seconds=30),
        "How long to try to reach Vault, in all.",
        parse=_duration,
        variables=("DOCKERTLS_TIMEOUT",),
        key="vault.timeout",
        flag="--timeout",
    )
    token: str | None = _setting(None, "A token.", secret=True, variables=_vault("TOKEN"))
    token_file: Path | None = _setting(
        None,
        "A file with a token, such as the sink of Vault Agent; read again when Vault refuses it.",
        parse=_path,
        variables=("DOCKERTLS_TOKEN_FILE",),
        key="vault.token_file",
    )
    home: Path | None = _setting(
        None, "Where ``.vault-token`` is looked for.", parse=_path, variables=("HOME",)
    )
    mount: str = _setting(
        "dockertls",
        "The PKI mount that signs.",
        parse=_mount,
        variables=("DOCKERTLS_MOUNT",),
        key="pki.mount",
        flag="--mount",
    )
    trust_mount: str | None = _setting(
        None,
        "The mount whose roots go into ca.pem, where it is not the one that signs.",
        parse=_mount,
        variables=("DOCKERTLS_TRUST_MOUNT",),
        key="pki.trust_mount",
        flag="--trust-mount",
    )
    server_role: str = _setting(
        "server",
        "The role for servers.",
        parse=_role,
        variables=("DOCKERTLS_SERVER_ROLE",),
        key="pki.server_role",
        flag="--role",
    )
    client_role: str = _setting(
        "client",
        "The role for clients.",
        parse=_role,
        variables=("DOCKERTLS_CLIENT_ROLE",),
        key="pki.client_role",
        flag="--role",
    )
    origins: Mapping[str, str] = field(default_factory=dict)


def sources() -> dict[str, Source]:
    """Return each setting's name and where it may come from."""
    return {
        found.name: found.metadata["source"]
        for found in dataclasses.fields(Settings)
        if "source" in found.metadata
    }


def config_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that are read if they are there, the one that wins first."""
    home = environ.get("XDG_CONFIG_HOME") or (
        f"{environ['HOME']}/.config" if environ.get("HOME") else None
    )
    users = (Path(home) / "dockertls-vault" / "config.toml",) if home else ()
    return (*users, SYSTEM_FILE)


def resolve(
    flags: Mapping[str, object], environ: Mapping[str, str], files: Sequence[Path]
) -> Settings:
    """Find the settings; ``flags`` are those that were given, by the name of their field.

    An empty variable counts as not set, as it does for Vault. Raises InvalidInput for a flag,
    InvalidSetting for a variable or a file, each naming where the value is.
    """
    tables = [(file, _read(file)) for file in files]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, source in sources().items():
        for origin, value in _found(name, source, flags, environ, tables):
            try:
                values[name] = source.parse(value)
            except InvalidInput as error:
                kind = InvalidInput if origin == source.flag else InvalidSetting
                raise kind(f"{origin}: {error.message}", hint=error.hint) from None
            origins[name] = origin
            break
    return Settings(**values, origins=origins)


def _found(
    name: str,
    source: Source,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    tables: Sequence[tuple[Path, Mapping[str, object]]],
) -> list[tuple[str, object]]:
    """Return each place that has the setting and what it says, the one that wins first."""
    return [
        *([(source.flag or name, flags[name])] if name in flags else []),
        *((variable, environ[variable]) for variable in source.variables if environ.get(variable)),
        *(
            (f"{file}: {source.key}", table[source.key])
            for file, table in tables
            if source.key is not None and source.key in table
        ),
    ]


def _read(file: Path) -> dict[str, object]:
    """Return the keys of a file as ``table.key``; nothing if it is not there."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{file} cannot be read: {error}") from None
    known = {source.key for source in sources().values() if source.key}
    found = {}
    for table, keys in content.items():
        for key, value in keys.items() if isinstance(keys, dict) else [("", keys)]:
            name = f"{table}.{key}".rstrip(".")
            if name not in known:
                raise _unknown(file, name, known)
            found[name] = value
    return found


def _unknown(file: Path, name: str, known: set[str]) -> DockerTLSError:
    if name.rpartition(".")[2] in {"token", "secret_id", "password", "jwt"}:
        return InvalidSetting(
            f"{file}: {name} would be a secret in a configuration file",
            hint="keep it in a file of its own with mode 0600 and name that, or log in (--auth)",
        )
    close = difflib.get_close_matches(name, known, n=1)
    return InvalidSetting(
        f"{file}: no such setting: {name}", hint=f"did you mean {close[0]!r}?" if close else ""
    )
