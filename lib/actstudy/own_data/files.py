"""The files of someone's own data: listed, read whole, hashed."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from actstudy.contract import errors
from actstudy.contract.errors import StudyError

MAX_FILES = 1_000_000  # of a folder
MAX_BYTES = 2**32  # of a file
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
LITTER = ("Thumbs.db", "desktop.ini")  # that file managers leave; hidden files are left out too


def listed(path: Path) -> list[Path]:
    """The file itself, or all files below a folder in the order of their names, hidden ones out.

    Links are followed; StudyError if one leads nowhere or back to a folder that it is in.
    """
    if path.is_file():
        return [path]
    files: list[Path] = []
    for file in _below(path, ()):
        files.append(file)
        if len(files) > MAX_FILES:
            raise StudyError(
                f"{path}: got over {MAX_FILES:,} files; allowed: a folder of data alone"
            )
    return sorted(files)


def _below(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """All files below a folder; above: the folders that it is in, without links."""
    real = folder.resolve()
    if real in above:
        raise StudyError(f"{folder}: a link back to {real}; allowed: links to other folders")
    try:
        with os.scandir(folder) as opened:
            entries = list(opened)
    except OSError as error:
        raise StudyError(errors.system_fault(error)) from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name in LITTER:
            continue
        if entry.is_dir():
            yield from _below(folder / entry.name, (*above, real))
        elif entry.is_file():
            yield folder / entry.name
        elif entry.is_symlink():
            got = f"{folder / entry.name}: a link to what is not there"
            raise StudyError(f"{got}; allowed: files and folders; to fix: remove the link")


def content(path: Path) -> bytes:
    """The bytes of a file; StudyError if they cannot be read."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise StudyError(errors.system_fault(error)) from None
    if len(raw) > MAX_BYTES:
        raise StudyError(f"{path}: got over {MAX_BYTES:,} bytes; allowed: files that fit in memory")
    return raw


def fingerprint(sums: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of data: of the names, from their folder on, and the SHA-256 of their files.

    Of a file alone it is the file's own.
    """
    pairs = list(sums)
    if len(pairs) == 1 and not pairs[0][0]:
        return pairs[0][1]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def entry(path: Path, file: Path, raw: bytes) -> tuple[str, str]:
    """A file's name from the data's folder on, empty if it is the data, and its SHA-256."""
    name = "" if file == path else file.relative_to(path).as_posix()
    return name, hashlib.sha256(raw).hexdigest()


def stamp(path: Path) -> tuple[str, int]:
    """A text that changes when a file is added, removed, written or replaced; the newest time.

    A copy may keep size and time of writing; its inode or its time of change differ. Times are in
    nanoseconds since 1970.
    """
    seen = []
    newest = 0
    for file in listed(path):
        status = file.stat()
        times = (status.st_mtime_ns, status.st_ctime_ns)
        name = str(file.relative_to(path.parent))
        seen.append([name, status.st_size, status.st_ino, *times])
        newest = max(newest, *times)
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest(), newest


def text(source_name: str, file: Path, raw: bytes) -> str:
    """Bytes as text: UTF-8, without a byte order mark, with newlines alone as ends of lines."""
    place = source_name
    if Path(source_name).name != file.name:
        place += f": {file.name}"
    if file.suffix.lower() in SPREADSHEETS:
        fix = "to fix: save it as CSV"
        raise StudyError(f"{place}: got a spreadsheet; allowed: CSV, Parquet, text; {fix}")
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise StudyError(
            f"{place}: line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; "
            "allowed: text in UTF-8, CSV, Parquet, or folders of images; to fix: save it as UTF-8"
        ) from None
    if "\0" in decoded:
        line = decoded.count("\n", 0, decoded.index("\0")) + 1
        raise StudyError(f"{place}: line {line}: a null byte; allowed: text")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")
