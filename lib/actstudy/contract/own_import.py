"""Someone's own code, imported by its path; every fault is one line."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actstudy.contract import own
from actstudy.contract.errors import StudyError, choices


def load(path: str) -> Any:
    """What a path names, imported; StudyError, in one line, if that fails."""
    own.find(path)
    module_name, _, name = path.partition(":")
    with _importable():
        try:
            module = importlib.import_module(module_name)
        except (KeyboardInterrupt, StudyError):
            raise
        except BaseException as error:  # SystemExit of a script without a guard, too
            raise StudyError(f"{path}: {blame(error)}") from None
    if not hasattr(module, name):
        names = [key for key in vars(module) if not key.startswith("_")]
        raise StudyError(f"{path}: {module.__file__} has no {name!r}; {choices(name, names)}")
    return getattr(module, name)


def blame(error: BaseException) -> str:
    """An error as one line with the last place in a file that is not installed: `line N of F`."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if own.is_own(Path(frame.filename)) and not frame.filename.startswith("<"):
            place = f"{frame.filename}: line {frame.lineno}: "
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}: line {error.lineno}: "
        return f"{place}{error.msg}"
    message = " ".join(str(error).split())
    return f"{place}{type(error).__name__}{': ' if message else ''}{message:.300}"


@contextmanager
def _importable() -> Iterator[None]:
    """The folders are in front of Python's path while the block runs, so that imports see them."""
    before = list(sys.path)
    sys.path[:0] = [str(folder) for folder in own.folders()]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
