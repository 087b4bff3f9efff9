"""A bundle to read from: a zip, or the folder that someone unpacked. Nothing is extracted unasked.

A zip is refused before anything is read if a name leads out of its folder, if it has links, or if
its files claim sizes that no bundle has.
"""

import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from actstudy.bundles.archive import MANIFEST, chunks
from actstudy.contract.errors import StudyError, visible

ALLOWED = "a file that `actstudy bundle` wrote, or the folder unpacked from it"
MAX_RATIO = 100  # of a bundle's content to its zip, beyond MAX_SMALL
MAX_SMALL = 100 << 20  # bytes of content that any zip may have
BAD_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)
BAD_READ = (*BAD_ZIP, RuntimeError, OSError, KeyError)  # RuntimeError: encrypted


class Unreadable(Exception):
    """A file of a bundle cannot be read; the message says why."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that is open: the size of each of its files, and how one is read.

    others: names of links, which are not followed, and of what is no file; zipped: the zip and its
    one folder, None of an unpacked one.
    """

    path: Path
    sizes: dict[str, int]
    open: Callable[[str], AbstractContextManager[IO[bytes]]]
    others: list[str] = field(default_factory=list)
    zipped: tuple[zipfile.ZipFile, str] | None = None

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file, piece by piece; Unreadable if it cannot be read."""
        try:
            with self.open(name) as handle:
                yield from chunks(handle)
        except BAD_READ as error:
            line = " ".join(str(error).split()) or type(error).__name__
            raise Unreadable(visible(line)) from None

    def read(self, name: str) -> bytes:
        """The content of a file; Unreadable if it cannot be read."""
        return b"".join(self.pieces(name))

    def inside(self, folder: str) -> list[str]:
        """The names of the files below a folder, from that folder on, sorted."""
        start = f"{folder}/"
        return sorted(name.removeprefix(start) for name in self.sizes if name.startswith(start))

    @contextmanager
    def unpacked(self, folder: str) -> Iterator[Path]:
        """A folder of the bundle on disk: of a zip a copy, which is removed when it is left."""
        if self.zipped is None:
            yield self.path / folder
            return
        with tempfile.TemporaryDirectory() as name:
            for file in self.inside(folder):
                self.copy(f"{folder}/{file}", Path(name) / file)
            yield Path(name)

    def copy(self, name: str, target: Path) -> None:
        """Copies a file of the bundle; its folder is made."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as handle:
            for piece in self.pieces(name):
                handle.write(piece)


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """A bundle; StudyError, one line, if the path is none or is not safe to read."""
    if path.is_dir():
        yield of_folder(path)
        return
    if not path.is_file():
        fault = "is no zip and no folder" if path.exists() else "no such file"
        raise StudyError(f"{path}: {fault}; allowed: {ALLOWED}")
    try:
        packed = zipfile.ZipFile(path)
    except BAD_READ as error:
        raise StudyError(f"{path}: no whole zip ({_line(error)}); allowed: {ALLOWED}") from None
    with packed:
        top = _top(path, packed.infolist())
        sizes = {info.filename.removeprefix(f"{top}/"): info.file_size for info in packed.filelist}
        if MANIFEST not in sizes:
            raise StudyError(f"{path}: no {MANIFEST} in it; allowed: {ALLOWED}")
        yield Bundle(path, sizes, lambda name: packed.open(f"{top}/{name}"), zipped=(packed, top))


def of_folder(path: Path) -> Bundle:
    """The bundle that was unpacked into a folder."""
    if not (path / MANIFEST).is_file():
        folders = [file.parent for file in path.glob(f"*/{MANIFEST}")]
        inside = [*sorted(path.glob("*.zip")), *sorted(folders)]
        hint = f"did you mean {inside[0]}? " if inside else ""
        raise StudyError(f"{path}: no {MANIFEST} in it; {hint}allowed: {ALLOWED}")
    sizes = {}
    others = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_file() and not file.is_symlink():
            sizes[name] = file.stat().st_size
        elif file.is_symlink() or not file.is_dir():
            others.append(name)
    return Bundle(path, sizes, lambda name: (path / name).open("rb"), others)


def _top(path: Path, infos: list[zipfile.ZipInfo]) -> str:
    """The one folder of a zip; StudyError if it could harm who reads or unpacks it."""
    names = [info.filename for info in infos]
    wrong = next((info for info in infos if not is_safe(info)), None)
    if wrong is not None:
        got = f"got the entry {visible(wrong.orig_filename)!r:.80}"
        raise StudyError(f"{path}: {got}; allowed: plain files below one folder")
    tops = {name.partition("/")[0] for name in names}
    if len(tops) != 1 or len(set(names)) != len(names):
        raise StudyError(
            f"{path}: got {len(tops)} folders and {len(names) - len(set(names))} names twice; "
            "allowed: files of one folder, each once"
        )
    on_disk = path.stat().st_size
    content = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if packed > on_disk or content > max(MAX_SMALL, MAX_RATIO * on_disk):
        raise StudyError(
            f"{path}: got {content:,} bytes of content in a zip of {on_disk:,}; allowed: up to "
            f"{MAX_RATIO} times its size, or {MAX_SMALL:,}"
        )
    return tops.pop()


def is_safe(info: zipfile.ZipInfo) -> bool:
    """Whether an entry of a zip is a plain file below the folder that it is unpacked in."""
    name = info.orig_filename
    parts = PurePosixPath(name).parts
    is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    has_own_spelling = name == "/".join(parts) == info.filename
    is_inside = len(parts) > 1 and not {"..", "/"} & set(parts)
    is_packed = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return (
        is_plain
        and has_own_spelling
        and is_inside
        and is_packed
        and name.isprintable()
        and not set("\\:") & set(name)
    )


def _line(error: Exception) -> str:
    return visible(" ".join(str(error).split()) or type(error).__name__)
