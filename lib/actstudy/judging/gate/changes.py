"""A change of code as a unified diff, and whether it changes anything but a seed."""

import hashlib
import json
import re
from pathlib import Path

from actstudy.contract.errors import StudyError

SEED = re.compile(r"(^|[^a-z])(seeds?|rng|random_?state)([^a-z]|$)", re.IGNORECASE)
WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")  # in `randomSeed`
NUMBER = re.compile(r"(?<![A-Za-z_])\d[\d_]*")


def speaks_of_a_seed(text: str) -> bool:
    """Whether a name or a line of code has a word for seeds: seed, seeds, rng, random_state."""
    return bool(SEED.search(WORD_START.sub("_", text)))


def hash_of_change(path: Path) -> str:
    """A hash of the lines that a unified diff changes; StudyError if these are only seeds.

    Only seeds: in each place as many lines are added as removed, and they are equal when the
    numbers in lines that speak of a seed are left out. Comments, empty lines and spaces at the ends
    of lines count for nothing.
    """
    if not path.is_file():
        raise StudyError(f"{path}: no such file; allowed: a unified diff, as of `git diff`")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    removed = changed_lines(lines, "-")
    added = changed_lines(lines, "+")
    if not removed and not added:
        raise StudyError(f"{path}: changes nothing; allowed: a unified diff, as of `git diff`")
    if [without_seed(line) for line in removed] == [without_seed(line) for line in added]:
        raise StudyError(f"{path}: only another seed: {added[0]!r:.80}; allowed: another change")
    return hashlib.sha256(json.dumps([removed, added]).encode()).hexdigest()[:16]


def changed_lines(lines: list[str], mark: str) -> list[str]:
    """The lines of code that a diff removes (-) or adds (+)."""
    marked = [line[1:].rstrip() for line in lines if line.startswith(mark)]
    code = [line for line in marked if line and not line.startswith(mark * 2 + " ")]
    return [line for line in code if not f"{line.lstrip()} ".startswith("# ")]


def without_seed(line: str) -> str:
    """A line of code, its numbers left out if it speaks of a seed."""
    return NUMBER.sub("#", line) if speaks_of_a_seed(line) else line
