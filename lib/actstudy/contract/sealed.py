"""A published run as one file, for storage that knows no folders: `sealed.zip` in its folder.

One object is whole or not there, which six are not. It holds the tables, their manifest and what
else is known of the run; no checkpoint. Locks and checkpoints stay on the disk that trains.
"""

import zipfile
import zlib
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

    Its tables are sealed and verified first, as after a training, so that a kill leaves nothing
    half done. Damaged if the archive is not that of this run, whole.
    """
    path = run / NAME
    if not path.is_file() or is_published(run):
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
    store.publish(run)
    return True


def unpack_all(root: Path) -> int:
    """Publishes every run that has come as an archive; how many these were. root: of the runs."""
    count = 0
    for path in sorted(root.glob(f"*/*/{NAME}")):
        if not is_published(path.parent):
            with locks.locked(path.parent, is_of_one_job=True):
                count += unpack(path.parent)
    return count


def clear(run: Path) -> None:
    """Removes the archive of a run that is to be trained again, from the storage with its start."""
    if (run / NAME).is_file():
        (run / NAME).rename(run / CLEARED)


def cleared(root: Path) -> list[Path]:
    """The notes of runs whose archives the storage is to lose. root: of the runs."""
    return sorted(root.glob(f"*/*/{CLEARED}"))


def is_published(run: Path) -> bool:
    """Whether all tables of a run are there; they are verified when they are read."""
    return all(store.is_there(run / name) for name in store.FILES)


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
    return f"{invocation.program()} retry {run.name}, then start the study again"
