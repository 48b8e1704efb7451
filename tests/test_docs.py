"""The docs mention everything in the program, and every link and command in them is valid."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import importlib
import pathlib
import re
import shlex
import subprocess
import typing
from pathlib import Path
from typing import Any

import pytest

import dockertls_vault
from dockertls_vault import (
    clients,
    configure,
    doctor,
    errors,
    findings,
    issue,
    proof,
    renew,
    renew_all,
    restart_daemon,
    rollback,
    status,
    timer,
    whoami,
)
from dockertls_vault.ca import bootstrap, changes, steps
from dockertls_vault.certificate import also_trusted, request
from dockertls_vault.certificate import certificate as certificates
from dockertls_vault.certificate.request import Request
from dockertls_vault.credential import causes, history, hooks, layout, settle, store
from dockertls_vault.credential.record import Record
from dockertls_vault.daemon import printed
from dockertls_vault.docker import rejections
from dockertls_vault.docker.diagnosis import report, wire
from dockertls_vault.docker.handshake import outcome
from dockertls_vault.settings import schema
from dockertls_vault.vault import roles, token_info

from . import console
from .console import PAGES
from .programs import ROOT, program

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


REFERENCE = program("reference")
COMMANDS = dict(REFERENCE.commands())


@pytest.mark.parametrize("page", ["commands.md", "settings.md", "exit-statuses.md"])
def test_reference_matches_the_code(page: str) -> None:
    """`python scripts/reference.py` writes commands, options, settings and exit statuses."""
    assert (ROOT / "docs" / "reference" / page).read_text() == REFERENCE.pages()[page]


def test_every_option_and_setting_has_a_description() -> None:
    """The reference is generated from them."""
    for name, command in COMMANDS.items():
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)
    assert [name for name, source in schema.sources().items() if not source.doc] == []


def _fields(kind: Any) -> set[str]:
    """Return the JSON field names that a result can have."""
    return {field.name for part in _parts(kind) for field in dataclasses.fields(part)}


def _parts(kind: Any) -> set[Any]:
    """Return the dataclasses that a type consists of, including itself."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, _names(kind))
        inner = (_parts(hints[field.name]) for field in dataclasses.fields(kind))
        return {kind}.union(*inner)
    return set().union(*map(_parts, typing.get_args(kind)))


def _names(kind: Any) -> dict[str, Any]:
    """Return the names that annotations of a class may use, with those imported only for them."""
    found: dict[str, Any] = {}
    for module in (
        collections.abc,
        dt,
        pathlib,
        outcome,
        token_info,
        roles,
        changes,
        steps,
        history,
        store,
        causes,
        hooks,
        layout,
        request,
        also_trusted,
        rejections,
        settle,
        findings,
        wire,
        errors,
        certificates,
        report,
        proof,
    ):
        found |= vars(module)
    found |= vars(importlib.import_module(kind.__module__))
    return {**found, "store": store}


# The kind of each type of result, which is the title of its section.
RESULTS = {
    "issued": issue.Issued,
    "renewals": renew_all.Renewals,
    "timer": timer.Installed,
    "rollback": rollback.RolledBack,
    "generations": history.Generations,
    "status": status.Status,
    "ca-init": bootstrap.Bootstrapped,
    "check": report.Report,
    "daemon-configure": configure.Outcome,
    "daemon-print": printed.Printed,
    "daemon-doctor": doctor.Diagnosis,
    "daemon-restart": restart_daemon.Restarted,
    "daemon-clients": clients.Clients,
    "auth": whoami.WhoAmI,
}
JSON = (ROOT / "docs" / "reference" / "json.md").read_text()
# The title of each section, and its text; the first has none.
SECTIONS = dict(
    re.findall(r"(?:^## ([^\n]+)|\A# JSON)\n(.*?)(?=^## |\Z)", JSON, re.DOTALL | re.MULTILINE)
)


@pytest.mark.parametrize("kind", RESULTS)
def test_every_field_of_the_json_is_documented(kind: str) -> None:
    """In the section of its command, or in one shared by several commands."""
    text = "".join(
        SECTIONS[name] for name in (kind, "certificate", "check", "generations", "hooks")
    )
    fields = sorted(_fields(RESULTS[kind]) - {"warnings"})
    assert [name for name in fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("section", "number", "kind"),
    [
        *((kind, 0, RESULTS[kind]) for kind in RESULTS),
        ("renewals", 1, renew.Renewal),
        ("status", 1, status.CredentialStatus),
        ("generations", 1, history.Generation),
        ("hooks", 0, settle.Settled),
        ("daemon-configure", 1, proof.Proof),
        ("certificate", 0, certificates.Description),
    ],
)
def test_every_documented_field_is_in_the_json(section: str, number: int, kind: type) -> None:
    """The rows of each table are the fields of its object; warnings are outside it."""
    table = SECTIONS[section].split("| --- | --- |\n")[number + 1].partition("\n\n")[0]
    cells = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    rows = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    fields = {field.name for field in dataclasses.fields(kind)}
    assert sorted(rows) == sorted(fields - {"warnings"})


def test_every_kind_of_result_is_documented() -> None:
    """There is one section per kind, and one for failures."""
    (row,) = re.findall(r"^\| `kind` \| (.*) \|$", JSON, re.MULTILINE)
    assert re.findall(r"`([\w-]+)`", row) == ["data", *RESULTS, "error"]


def test_commands_without_json_are_listed() -> None:
    """So nobody has to find out by trying."""
    without = [
        name
        for name, command in COMMANDS.items()
        if not any("-o" in parameter.opts for parameter in command.params)
    ]
    (sentence,) = re.findall(r"^(.*) have no `-o`", JSON, re.MULTILINE)
    assert re.findall(r"`([a-z -]+)`", sentence) == without


