"""Which files a data set's `prepare()` reads, as far as Python opens them itself."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/share/zoneinfo/")
IN_MEMORY = "/dev/shm/"  # noqa: S108  anyone's files, of which none is written here
PYTHON = tuple(
    f"{sysconfig.get_path(place)}/" for place in ("stdlib", "platstdlib", "purelib", "platlib")
)
CODE = (".py", ".pyc", ".so")

_names: set[str] | None = None  # of files opened for reading, while `noting` is active


@contextmanager
def noting() -> Iterator[list[Path]]:
    """A list that holds, on leaving, the files that this process has opened for reading.

    Regular files that are still there, in order of their names; without those of Python and of the
    system, and without code. Not seen are files that a library opens in C, C++ or Rust, and those
    that a child process opens.
    """
    global _names
    _install()
    files: list[Path] = []
    _names = set()
    try:
        yield files
        files += [Path(name) for name in sorted(_names) if _is_data(name)]
    finally:
        _names = None


@cache
def _install() -> None:
    """Add the hook, once: Python cannot remove it, so it does nothing outside of `noting`."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _names is None or event != "open":
        return
    path, _, flags = arguments
    if isinstance(path, (str, bytes)) and flags & os.O_ACCMODE == os.O_RDONLY:
        _names.add(os.path.normpath(Path(os.fsdecode(path)).absolute()))  # before a later chdir


def _is_data(name: str) -> bool:
    """Whether a file is there and is neither code, nor Python's or the system's, nor hidden."""
    path = Path(name)
    of_system = name.startswith(SYSTEM) and not name.startswith(IN_MEMORY)
    is_foreign = of_system or name.startswith(PYTHON) or path.suffix in CODE
    is_settings = path.name.startswith(".") or path.parent.suffix == ".egg-info"
    return path.is_file() and not is_foreign and not is_settings
