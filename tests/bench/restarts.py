"""Which calls fail while a timer renews and restarts dockerd? ``python -m tests.bench.restarts``.

As root, on Debian 12 and 13 with systemd, made from their packages: 8 renewals while clients call
without pause, with the port held by systemd, and then opened by dockerd itself (`-H tcp://`). Other
hosts can be named by their image and its Python: ``IMAGE=3.14``. It takes a few minutes.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.checkout import ROOT
from tests.harness import images, load
from tests.harness.engine import any_engine
from tests.harness.host import packages, running_host
from tests.releases import hatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.engine import Engine
    from tests.harness.host import Host

RENEWALS = 8
SECONDS = 5  # from one tick of the timer to the next
_ROW = "{:<34}{:>9}{:>9}{:>9}\n"


def main(named: list[str]) -> int:
    """Measure on each host, and print a table of each."""
    with ExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory()))
        hatch(ROOT, "build", "--target", "wheel", "--directory", str(scratch / "wheel"))
        (wheel,) = (scratch / "wheel").iterdir()
        engine = running.enter_context(any_engine())
        for debian, image in map(_named, named) if named else dict.fromkeys(images.DEBIANS).items():
            (directory := scratch / debian.suite).mkdir()
            program = packages(wheel, directory / "program", debian)
            with (
                _image(engine, debian, image, directory) as name,
                running_host(engine, name, program) as host,
            ):
                sys.stdout.write(_measured(host))
    return 0


def _named(text: str) -> tuple[images.Debian, str]:
    image, _, python = text.rpartition("=")
    return images.Debian(image.rpartition(":")[2], python), image


@contextmanager
def _image(
    engine: Engine, debian: images.Debian, image: str | None, scratch: Path
) -> Iterator[str]:
    if image is not None:
        yield image
        return
    with images.host_image_of(engine, debian, scratch) as made:
        yield made


def _measured(host: Host) -> str:
    load.prepare(host, seconds=SECONDS)
    version = host.do("docker version --format '{{.Server.Version}}'").strip()
    held = load.under_load(host, RENEWALS)
    load.open_port(host)
    opened = load.under_load(host, RENEWALS)
    head = _ROW.format(f"Docker {version}, {RENEWALS} restarts", "calls", "refused", "lost")
    return head + _rows("held by systemd", held) + _rows("-H tcp://", opened) + "\n"


def _rows(port: str, outcome: load.Outcome) -> str:
    rows = [
        _ROW.format(f"  {name}", each.answered + each.refused + each.lost, each.refused, each.lost)
        for name, each in outcome.callers.items()
    ]
    total = (outcome.calls, outcome.refused, outcome.lost)
    rate = f"{port}, {outcome.calls / outcome.seconds:.0f} calls/s"
    container = "ran on" if outcome.kept else "did not run on"
    seen = f"its log lacks {outcome.missing} lines; {outcome.certificates} certificates were seen"
    rows += [f"  the container {container}, {seen}\n"]
    rows += [f"  {failure}\n" for failure in outcome.other]
    return _ROW.format(rate, *total) + "".join(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
