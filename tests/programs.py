"""Definitions of the programs in scripts/, for tests of their internals."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]


def program(name: str) -> ModuleType:
    """Load scripts/NAME.py, which is not in a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses looks for the module of a class
    spec.loader.exec_module(module)
    return module
