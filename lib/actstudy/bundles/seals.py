"""The runs of a bundle: where they are in it, their seals, and whether they are what they say."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.bundles.opened import Bundle, Unreadable
from actstudy.contract import spec, store
from actstudy.contract.counting import counted
from actstudy.contract.spec import RunSpec

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"  # of a task, and of a run
RUN = re.compile(rf"{store.RUNS.as_posix()}/{NAME}/{NAME}")
SPEC = "spec.json"
BESIDE = (SPEC, "environment.json")  # what a run in a bundle has besides its tables
CHECKPOINTS = ("checkpoints/best.pt", "checkpoints/best.sha256")  # if they were asked for
FILES = (*store.FILES, *BESIDE, *CHECKPOINTS)
MALFORMED = (ValueError, TypeError, AttributeError, KeyError, RecursionError, pa.ArrowException)
UNREADABLE = (*MALFORMED, Unreadable, OSError)


def runs_in(names: Mapping[str, Any]) -> list[str]:
    """The folders of runs among the names of a bundle's files, sorted."""
    folders = set()
    for name in names:
        parts = name.split("/")
        if name.startswith(f"{store.RUNS.as_posix()}/") and len(parts) > 4:
            folders.add("/".join(parts[:4]))
    return sorted(folders)


def faults(bundle: Bundle) -> list[str]:
    """A line per run that is not what its folder says: its files, its seal, its spec, its row."""
    lines = []
    for folder in runs_in(bundle.sizes):
        if fault := fault_of(bundle, folder):
            lines.append(f"{folder}: {fault}")
    return lines


def fault_of(bundle: Bundle, folder: str) -> str:
    """What is wrong with a run of a bundle, or an empty string."""
    names = bundle.inside(folder)
    if not RUN.fullmatch(folder):
        return "no name of a run's folder"
    if others := [name for name in names if name not in FILES]:
        return f"{others[0]} is no file of a run"
    if absent := [name for name in (*store.FILES, SPEC) if name not in names]:
        return f"{absent[0]} is missing"
    try:
        with bundle.unpacked(folder) as path:
            store.verify(path)
            return misnamed(path, folder)
    except store.Damaged:
        return "its seal does not verify: a table is not the one that was published"
    except UNREADABLE as error:
        return f"cannot be read: {' '.join(str(error).split()):.120}"


def misnamed(run: Path, folder: str) -> str:
    """Why a run's spec or row is not of the folder that a bundle has it in, or an empty string."""
    planned = spec_of(run)
    expected = f"{store.RUNS.as_posix()}/{planned.task_name}/{spec.run_id(planned)}"
    if folder != expected:
        return f"its spec is that of {expected}"
    row = row_of(run)
    if row["run_id"] != spec.run_id(planned):
        return f"its table runs is that of run {row['run_id']}"
    return ""


def spec_of(run: Path) -> RunSpec:
    """The spec of a run's folder."""
    return spec.from_json((run / SPEC).read_text(encoding="utf-8"))


def row_of(run: Path) -> dict[str, Any]:
    """The row of a run's table `runs`, whose seal is known to verify."""
    rows = pq.read_table(run / "runs.parquet").to_pylist()
    if len(rows) != 1:
        raise ValueError(f"its table runs has {counted(len(rows), 'row')}")
    return dict(rows[0])


def environments(folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """What runs trained in, each environment once, with the runs that had it.

    folders: run -> its folder; a run without the note is left out.
    """
    alike: dict[str, list[str]] = {}
    for run, folder in sorted(folders.items()):
        note = store.read_note(folder / "environment.json", None)
        if note is not None:
            alike.setdefault(json.dumps(note, sort_keys=True), []).append(run)
    return [{"runs": runs, **json.loads(text)} for text, runs in alike.items()]
