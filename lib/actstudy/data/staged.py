"""Prepared data by way of the node's disk: copied once per node, believed by checksum."""

import contextlib
import filecmp
import shutil
import sys
from pathlib import Path

from actstudy.contract import locks, scratch, store
from actstudy.data import prepared
from actstudy.data.prepared import Prepared


def load(folder: Path) -> Prepared:
    """The prepared data set in a folder, read from a copy on the node's disk if there is one.

    The copy is made if it is not there, and again if it fails its checksums; one process makes it,
    others wait. If the disk has no place for it, fails or has no locks, the folder itself is read,
    after a line that says so. Damaged if a file of the folder is missing or fails its checksum.
    """
    copy = copy_of(folder)
    if copy is None:
        return prepared.load(folder)
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        return _first_good(folder, copy)
    except locks.Lockless as fault:
        reason = f"no locks there: {fault.reason}"
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
    print(f"no copy of {folder} on this node ({reason}); it is read there", file=sys.stderr)
    return prepared.load(folder)


def copy_of(folder: Path) -> Path | None:
    """Where a folder's copy is, named after what its manifest says; None if there is to be none."""
    own = scratch.folder()
    manifest = folder / store.MANIFEST
    if own is None or not manifest.is_file():
        return None
    return own / "data" / f"{folder.name}-{store.sha256(manifest)[:16]}"


def _first_good(folder: Path, copy: Path) -> Prepared:
    """The data of the copy, which is made before if it is not good."""
    data = _good(copy)
    if data is not None:
        return data
    with locks.locked(copy):
        data = _good(copy)  # another process may have made it meanwhile
        if data is None:
            bring(folder, copy)
            try:
                data = prepared.load(copy)
            except store.Damaged:
                data = prepared.load(folder)  # which says what is wrong there
    return data


def _good(copy: Path) -> Prepared | None:
    """The data of a copy; None if there is none, or if it is damaged, which a line says."""
    if not (copy / store.MANIFEST).is_file():
        return None
    try:
        data = prepared.load(copy)
    except (store.Damaged, ValueError) as fault:
        print(f"{str(fault).partition('; to fix')[0]}; it is copied again", file=sys.stderr)
        return None
    return data if copy.name.endswith(data.sha256[:16]) else None


def bring(folder: Path, copy: Path) -> None:
    """Copy the files of a folder that a copy has not, or has with other content; the manifest last.

    Checksums are for who reads the copy.
    """
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    for path in sorted(files, key=lambda path: path.name == store.MANIFEST):
        target = copy / path.name
        with contextlib.suppress(FileNotFoundError):
            if filecmp.cmp(path, target, shallow=False):
                continue
        with store.replacing(target) as draft:
            shutil.copyfile(path, draft)
