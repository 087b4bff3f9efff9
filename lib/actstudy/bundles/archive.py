"""A bundle as a zip: the same content gives the same bytes."""

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from actstudy.contract import store

README = "README.md"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"  # of all files but itself, for `sha256sum -c`
MODE = (stat.S_IFREG | 0o644) << 16
LEVEL = 9  # of deflate
CHUNK = 1 << 20  # bytes
LARGE = 1 << 30  # bytes
PACKING = f"zlib {zlib.ZLIB_RUNTIME_VERSION}, level {LEVEL}"  # equal content, equal bytes
Content = Path | bytes
Sums = dict[str, dict[str, Any]]  # file -> sha256 and size


def write(path: Path, top: str, contents: Mapping[str, Content], about: Mapping[str, Any]) -> Sums:
    """Writes a bundle by rename; returns the SHA-256 and size of each file but its SUMS.

    top: the one folder in it; contents: name -> file or bytes; about: the manifest without `files`.
    Each file is read once, so that its hash is that of what was packed.
    """
    sums: Sums = {}
    with store.replacing(path) as draft, packing(draft) as packed:
        for name in in_order(contents):
            with opened(contents[name]) as source:
                sums[name] = add(packed, f"{top}/{name}", source, size_of(contents[name]))
        text = manifest_text({**about, "packing": PACKING, "files": dict(sorted(sums.items()))})
        sums[MANIFEST] = add(packed, f"{top}/{MANIFEST}", BytesIO(text), len(text))
        lines = sums_text(sums)
        add(packed, f"{top}/{SUMS}", BytesIO(lines), len(lines))
    return sums


def repack(path: Path, top: str, names: Iterable[str], source: zipfile.ZipFile) -> None:
    """Writes the zip that `write` makes of the files in another one, of any packing."""
    present = set(names)
    last = [name for name in (MANIFEST, SUMS) if name in present]
    with packing(path) as packed:
        for name in [*in_order(present - set(last)), *last]:
            whole = f"{top}/{name}"
            with source.open(whole) as content:
                add(packed, whole, content, source.getinfo(whole).file_size)


def in_order(names: Iterable[str]) -> list[str]:
    """The names of files in the order of a bundle: what is to be read first, then by name."""
    return sorted(names, key=lambda name: (name != README, name))


def add(packed: zipfile.ZipFile, name: str, source: IO[bytes], size: int) -> dict[str, Any]:
    """Adds a file to a zip, with the first time that a zip can hold; returns its SHA-256 and size.

    size: in bytes, about: files from 1 GiB on have another header.
    """
    digest = hashlib.sha256()
    n_bytes = 0
    with packed.open(name, "w", force_zip64=size >= LARGE) as target:
        for chunk in chunks(source):
            digest.update(chunk)
            n_bytes += len(chunk)
            target.write(chunk)
    packed.getinfo(name).external_attr = MODE
    return {"sha256": digest.hexdigest(), "size": n_bytes}


@contextmanager
def packing(path: Path) -> Iterator[zipfile.ZipFile]:
    """A new zip to add files to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as packed:
        yield packed


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    """The content of an open file, piece by piece."""
    while chunk := source.read(CHUNK):
        yield chunk


def manifest_text(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written, JSON with a key per line."""
    return (json.dumps(manifest, indent=1) + "\n").encode()


def sums_text(sums: Sums) -> bytes:
    """Lines of `sha256sum`: hash, two spaces, name."""
    lines = [f"{entry['sha256']}  {name}\n" for name, entry in sorted(sums.items())]
    return "".join(lines).encode()


@contextmanager
def opened(content: Content) -> Iterator[IO[bytes]]:
    """A file, or bytes, to read from."""
    if isinstance(content, bytes):
        yield BytesIO(content)
    else:
        with content.open("rb") as handle:
            yield handle


def size_of(content: Content) -> int:
    """The size of a file, or of bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
