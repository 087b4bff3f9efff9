"""Bad input as one line that a user can act on; untrusted text made safe to print."""

import difflib
import re
import sys
from collections.abc import Iterable
from typing import NoReturn


class StudyError(ValueError):
    """Bad input, as one line that a user can act on."""


def refuse(fault: object) -> NoReturn:
    """Prints a fault as one line and exits with status 2, before any job has started."""
    print(f"actstudy: {visible(' '.join(str(fault).splitlines()))}", file=sys.stderr)
    sys.exit(2)


def exit_status(code: object) -> int:
    """The exit status of SystemExit(code), which is 0 for None and 0 alone.

    A code that is no number is printed to stderr, as Python does.
    """
    if code is None:
        return 0
    if isinstance(code, int):
        return code if 0 <= code < 256 else 1
    print(visible(code), file=sys.stderr)
    return 1


def nearest(got: object, allowed: Iterable[str]) -> str:
    """A hint `; did you mean 'x'?` with the allowed name closest to `got`, or an empty string."""
    matches = difflib.get_close_matches(str(got), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def check_name(name: str, kind: str, allowed: Iterable[str]) -> str:
    """The name itself; StudyError with the nearest allowed one if it is not allowed."""
    allowed = tuple(allowed)
    if name not in allowed:
        raise StudyError(f"unknown {kind}; allowed: {', '.join(allowed)}{nearest(name, allowed)}")
    return name


def check_folder_name(name: str, where: str) -> str:
    """The name itself; StudyError if a folder of this name could be outside its parent."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", name):
        allowed = "letters, digits, and after the first _, - and ."
        raise StudyError(f"{where}: got {name[:80]!r}; allowed: {allowed}")
    return name


def visible(text: object) -> str:
    """The text with unprintable characters as escapes (`\\x1b`): none acts on a terminal."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in str(text)
    )
