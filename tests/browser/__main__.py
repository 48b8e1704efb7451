"""How do the pages look in a real browser? ``python -m tests.browser``, or `make look`.

Each page of site/, on a dark phone and on a light screen: nothing overflows the page, nothing is
fetched from another host, the color scheme is the system's, and the button of a block of commands
copies what a reader types.
"""

from __future__ import annotations

import functools
import http.server
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = Path(__file__).parents[2] / "site"
# Width in pixels, and whether the system is dark.
SCREENS = ((390, True), (1280, False))
# Elements that overflow the page and are not inside a scrolling element.
_TOO_WIDE = """\
(() => {
  const page = document.querySelector(".md-content");
  const scrolls = found => found !== page && (
    ["auto", "scroll"].includes(getComputedStyle(found).overflowX) || scrolls(found.parentElement));
  return [...page.querySelectorAll("*")]
    .filter(found => found.getBoundingClientRect().right > innerWidth + 1)
    .filter(found => !scrolls(found.parentElement))
    .map(found => `<${found.localName}> ${found.textContent.trim().slice(0, 40)}`);
})()
"""
_IS_DARK = 'document.body.getAttribute("data-md-color-scheme") === "slate"'
# What each button copies, and what it should.
_COPIED = """\
[...document.querySelectorAll("[data-copy]")].map(block => {
  let copied = null;
  const listen = () => { copied = document.activeElement.value ?? getSelection().toString(); };
  document.addEventListener("copy", listen);
  block.querySelector("button").click();
  document.removeEventListener("copy", listen);
  return [copied, block.dataset.copy];
})
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


def main() -> int:
    """Check all pages; return 0 if there are no problems."""
    program = chromium.find()
    if program is None or not (SITE / "index.html").is_file():
        sys.stderr.write("this needs chromium (scripts/install-browser) and site/ (make docs)\n")
        return 1
    found = []
    with chromium.tab(program) as tab, serving() as origin:
        pages = [page.parent.relative_to(SITE).as_posix() for page in SITE.rglob("index.html")]
        for width, dark in SCREENS:
            tab.show(width=width, dark=dark)
            for page in sorted(pages):
                wrong = look(tab, origin, page, dark=dark)
                found += [f"{page} at {width} px: {what}" for what in wrong]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(pages)} pages, {len(found)} to mend\n")
    return int(bool(found))


def look(tab: chromium.Tab, origin: str, page: str, *, dark: bool) -> list[str]:
    """Return the problems of a page."""
    fetched = tab.open(f"{origin}/{page}/")
    foreign = [it for it in fetched if not it.startswith((f"{origin}/", "data:"))]
    wrong = [f"fetches {address}" for address in foreign]
    wrong += [f"sticks out: {what}" for what in tab.value(_TOO_WIDE)]
    wrong += [f"copies {one!r}, not {two!r}" for one, two in tab.value(_COPIED) if one != two]
    if tab.value(_IS_DARK) != dark:
        wrong.append("has the other scheme")
    return wrong


@contextmanager
def serving() -> Iterator[str]:
    """Serve the site on loopback."""
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
