"""The ledger of a gate: JSON lines, each with the hash of the line before and its own.

A line is one JSON object with sorted keys, among them `line` (1, 2, ...), `previous` (the `hash` of
the line before, 64 zeros in the first) and `hash` (SHA-256 of the line's bytes without it). Lines
are only added: the file is replaced as a whole by one with a line more, so a kill leaves it as it
was. An edit that hashes every later line again, and a cut end, can be seen only from outside: by
the hash of a line that was written down elsewhere (`expect`).
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actstudy.contract import locks, store
from actstudy.contract.errors import StudyError

START = "0" * 64  # `previous` of the first line
OWN_KEYS = ("line", "previous", "hash")
Line = dict[str, Any]


def sealed(content: Mapping[str, Any], lines: Sequence[Line]) -> Line:
    """The line that holds `content` after these lines."""
    line = {**content, "line": len(lines) + 1, "previous": head(lines)}
    return {**line, "hash": digest(line)}


def digest(line: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of a line without its `hash`."""
    return hashlib.sha256(text_of({k: v for k, v in line.items() if k != "hash"})).hexdigest()


def text_of(line: Mapping[str, Any]) -> bytes:
    """A line as it stands in the file, without its end."""
    return json.dumps(line, sort_keys=True, allow_nan=False).encode()


def head(lines: Sequence[Line]) -> str:
    """The hash of the last line, by which the whole ledger is known."""
    return str(lines[-1]["hash"]) if lines else START


@contextlib.contextmanager
def writing(path: Path) -> Iterator[list[Line]]:
    """The lines of a ledger that nobody else writes meanwhile: a second writer waits.

    No line if there is no file. StudyError as `read` gives it.
    """
    if path.is_dir():
        raise StudyError(f"{path}: got a folder; allowed: a file for the ledger in it")
    if not path.parent.is_dir():
        raise StudyError(f"{path}: got no folder {str(path.parent)!r}; allowed: one that is there")
    with locks.locked(path.with_name(f"{path.name}.writing")):
        yield read(path)


def read(path: Path) -> list[Line]:
    """The lines of a ledger; StudyError, naming the first line that was edited, if one was."""
    if not store.is_there(path):
        return []
    if not path.is_file():
        raise StudyError(f"{path}: got no file; allowed: a ledger, or a name that is free")
    lines: list[Line] = []
    texts = path.read_bytes().split(b"\n")
    if texts.pop() or not texts:
        raise StudyError(
            _fault(path, len(texts) + 1, "has no end: the file was cut or is no ledger")
        )
    for text in texts:
        lines.append(_checked(path, text, lines))
    return lines


def _checked(path: Path, text: bytes, before: Sequence[Line]) -> Line:
    """A line that follows those before; StudyError that names it if it does not."""
    number = len(before) + 1
    try:
        line = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict) or any(key not in line for key in OWN_KEYS):
        raise StudyError(_fault(path, number, "is no line of a ledger"))
    if line["hash"] != digest(line) or text_of(line) != text:
        raise StudyError(_fault(path, number, "was edited: it does not have its hash"))
    if line["line"] != number or line["previous"] != head(before):
        was = "a line was removed, added or moved, or the line before was edited"
        raise StudyError(_fault(path, number, f"does not follow the line before: {was}"))
    return line


def _refuse(name: str) -> None:
    """Refuses NaN and infinities, which are no JSON."""
    raise ValueError(name)


def _fault(path: Path, number: int, what: str) -> str:
    return f"{path}: line {number}: {what}; to fix: take the ledger from your version control"


def expect(path: Path, lines: Sequence[Line], known: str) -> None:
    """StudyError unless a line has this hash: one that was written down when it was the last.

    known: the hash, or its first 12 hex digits or more.
    """
    if len(known) < 12 or not any(line["hash"].startswith(known) for line in lines):
        raise StudyError(
            f"{path}: head: got {known[:80]!r}, which none of its {len(lines)} lines has: lines "
            "were edited or removed; allowed: the hash of a line, 12 digits or more"
        )


def append(path: Path, lines: list[Line], content: Mapping[str, Any]) -> Line:
    """Add a line to the file and to `lines`, inside of `writing`; the line as it is written."""
    line = sealed(content, lines)
    with store.replacing(path) as draft:
        draft.write_bytes(b"".join(text_of(each) + b"\n" for each in [*lines, line]))
    lines.append(line)
    return line
