"""A published run as one file, for storage that knows no folders: `sealed.zip` in its folder.

One object is whole or not there, which six are not. It holds the tables, their manifest and what
else is known of the run; no checkpoint. Locks and checkpoints stay on the disk that trains.
"""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from actstudy.contract import invocation, locks, spec, store

NAME = "sealed.zip"
CLEARED = "sealed.cleared"  # in its place: the storage still has one, which the next start removes
BESIDE = ("spec.json", "environment.json", "log.txt")  # of a run, besides its tables
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every file, so that a run always gives the same bytes
UNREADABLE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError)
MAX_BYTES = 2**32  # of one file in it, unpacked


def pack(run: Path) -> None:
    """Writes the archive of a published run, by rename; Damaged unless the run verifies."""
    store.verify(run)
    with (
        store.replacing(run / NAME) as draft,
        zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in (*store.FILES, *BESIDE):
            if store.is_there(run / name):
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, (run / name).read_bytes())


def unpack(run: Path) -> bool:
    """Publishes a run from its archive; whether there was anything to do.

    The archive is the run: of other tables than are published here, as another machine has trained
    the run again, they take the place. They are sealed and verified first, as after a training, so
    that a kill leaves nothing half done. Damaged if the archive is not that of this run, whole.
    """
    path = run / NAME
    if not path.is_file() or _is_of(path, run):
        return False
    try:
        contents = _read(path)
        planned = spec.from_json(contents["spec.json"].decode())
    except UNREADABLE as fault:
        raise store.Damaged(f"{path}: not a whole run ({fault}); to fix: {_again(run)}") from None
    if spec.run_id(planned) != run.name:
        raise store.Damaged(f"{path}: the run {spec.run_id(planned)}; to fix: {_again(run)}")
    final = run / "checkpoints" / "final"
    for name in (*BESIDE, *store.FILES):
        target = (final if name in store.FILES else run) / name
        if name in contents:
            with store.replacing(target) as draft:
                draft.write_bytes(contents[name])
    trained = store.summary_row(final).get("run_id")
    if trained != run.name:
        (final / store.MANIFEST).unlink()  # else the next start would publish it
        raise store.Damaged(f"{path}: the tables of run {trained}; to fix: {_again(run)}")
    store.publish(run)
    return True


def unpack_all(runs: Iterable[Path]) -> int:
    """Publishes those runs that have come as an archive; how many these were. runs: their folders.

    Damaged if an archive is not that of its run, whole: the first of them, after all good ones.
    """
    count = 0
    faults = list[store.Damaged]()
    for run in sorted(set(runs)):
        if not (run / NAME).is_file() or _is_of(run / NAME, run):
            continue
        try:
            with locks.locked(run, is_of_one_job=True):
                count += unpack(run)
        except store.Damaged as fault:
            faults.append(fault)
    if faults:
        raise faults[0]
    return count


def clear(run: Path) -> None:
    """Removes the archive of a run that is to be trained again, from the storage with its start."""
    if (run / NAME).is_file():
        (run / NAME).rename(run / CLEARED)


def cleared(root: Path) -> list[Path]:
    """The notes of runs whose archives the storage is to lose. root: of the runs."""
    return sorted(root.glob(f"*/*/{CLEARED}"))


def _is_of(path: Path, run: Path) -> bool:
    """Whether an archive is that of what is published; tables are verified when they are read."""
    if not all(store.is_there(run / name) for name in store.FILES):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(store.MANIFEST) == (run / store.MANIFEST).read_bytes()
    except UNREADABLE:
        return False


def _read(path: Path) -> dict[str, bytes]:
    """Name -> content of the files that a run has; ValueError if one is too large to be of it."""
    contents = {}
    with zipfile.ZipFile(path) as archive:
        for name in (*store.FILES, *BESIDE):
            if name not in archive.namelist():
                continue
            if archive.getinfo(name).file_size > MAX_BYTES:
                raise ValueError(f"{name}: larger than {MAX_BYTES} bytes")
            contents[name] = archive.read(name)
    return contents


def _again(run: Path) -> str:
    """The words that make its job run again."""
    return f"{invocation.program()} retry {run}, then start the study again"
