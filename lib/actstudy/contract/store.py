"""Files under results/: written by rename, believed by checksum."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.contract import faults, invocation, leftovers, manifests
from actstudy.contract.locks import HOST, naming
from actstudy.contract.manifests import TABLES
from actstudy.contract.spec import RunSpec, run_id

RESULTS = Path("results")
RUNS = RESULTS / "runs"
DATA = RESULTS / "data"
REFERENCES = RESULTS / "references"
MANIFEST = "manifest.json"
FILES = [*TABLES, MANIFEST]
TRAINED_AGAIN = "trained again"
PUBLISHED_AGAIN = "published again"  # from its seal
ARRIVED = "arrived.json"  # in the folder of a run that `unbundle` has put there: of which bundle
MEMBERS = "runs.json"  # the file of a pack's folder with the ids of its runs


class Damaged(Exception):
    """A file is missing or does not verify; the message names it and the command that fixes it."""


def run_folder(spec: RunSpec, root: Path = RUNS) -> Path:
    """Where a run's tables are: `root/TASK/ID`."""
    return Path(f"{root}/{spec.task_name}/{run_id(spec)}")  # one path, where `/` makes two


@contextlib.contextmanager
def replacing(path: Path, lasts: bool = True) -> Iterator[Path]:
    """A draft in the same folder; on leaving it is flushed to disk and renamed to `path`.

    lasts: whether it has to outlive a crash of the machine; else nothing is flushed.
    """
    with _drafts([path], lasts) as (draft,), naming(path):
        faults.reach(path, "draft")
        yield draft
        faults.reach(path, "fsync")


def write_all(writers: Mapping[Path, Callable[[Path], object]]) -> None:
    """Writes files of one folder by rename, in their order; a writer gets the path of its draft.

    They are flushed at the same time, which takes a disk about as long as one of them.
    """
    with _drafts(list(writers)) as drafts:
        for draft, (path, write) in zip(drafts, writers.items(), strict=True):
            with naming(path):
                faults.reach(path, "draft")
                write(draft)
                faults.reach(path, "fsync")


@contextlib.contextmanager
def _drafts(paths: Sequence[Path], lasts: bool = True) -> Iterator[list[Path]]:
    """Drafts of files of one folder; on leaving all are flushed, then renamed in their order."""
    _make_folder(paths[0].parent)
    drafts = [path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp") for path in paths]
    try:
        yield drafts
        if lasts:
            with ThreadPoolExecutor(len(drafts)) as pool:
                list(pool.map(flush, drafts))
        for path, draft in zip(paths, drafts, strict=True):
            faults.reach(path, "rename")
            draft.rename(path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    for path in paths:
        leftovers.remove_dead_drafts(path)
        faults.reach(path, "folder")
    if lasts:
        flush(paths[0].parent)


def _make_folder(folder: Path) -> None:
    """Makes a folder and its parents, each name flushed to disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def flush(path: Path) -> None:
    """Waits until a file's content, or the names in a folder, are on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(opened)
    finally:
        os.close(opened)


def is_there(path: Path) -> bool:
    """Whether a path exists; PermissionError if this user may not look, in every Python."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_json(path: Path, content: Any) -> None:
    """Writes indented JSON by rename; keys stay in their order."""
    with replacing(path) as draft:
        draft.write_text(json_text(content), encoding="utf-8")


def json_text(content: Any) -> str:
    """The text of a file that `write_json` writes."""
    return json.dumps(content, indent=1) + "\n"


def read_note(path: Path, otherwise: Any) -> Any:
    """A JSON file without a checksum; `otherwise` if a killed process left none, or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise


def in_saved_pack(folder: Path) -> bool:
    """Whether a run belongs to a pack that has a checkpoint; folder: the run's."""
    saved = {path.parent for path in folder.parent.glob(".packs/*/step-*.pt")}
    return any(folder.name in read_note(pack / MEMBERS, []) for pack in saved)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def seal(run: Path, tables: dict[str, pa.Table]) -> None:
    """Writes finished tables to checkpoints/final, their checksums last.

    After this a crash cannot lose the run.
    """
    final = run / "checkpoints" / "final"
    files = {final / f"{name}.parquet": table for name, table in tables.items()}
    write = partial(pq.write_table, write_page_checksum=True)
    write_all({path: partial(write, table) for path, table in files.items()})
    checksums = {path.name: sha256(path) for path in files}
    write_json(final / MANIFEST, manifests.written(checksums, tables["runs"], final))


def publish(run: Path) -> None:
    """Copies the sealed tables to where readers look, the manifest last.

    Its checkpoints of steps are removed before: a run that is killed here is published again, and
    one that is published is left alone. Tables bear the times of the manifest, so that they are
    known as those that it is of. Damaged if the seal does not verify.
    """
    final = run / "checkpoints" / "final"
    verify(final)
    disk = manifests.disk(read_note(final / MANIFEST, {}))
    for leftover in (run / "checkpoints").glob("step-*"):
        leftover.unlink(missing_ok=True)

    def copy(name: str, draft: Path) -> None:
        shutil.copyfile(final / name, draft)
        if name in disk:
            os.utime(draft, ns=(disk[name][1], disk[name][1]))

    write_all({run / name: partial(copy, name) for name in TABLES})
    write_all({run / MANIFEST: partial(copy, MANIFEST)})


def verify(folder: Path) -> None:
    """Damaged unless every table is there and has its checksum."""
    for name, digest in _checksums(folder).items():
        path = folder / name
        if not is_there(path):
            raise Damaged(f"{path} is missing; to fix: start the study again")
        if sha256(path) != digest:
            raise Damaged(f"{path} does not have its checksum; to fix: {_retry(folder)}")


def _checksums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 from the manifest; Damaged unless that is what `seal` writes."""
    path = folder / MANIFEST
    if not is_there(path):
        raise Damaged(f"{path} is missing; to fix: start the study again")
    written = path.read_bytes()
    content: Any = None
    with contextlib.suppress(ValueError):
        content = json.loads(written)
    checksums = manifests.checksums(content)
    if checksums is None or json_text(content).encode() != written:
        raise Damaged(f"{path} is not a whole manifest; to fix: {_retry(folder)}")
    return checksums


def _retry(tables: Path) -> str:
    """The command that clears the run which a folder of published or sealed tables belongs to."""
    run = tables.parent.parent if tables.name == "final" else tables
    return f"{invocation.program()} retry {run}"


def verifies(folder: Path) -> bool:
    """Whether `verify` passes; PermissionError if this user may not read the folder."""
    try:
        verify(folder)
    except PermissionError:
        raise
    except (Damaged, OSError, ValueError):
        return False
    return True


def repair(run: Path) -> str:
    """What the next start of a study does with a damaged run: TRAINED_AGAIN, PUBLISHED_AGAIN.

    Empty if nothing, as it is files that are missing which make it start a run.
    """
    if all(is_there(run / name) for name in FILES):
        return ""
    return PUBLISHED_AGAIN if verifies(run / "checkpoints" / "final") else TRAINED_AGAIN


def read(run: Path, *names: str) -> list[pa.Table]:
    """Tables of a published run, verified once; Damaged if the folder does not verify."""
    verify(run)
    return [_read(run / f"{name}.parquet") for name in names]


def _read(path: Path) -> pa.Table:
    """The table of a file: of a run, so small that a data set or threads would take longer."""
    with pq.ParquetFile(pa.BufferReader(path.read_bytes())) as file:
        return file.read(use_threads=False)


def summary_row(run: Path) -> dict[str, Any]:
    """The published `runs` row of a folder."""
    return dict(read(run, "runs")[0].to_pylist()[0])