@pytest.mark.parametrize("kind", RESULTS)
def test_missing_value_is_always_null(kind: str) -> None:
    """No field of a result has an empty text as default."""
    defaults = {
        f"{part.__name__}.{field.name}": field.default
        for part in _parts(RESULTS[kind])
        for field in dataclasses.fields(part)
    }
    assert [name for name, default in defaults.items() if default == ""] == []


def test_every_field_of_request_json_is_documented() -> None:
    """The page about files lists them."""
    page = (ROOT / "docs" / "reference" / "files.md").read_text()
    names = {"version", "dns_names", "ip_addresses", "ttl_seconds"}
    names |= {field.name for field in dataclasses.fields(Request)} - {"names", "ttl"}
    names |= {field.name for field in dataclasses.fields(Record)} - {"request"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_link_is_valid(page: Path) -> None:
    """Each relative link names an existing file, and a heading in it if given."""
    for target in _LINK.findall(page.read_text()):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            slugs = {
                re.sub(r"[^a-z0-9 -]", "", found.lower()).replace(" ", "-") for found in headings
            }
            assert heading in slugs, target


def test_overview_lists_the_pages_of_the_site() -> None:
    """All that the navigation has, in its order."""
    pages = re.findall(r"(?:how-to|reference|explanation)/[a-z-]+\.md", _text("mkdocs.yml"))
    assert re.findall(r"^- \[.+\]\((.+)\)$", _text("docs/index.md"), re.MULTILINE) == pages


def _text(path: str) -> str:
    return (ROOT / path).read_text()


def test_maintainers_page_names_existing_files_and_commits() -> None:
    """Each file exists, and each commit is in the history."""
    text = (ROOT / "docs" / "maintaining.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+(?:/|\.(?:py|md|yml|toml)))`", text):
        places = (ROOT, Path(dockertls_vault.__file__).parent, ROOT / ".github" / "workflows")
        assert any((place / name).exists() for place in places), name
    commits = re.findall(r"\b[0-9a-f]{7}\b", text)
    assert commits
    # A shallow clone, or an sdist, has not all of the history.
    if git("rev-parse", "--is-shallow-repository") == "false":
        assert [commit for commit in commits if git("cat-file", "-t", commit) != "commit"] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/maintaining.md"])
def test_identifiers_that_are_named_exist(page: str) -> None:
    """Each class, constant, fixture and marker that a page for developers refers to."""
    named = re.findall(r"`(_\w+|[A-Za-z]+_\w+|[A-Z][a-z]+)`", (ROOT / page).read_text())
    assert named
    sources = [ROOT / "pyproject.toml", ROOT / "Makefile"]
    for folder in (Path(dockertls_vault.__file__).parent, ROOT / "tests", ROOT / "scripts"):
        sources += folder.rglob("*.py")
    known = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    assert [name for name in named if name not in known] == []


def git(*arguments: str) -> str:
    """Return the output of git in this checkout."""
    command = ["git", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip()


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_docs_exist(page: str) -> None:
    """Each call of this program has a command and options that exist."""
    for line in _calls(page):
        words = shlex.split(line, comments=True)
        words = words[: words.index("|")] if "|" in words else words
        name = next((name for name in COMMANDS if words[: len(name.split())] == name.split()), None)
        if name is None:
            assert words[0].startswith("--"), line
            continue
        known = {
            option
            for parameter in COMMANDS[name].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert used <= known, line


def _calls(page: str) -> list[str]:
    """Return the arguments of each call of this program in a page's commands."""
    return [
        line.partition("dockertls-vault ")[2]
        for shown in console.commands(page)
        for line in shown.text.replace("\\\n", " ").splitlines()
        if line.removeprefix("sudo -E ").startswith("dockertls-vault ")
    ]


def test_readme_is_short() -> None:
    """It can be read in one sitting."""
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_clone_url_is_in_one_place() -> None:
    """The repository's address, once it has one, is set there."""
    told = [name for name, page in PAGES.items() for _ in re.findall("git clone", page.read_text())]
    assert told == ["README.md"]


@pytest.mark.parametrize(
    "page",
    [
        "SECURITY.md",
        "CONTRIBUTING.md",
        "docs/explanation/decisions.md",
        "docs/explanation/faults.md",
    ],
)
def test_tests_that_are_named_exist(page: str) -> None:
    """Each file or directory of tests that a page refers to."""
    named = re.findall(r"`(tests/[^`\s]*)`", (ROOT / page).read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_security_promise_names_its_test() -> None:
    """This holds for each row of the tables in SECURITY.md."""
    text = (ROOT / "SECURITY.md").read_text().partition("## What a token grants")[0]
    rows = re.findall(r"^\| (?!---|promised)(.*) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 10
    assert [promise for promise, shown in rows if "`tests/" not in shown] == []


def test_package_layout_lists_every_file() -> None:
    """CONTRIBUTING.md has exactly the directories and files of the package."""
    _, picture, _ = (
        (ROOT / "CONTRIBUTING.md").read_text().partition("## Package layout")[2].split("```")
    )
    house = Path(issue.__file__).parent
    named: set[Path] = set()
    folder = house
    for line in picture.strip().splitlines():
        if not line.startswith("  "):
            folder = house / line.split()[0]
        elif line.startswith("    "):
            named |= {folder / f"{name}.py" for name in line.split()}
    there = {path for path in house.rglob("*.py") if not path.name.startswith("_")}
    assert named == there
