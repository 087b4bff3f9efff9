"""Bad input, in one line that a user can act on; and text of others, made safe to print."""

import difflib
import re
import sys
from collections.abc import Iterable
from typing import NoReturn


class StudyError(ValueError):
    """Bad input, in one line that a user can act on."""


def refuse(fault: object) -> NoReturn:
    """Stop before any job, with one line and exit status 2."""
    print(f"actstudy: {visible(' '.join(str(fault).splitlines()))}", file=sys.stderr)
    sys.exit(2)


def nearest(got: object, allowed: Iterable[str]) -> str:
    """A hint `; did you mean 'x'?` for the allowed name closest to what was got, or an empty string."""
    near = difflib.get_close_matches(str(got), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def checked(name: str, kind: str, allowed: Iterable[str]) -> str:
    """The name itself; StudyError with the nearest allowed one where it is not allowed."""
    allowed = tuple(allowed)
    if name not in allowed:
        raise StudyError(f"unknown {kind}; allowed: {', '.join(allowed)}{nearest(name, allowed)}")
    return name


def folder_name(name: str, where: str) -> str:
    """The name itself; StudyError where it is none for a folder, as one that leaves the folder it stands in."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", name):
        raise StudyError(
            f"{where}: got {name[:80]!r}; allowed: letters, digits, and after the first _, - and ."
        )
    return name


def visible(text: object) -> str:
    """The text with each character that does not print as its escape (`\\x1b`), so that none acts on a terminal."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in str(text)
    )
