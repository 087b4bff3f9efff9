"""Someone's own code, imported by its path; every fault is one line."""

import importlib
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import own, own_code
from actstudy.contract.errors import StudyError, choices


def load(path: str) -> Any:
    """What a path names, imported; StudyError, in one line, if that fails.

    Refused as well are modules that Python takes from elsewhere than where they were found, as
    other code would run than the one that is hashed.
    """
    module_name, _, name = path.partition(":")
    files = own_code.files(path)
    _look_in_folders()
    _check_places(path, files)
    try:
        module = importlib.import_module(module_name)
    except (KeyboardInterrupt, StudyError):
        raise
    except BaseException as error:  # SystemExit of a script without a guard, too
        _check_places(path, files)
        raise StudyError(f"{path}: {blame(error)}") from None
    _check_places(path, files)
    if not hasattr(module, name):
        names = [key for key in vars(module) if not key.startswith("_")]
        raise StudyError(f"{path}: {own.find(path).file} has no {name!r}; {choices(name, names)}")
    return getattr(module, name)


def blame(error: BaseException) -> str:
    """An error as one line that begins with `place_of` it, if there is such a place."""
    place = place_of(error)
    start = f"{place}: " if place else ""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{start}{error.msg}"
    message = " ".join(str(error).split())
    return f"{start}{type(error).__name__}{': ' if message else ''}{message:.300}"


def place_of(error: BaseException) -> str:
    """The last place of an error in a file that is not installed, `FILE: line N`, or nothing.

    FILE is as seen from the present folder if it is below it.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return _place(error.filename, error.lineno)
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if own.is_own(Path(frame.filename)) and not frame.filename.startswith("<"):
            place = _place(frame.filename, frame.lineno)
    return place


def place_in(reason: str) -> str:
    """The place of own code at the start of the reason that a run failed for, or nothing."""
    start = re.match(r"(\S.*?\.py: line \d+): ", reason)
    return start[1] if start else ""


def _place(name: str, line: int | None) -> str:
    file = Path(name)
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    return f"{file}: line {line}" if line else f"{file}"


def _look_in_folders() -> None:
    """Put the folders in front of Python's path, for the life of the process.

    Imports inside functions run long after the module's own.
    """
    folders = [str(folder) for folder in own.folders()]
    sys.path[:] = [*folders, *[place for place in sys.path if place not in folders]]
    importlib.invalidate_caches()


def _check_places(path: str, files: Mapping[str, Path]) -> None:
    """StudyError if a module of a path's code has been imported from another file.

    files: module -> where it was found.
    """
    for name, file in files.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        imported = getattr(module, "__file__", None)
        if imported is None or Path(imported).resolve() != file.resolve():
            other = imported or "what is built into Python"
            fix = "to fix: rename one of them, folders that hold it too"
            raise StudyError(f"{path}: Python takes {name} from {other}, not from {file}; {fix}")
