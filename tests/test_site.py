"""The documentation site: built strictly, no broken links, nothing loaded from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from . import console
from .console import PAGES
from .programs import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SITE = "https://dockertls-vault.github.io/dockertls-vault/"
# What a stylesheet or an SVG loads.
_LOADS = re.compile(r"""(?:url\(|@import(?!\s*url)|(?:href|src)=)\s*["']?([^"')\s]+)""")


@dataclass
class Page(HTMLParser):
    """A built page: its anchors, the targets of its links, and what it loads."""

    address: str
    ids: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    navigation: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        self.classes |= set(found.get("class", "").split())
        self.copied += [found["data-copy"]] if "data-copy" in found else []
        named = [found[name] for name in ("href", "src", "srcset", "data") if name in found]
        addresses = [urljoin(self.address, it) for it in named]
        (self.links if tag == "a" else self.loads).extend(addresses)
        if "md-nav__link" in found.get("class", ""):
            self.navigation.update(addresses)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make docs` does; warnings are errors."""
    directory = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return directory


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Return each page by its URL."""
    found = {}
    for file in site.rglob("*.html"):
        name = file.relative_to(site).as_posix()
        page = Page(_SITE + name.removesuffix("index.html"))
        page.feed(file.read_text(encoding="utf-8"))
        found[page.address] = page
    return found


def _is_foreign(address: str) -> bool:
    return urlsplit(address).scheme != "data" and not address.startswith(_SITE)


def _leads_nowhere(address: str, site: Path, pages: Mapping[str, Page]) -> bool:
    bare, _, anchor = address.partition("#")
    if bare in pages:
        return bool(anchor) and unquote(anchor) not in pages[bare].ids
    return not (site / unquote(bare.removeprefix(_SITE))).is_file()


def test_every_link_of_the_site_is_valid(site: Path, pages: dict[str, Page]) -> None:
    """Every page, anchor, image, script and stylesheet of our own exists."""
    named = {
        (page.address, address)
        for page in pages.values()
        for address in page.links + page.loads
        if address.startswith(_SITE)
    }
    assert len(named) > len(pages)
    assert [found for found in sorted(named) if _leads_nowhere(found[1], site, pages)] == []


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, Page]) -> None:
    """No other host learns who reads the docs."""
    loads = {address for page in pages.values() for address in page.loads}
    for file in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        loads |= {urljoin(_SITE, it) for it in _LOADS.findall(file.read_text(encoding="utf-8"))}
    assert [address for address in sorted(loads) if _is_foreign(address)] == []
    # With these, Material's script loads a library from a CDN, and statistics from GitHub.
    assert not {"mermaid", "md-source"} & set().union(*(page.classes for page in pages.values()))


def test_every_page_is_in_the_navigation(pages: dict[str, Page]) -> None:
    """Each page links to all."""
    others = set(pages) - {_SITE, f"{_SITE}404.html"}
    assert len(others) == len([name for name in PAGES if name.startswith("docs/")]) - 1
    for page in pages.values():
        assert others - page.navigation == set(), page.address


def test_typed_lines_of_a_console_block() -> None:
    """Commands with continuation lines and here-documents, without output."""
    block = """\
$ one \\
    --two
printed $ not typed
$ tee file <<'END'
$ in the file
END
printed
"""
    typed = program("copying").typed(iter(block.splitlines()))
    assert list(typed) == ["one \\\n    --two", "tee file <<'END'\n$ in the file\nEND"]


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_copy_button_copies_only_the_commands(pages: dict[str, Page], name: str) -> None:
    """It leaves out prompts and output."""
    address = name.removeprefix("docs/").removesuffix("index.md").removesuffix(".md")
    page = pages[urljoin(_SITE, f"{address}/" if address else "")]
    typed = "\n".join(shown.text for shown in console.commands(name))
    assert "\n".join(page.copied) == typed
