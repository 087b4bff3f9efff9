"""Runs that arrive in a bundle: put into results/runs/, so that a study counts them as done.

All or nothing: what is wrong is said before anything is written, everything is written beside the
runs first, and then renamed. The files get the time of their arrival, so that tables which were
made before are made again. Each run gets its seal too (checkpoints/final): a start that finds a
table gone publishes it again.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actstudy.bundles import pins, seals
from actstudy.bundles.opened import Bundle
from actstudy.contract import invocation, locks, sources, spec, store
from actstudy.contract.errors import StudyError
from actstudy.contract.schema import FAILED

STAGE = store.RESULTS / ".unbundle"  # where arrivals wait until all of them are there
FINAL = Path("checkpoints/final")
LEFTOVERS = ("checkpoints/step-*", "progress.json")  # of a training that is no longer needed


@dataclass(frozen=True)
class Arrived:
    """How many runs of a bundle are new here, were here already, and failed elsewhere.

    data: the names of data that runs were trained on and that are not prepared here.
    """

    new: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)


def unbundle(bundle: Bundle, digest: str) -> Arrived:
    """Puts a checked bundle's runs into this folder; StudyError, nothing written, if one cannot.

    Runs that failed are left out: they would not be trained here. digest: of the bundle's manifest,
    which each run's note says.
    """
    folders = seals.runs_in(bundle.sizes)
    if not folders:
        raise StudyError(f"{bundle.path}: no runs in it; allowed: what `bundle --runs` has packed")
    arrived = Arrived()
    locks.allow_files(len(folders) + 256)  # a lock per run; and all others
    with contextlib.ExitStack() as stack:
        for folder in folders:
            stack.enter_context(alone(Path(folder)))
        stack.enter_context(staged())
        for folder in folders:
            sort_in(bundle, folder, arrived)
        waiting = pins.waiting(bundle, arrived.new)
        for folder in arrived.new:
            stage(bundle, folder, digest)
        place([STAGE / folder for folder in arrived.new])
        for path, content in waiting.items():
            store.write_json(path, content)
    return arrived


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder; StudyError if a process is training the run."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.locked(folder, wait=False))
        except BlockingIOError as error:
            allowed = "when no process trains it"
            raise StudyError(f"unbundle: {error}; allowed: {allowed}") from None
        yield


@contextlib.contextmanager
def staged() -> Iterator[None]:
    """An empty STAGE, for one process at a time; it is removed afterwards."""
    with alone(STAGE):
        shutil.rmtree(STAGE)
        STAGE.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(STAGE, ignore_errors=True)


def sort_in(bundle: Bundle, folder: str, arrived: Arrived) -> None:
    """Notes what a run of the bundle is here; StudyError if another one is in its place."""
    with bundle.unpacked(folder) as run:
        planned = seals.spec_of(run)
        row = seals.row_of(run)
        if is_there(Path(folder), run):
            arrived.there.append(folder)
            return
        if row["status"] in FAILED:
            arrived.failed.append(folder)
            return
        data = store.DATA / spec.data_name(planned)
        if fault := sources.other_data(row["data_sha256"], data):
            raise StudyError(
                f"{folder} {fault}; allowed: runs on the same data; to fix: rm -r {data}, if the "
                "study's start is to prepare them again"
            )
        if not (data / store.MANIFEST).is_file() and data.name not in arrived.data:
            arrived.data.append(data.name)
        arrived.new.append(folder)


def is_there(target: Path, run: Path) -> bool:
    """Whether this folder has a run already; StudyError if it has it with other content.

    A run that was begun here and has not ended is not there: the one that arrives takes its place.
    """
    expected = (run / store.MANIFEST).read_bytes()
    published = [target / store.MANIFEST, target / FINAL / store.MANIFEST]
    present = [path for path in published if path.is_file()]
    for manifest in present:
        if manifest.read_bytes() != expected or not store.verifies(manifest.parent):
            raise StudyError(
                f"{target}: holds this run with other content, as if trained here; allowed: one "
                f"of the two; to fix: {invocation.program()} retry {target}, which removes this one"
            )
    return published[0] in present


def stage(bundle: Bundle, folder: str, digest: str) -> None:
    """Writes a run's files to STAGE, as they will lie, flushed to disk.

    The manifest last, whose time is that of the run: tables of a later one would be edited ones.
    """
    target = STAGE / folder
    for name in sorted(bundle.inside(folder), key=lambda name: name == store.MANIFEST):
        bundle.copy(f"{folder}/{name}", target / name)
    for name in store.FILES:
        (target / FINAL).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target / name, target / FINAL / name)
    note = store.json_text({"bundle": bundle.path.name, "manifest_sha256": digest})
    (target / store.ARRIVED).write_text(note, encoding="utf-8")
    for path in target.rglob("*"):
        if path.is_file():
            store.flush(path)
    store.verify(target / FINAL)


def place(runs: Sequence[Path]) -> None:
    """Renames staged runs to where they belong; all are taken back if one cannot be."""
    placed: list[Path] = []
    try:
        for run in runs:
            for path in in_order(run):
                target = path.relative_to(STAGE)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    placed.append(target)
                path.rename(target)
    except OSError:
        for target in reversed(placed):
            target.unlink(missing_ok=True)
        raise
    for run in runs:
        for pattern in LEFTOVERS:
            for path in run.relative_to(STAGE).glob(pattern):
                path.unlink(missing_ok=True)


def in_order(run: Path) -> list[Path]:
    """The files of a staged run: its seal before what readers see, and each manifest last."""
    files = sorted(path for path in run.rglob("*") if path.is_file())

    def rank(path: Path) -> tuple[bool, bool]:
        name = path.relative_to(run).as_posix()
        return name in store.FILES, path.name == store.MANIFEST

    return sorted(files, key=rank)
