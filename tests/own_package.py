"""A copy of the package with files of one's own, as the process of a test reads and imports it."""

import importlib
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import memory
import pytest

from actstudy.contract import literals, registry

ROOMS = ("losses", "data/sets", "nets", "tasks", "analysis/figures")


class Package:
    """The copy, in a folder."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        """files: path below the package -> its text."""
        self.folder = folder
        self.own = set(files)
        for file, text in files.items():
            self.write(file, text)

    def write(self, file: str, text: str | bytes) -> None:
        """Write a file, which may be there already."""
        content = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        (self.folder / file).write_bytes(content)
        self.forget()

    def forget(self) -> None:
        """Nothing of own files is remembered by this process."""
        memory.forget()
        for file in self.own:
            sys.modules.pop("actstudy." + file.removesuffix(".py").replace("/", "."), None)
        importlib.invalidate_caches()


@contextmanager
def copied(tmp_path: Path, files: Mapping[str, str]) -> Iterator[Package]:
    """The package that is read and imported within the block; files: path below it -> its text."""
    folder = tmp_path / "lib/actstudy"
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(literals.PACKAGE / room, folder / room, ignore=ignored)
    with pytest.MonkeyPatch.context() as patch:
        for module in (literals, registry):
            patch.setattr(module, "PACKAGE", folder)
        for room in ("data.sets", "nets", "tasks"):
            imported = importlib.import_module(f"actstudy.{room}")
            paths = [str(folder / room.replace(".", "/")), *imported.__path__]
            patch.setattr(imported, "__path__", paths)
        patch.setattr(sys, "dont_write_bytecode", True)
        package = Package(folder, files)
        yield package
    package.forget()
