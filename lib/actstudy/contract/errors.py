"""Bad input as one line that a user can act on; untrusted text made safe to print."""

import difflib
import errno
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

PACKAGE = Path(__file__).parents[1]
RESUMABLE = 75  # exit status EX_TEMPFAIL: stopped, and the same command resumes
MAX_NAMES = 20  # that a message lists
MIN_LIKENESS = 0.5  # of a name that may be meant
CLOSEST_NAMES = 4  # that it lists of more beside the nearest one
CLOSE = 0.8  # likeness of a name that is hardly another one
SYNONYMS = {  # names of other programs -> what is meant by them here
    "learning_rate": "lr",
    "lrate": "lr",
    "max_lr": "lr",
    "act": "activation",
    "activation_function": "activation",
    "activations": "activation",
    "batch": "batch_size",
    "bs": "batch_size",
    "n_seeds": "seeds",
    "num_seeds": "seeds",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_steps": "steps",
    "iterations": "steps",
    "wd": "weight_decay",
    "layers": "depth",
    "n_layers": "depth",
    "num_layers": "depth",
    "hidden_size": "width",
    "n_heads": "heads",
    "num_heads": "heads",
    "scheduler": "schedule",
    "initialization": "init",
    "initializer": "init",
    "grad_clip": "clip",
    "max_grad_norm": "clip",
    "dropout_rate": "dropout",
    "data": "dataset",
}
REMEDIES = {  # of the system's errors
    errno.EACCES: "ask its owner for the right, or work in a folder of your own",
    errno.EPERM: "ask its owner for the right, or work in a folder of your own",
    errno.EROFS: "work in a folder that can be written",
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room: your quota of its disk is used up",
    errno.EMFILE: "ulimit -n 4096",
    errno.EAGAIN: "start fewer processes (ulimit -u)",
    errno.EIO: "look at its disk",
    errno.ESTALE: "look at its network disk",
}


class StudyError(ValueError):
    """Bad input, as one line that a user can act on."""


class NodeFault(StudyError):
    """What is wrong with this machine alone: another node may do what was asked."""


def refuse(fault: object, status: int = 2) -> NoReturn:
    """Prints a fault as one line and exits with `status`, before any job has started."""
    print(f"actstudy: {visible(' '.join(str(fault).splitlines()))}", file=sys.stderr)
    sys.exit(status)


def system_fault(error: OSError) -> str:
    """A system's error as one line: the file, what happened, what to do.

    If the error names no file, the line names the function of the project that met it.
    """
    place = error.filename
    if place is None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
        names = [f"{Path(frame.filename).stem}.{frame.name}" for frame in own]
        place = names[-1] if names else "system"
    line = f"{place}: {error.strerror or error}"
    if error.errno in REMEDIES:
        line += f"; to fix: {REMEDIES[error.errno]}"
    return line


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


def nearest(got: object, allowed: Iterable[str], likeness: float = MIN_LIKENESS) -> str:
    """A hint `did you mean 'x'? ` with the allowed name closest to `got`, or an empty string.

    likeness: the least, from 0 to 1.
    """
    name = meant(str(got), list(allowed), likeness)
    return f"did you mean {name!r}? " if name else ""


def meant(got: str, names: Sequence[str], likeness: float = MIN_LIKENESS) -> str:
    """The name that is closest to `got`, or an empty string if none is.

    A name with the same letters in another order comes before all others. A name by which other
    programs call one of the names counts as that one (SYNONYMS), misspelt too.
    """
    letters = sorted(got.lower())
    swapped = [name for name in names if sorted(name.lower()) == letters]
    synonyms = [synonym for synonym, name in SYNONYMS.items() if name in names]
    matches = closest(got, swapped, 1, MIN_LIKENESS)
    matches = matches or closest(got, [*names, *synonyms], 1, CLOSE)
    matches = matches or closest(got, names, 1, likeness)
    if not matches:
        return ""
    return matches[0] if matches[0] in names else SYNONYMS[matches[0]]


def closest(got: str, names: Sequence[str], n: int, likeness: float) -> list[str]:
    """Up to n names that are most like `got`, in either case; of equal ones in the case of `got`.

    likeness: the least, from 0 to 1.
    """
    names_by_lower: dict[str, list[str]] = {}
    for name in names:
        names_by_lower.setdefault(name.lower(), []).append(name)
    closest_names = []
    for lower in difflib.get_close_matches(got.lower(), names_by_lower, n, likeness):
        spellings = names_by_lower[lower]
        closest_names += difflib.get_close_matches(got, spellings, len(spellings), cutoff=0)
    return closest_names[:n]


def choices(got: object, allowed: Iterable[str], likeness: float = MIN_LIKENESS) -> str:
    """`did you mean 'x'? allowed: x, y, z`; of a long list x and those closest to `got`.

    If none is close, its first MAX_NAMES. likeness: the least of x, from 0 to 1.
    """
    names = list(allowed)
    name = meant(str(got), names, likeness)
    hint = f"did you mean {name!r}? " if name else ""
    listed = names
    if len(names) > MAX_NAMES:
        listed = names[:MAX_NAMES]
        if name:
            others = closest(str(got), names, CLOSEST_NAMES, 0)
            listed = list(dict.fromkeys([name, *others]))[:CLOSEST_NAMES]
    more = f" and {len(names) - len(listed)} more" if len(listed) < len(names) else ""
    return f"{hint}allowed: {', '.join(listed) or 'none'}{more}"


def check_name(name: str, kind: str, allowed: Iterable[str]) -> str:
    """The name itself; StudyError with the nearest allowed one if it is not allowed."""
    allowed = tuple(allowed)
    if name not in allowed:
        raise StudyError(f"unknown {kind}; {choices(name, allowed)}")
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
