"""The repr of a dataclass, which ends up in tracebacks and logs, has no secret."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re

import pytest

import dockertls_vault

SECRET = "s.never-shown"
# Names of fields that hold secrets, if their type can: a Path only points to one.
NAMES = re.compile(
    r"token|secret|password|jwt|credentials|body|headers|text|https?_proxy|^key$|_pem$"
)
TYPES = re.compile(r"\b(str|bytes|object|dict|Mapping)\b")
# Such a name, but without a secret.
HARMLESS = {
    ("Answered", "body"),  # of a daemon, at /version
    ("Bar", "text"),  # what a cell of a table shows
    ("WriteUnit", "text"),  # of a unit file, which everyone can read
    ("Diff", "text"),  # what is printed
    ("Printed", "text"),  # likewise
    ("Member", "key"),  # the name of a setting
    ("Login", "consumed_wrapping_token"),  # where it came from
    ("Settings", "jwt_audience"),  # public
    ("Settings", "jwt_variable"),  # the name of an environment variable
    ("Source", "key"),  # the name of a setting in a configuration file
    ("WhoAmI", "consumed_wrapping_token"),  # where it came from
    ("WhoAmI", "token_source"),  # where it came from
}


def dataclasses_of_the_package() -> list[type]:
    """Return every dataclass, including private ones."""
    modules = pkgutil.walk_packages(dockertls_vault.__path__, f"{dockertls_vault.__name__}.")
    return [
        kind
        for module in modules
        for kind in vars(importlib.import_module(module.name)).values()
        if isinstance(kind, type)
        and dataclasses.is_dataclass(kind)
        and kind.__module__ == module.name
    ]


def secrets(kind: type) -> list[str]:
    """Return the names of fields that can hold a secret."""
    return [
        field.name
        for field in dataclasses.fields(kind)
        if NAMES.search(field.name)
        and TYPES.search(str(field.type))
        and (kind.__name__, field.name) not in HARMLESS
    ]


HOLDERS = [kind for kind in dataclasses_of_the_package() if secrets(kind)]


def test_dataclasses_with_secrets_are_found() -> None:
    """Including a request, its answer, a login, the settings and a key to install."""
    assert {kind.__name__ for kind in HOLDERS} >= {
        "Answer",
        "Call",
        "DevServer",
        "Login",
        "Material",
        "Proxy",
        "Settings",
    }


@pytest.mark.parametrize("kind", HOLDERS, ids=lambda kind: kind.__name__)
def test_repr_has_no_secret(kind: type) -> None:
    """This covers every field that can hold one."""
    holder: object = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(holder, field.name, SECRET if field.name in secrets(kind) else None)
    assert SECRET not in repr(holder)
