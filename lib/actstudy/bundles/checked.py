"""What is wrong with a bundle: a line per fault, none if it is what was packed."""

import contextlib
import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actstudy.bundles import numbers, seals
from actstudy.bundles.archive import MANIFEST, PACKING, SUMS, chunks, repack, sums_text
from actstudy.bundles.opened import Bundle, Unreadable

FORMAT = 1
KEYS = {"format": int, "study": str, "file": str, "results": str, "packing": str, "files": dict}
HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Checked:
    """A bundle that was checked: its faults, what it says of itself, and its own SHA-256.

    digest: of the manifest, which has the hash of every other file; notes: what was not checked.
    """

    faults: list[str]
    manifest: dict[str, Any]
    digest: str
    notes: list[str]


def check(bundle: Bundle) -> Checked:
    """All that is wrong with a bundle; what a file says is looked at if its hash is right."""
    digest, manifest, faults = read_manifest(bundle)
    if faults:
        return Checked(faults, manifest, digest, [])
    faults = [*faults_of_files(bundle, manifest["files"], digest)]
    if faults:
        return Checked(faults, manifest, digest, [])
    faults = seals.faults(bundle)
    notes = []
    if bundle.zipped and manifest["packing"] == PACKING:
        faults += faults_of_packing(bundle)
    elif bundle.zipped:
        notes.append(f"its packing ({manifest['packing']}) is not that of this Python ({PACKING})")
    if not faults:
        faults = [*faults_of_tables(bundle, manifest["results"])]
    if not seals.runs_in(bundle.sizes):
        notes.append("no runs are in it: its tables are compared with each other alone")
    return Checked(faults, manifest, digest, notes)


def read_manifest(bundle: Bundle) -> tuple[str, dict[str, Any], list[str]]:
    """The manifest's SHA-256, its content, and what is wrong with it."""
    try:
        content = bundle.read(MANIFEST)
    except Unreadable as error:
        return "", {}, [f"{MANIFEST}: cannot be read: {error}"]
    digest = hashlib.sha256(content).hexdigest()
    manifest: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        manifest = json.loads(content)
    if isinstance(manifest, dict) and manifest.get("format", FORMAT) != FORMAT:
        got = f"{MANIFEST}: format: got {manifest['format']!r:.40}; allowed: {FORMAT}"
        return digest, {}, [f"{got}: it was made by another version of actstudy"]
    if not is_whole(manifest):
        return digest, {}, [f"{MANIFEST}: is not a whole manifest"]
    return digest, manifest, []


def is_whole(manifest: Any) -> bool:
    """Whether a manifest has what a bundle's has: KEYS, and hash and size of each file."""
    if not isinstance(manifest, dict):
        return False
    if not all(isinstance(manifest.get(key), kind) for key, kind in KEYS.items()):
        return False
    entries = manifest["files"].values()
    return all(
        isinstance(entry, dict)
        and isinstance(entry.get("size"), int)
        and HEX.fullmatch(str(entry.get("sha256")))
        for entry in entries
    )


def faults_of_files(bundle: Bundle, files: dict[str, Any], digest: str) -> Iterator[str]:
    """Files that are missing, surplus, or not what the manifest says; digest: of the manifest."""
    listed = {*files, MANIFEST, SUMS}
    for name in bundle.others:
        yield f"{name}: is a link, or no file; allowed: a plain file"
    for name in sorted(set(bundle.sizes) - listed):
        yield f"{name}: surplus: the manifest does not list it"
    for name in sorted(listed - set(bundle.sizes) - set(bundle.others)):
        yield f"{name}: missing"
    expected = {**files, MANIFEST: {"sha256": digest}}
    sums = sums_text(expected)
    expected[SUMS] = {"sha256": hashlib.sha256(sums).hexdigest()}
    for name in sorted(set(expected) & set(bundle.sizes)):
        if fault := fault_of_file(bundle, name, expected[name]):
            yield f"{name}: {fault}"


def fault_of_file(bundle: Bundle, name: str, expected: dict[str, Any]) -> str:
    """What is wrong with a file, or an empty string; expected: its sha256, and size if known."""
    size = expected.get("size", bundle.sizes[name])
    if bundle.sizes[name] != size:
        return f"has {bundle.sizes[name]:,} bytes; in the manifest {size:,}"
    digest = hashlib.sha256()
    try:
        for piece in bundle.pieces(name):
            digest.update(piece)
    except Unreadable as error:
        return f"cannot be read: {error}"
    if digest.hexdigest() == expected["sha256"]:
        return ""
    if name == SUMS:
        return f"its lines are not the hashes of {MANIFEST}, and that of it"
    return "its SHA-256 is not that of the manifest"


def faults_of_packing(bundle: Bundle) -> Iterator[str]:
    """Bytes of the zip that its content does not account for, as between its files."""
    if bundle.zipped is None:
        return
    packed, top = bundle.zipped
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.zip"
        repack(again, top, bundle.sizes, packed)
        place = first_other_byte(bundle.path, again)
        if place is not None:
            yield f"{name_at(packed, place)}: byte {place:,} of the zip is not what was packed"


def first_other_byte(path: Path, other: Path) -> int | None:
    """The first place at which two files differ, None if they are equal."""
    place = 0
    with path.open("rb") as handle, other.open("rb") as expected_handle:
        for piece in chunks(handle):
            expected = expected_handle.read(len(piece))
            if piece != expected:
                pairs = zip(piece, expected, strict=False)
                same = next((n for n, (a, b) in enumerate(pairs) if a != b), len(expected))
                return place + same
            place += len(piece)
        return place if expected_handle.read(1) else None


def name_at(packed: zipfile.ZipFile, place: int) -> str:
    """The file of a zip that a byte belongs to; behind the last one its directory."""
    if place >= packed.start_dir:
        return "the zip's directory"
    before = [info for info in packed.infolist() if info.header_offset <= place]
    if not before:
        return "the zip's head"
    return max(before, key=lambda info: info.header_offset).filename.partition("/")[2]


def faults_of_tables(bundle: Bundle, results: str) -> Iterator[str]:
    """Tables whose numbers do not follow from the runs of the bundle, or from each other."""
    folder = f"{results}/tables"
    names = bundle.inside(folder)
    runs: dict[str, Any] | None = None
    try:
        if folders := seals.runs_in(bundle.sizes):
            runs = {}
            for run in folders:
                read = _reader(bundle, run)
                runs[run.rpartition("/")[2]] = numbers.tables_of(read)
        for line in numbers.faults(_reader(bundle, folder), names, runs):
            yield f"{folder}: {line}"
    except seals.UNREADABLE as error:
        yield f"{folder}: cannot be read as tables: {' '.join(str(error).split()):.120}"


def _reader(bundle: Bundle, folder: str) -> numbers.Read:
    """What reads files of a folder of a bundle."""
    return lambda name: bundle.read(f"{folder}/{name}")
