"""The state of a study, read from its run folders: done, running, failed, still to do, how long."""

import contextlib
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from actstudy.analysis.collect import ORIGIN, on_other_data
from actstudy.analysis.markdown import cell_name
from actstudy.contract import code, locks, store
from actstudy.contract.errors import system_fault, visible
from actstudy.contract.schema import BUCKETS, ENDED, FAILED, OTHER_DATA
from actstudy.contract.store import RUNS, run_folder
from actstudy.study import looks
from actstudy.study.grid import PlannedRun
from actstudy.study.jobs import check_sources
from actstudy.study.planning import Study

FAILED_STATES = (*FAILED, "damaged")
WAITING_STATES = ("waiting", "interrupted", "running")


def folders_of(runs: Sequence[PlannedRun], root: Path) -> dict[str, Path]:
    """Run -> where its tables are."""
    return {run.id: run_folder(run.spec, root) for run in runs}


def state(folder: Path, locked: bool = False) -> str:
    """completed, diverged, failed, timeout, out_of_memory, running, interrupted, damaged, waiting.

    OSError if this user may not know. locked: whether this process has the folder's lock, so that
    nobody else can be running.
    """
    if store.is_there(folder / store.MANIFEST):
        return str(store.summary_row(folder)["status"]) if store.verifies(folder) else "damaged"
    if store.is_there(folder) and not locked and locks.holder(folder):
        return "running"
    resumable = store.in_saved_pack(folder) or any(folder.glob("checkpoints/step-*.pt"))
    return "interrupted" if resumable else "waiting"


def states_of(folders: Mapping[str, Path]) -> tuple[dict[str, str], list[OSError]]:
    """Run -> its state, `not known` if this user may not know, and the errors that say why."""
    states = {}
    errors = []
    for run_id, folder in folders.items():
        try:
            states[run_id] = state(folder)
        except OSError as error:
            states[run_id] = "not known"
            errors.append(error)
    return states, errors


def status(study: Study, root: Path = RUNS) -> tuple[str, bool]:
    """The status as text, and whether a run failed."""
    runs = study.runs()
    folders = folders_of(study.tuning + runs, root)
    states, unknown = states_of(folders)
    counts = Counter(states.values())
    lines = [f"study {study.name}: {counts['completed']} of {len(states)} runs completed"]
    lines += [f"  {name:<12} {n}" for name, n in counts.most_common()]
    lines += ["", f"  {'task':<8} {'cell':<40} completed"]
    lines += describe_cells(study.tuning, runs, states)
    lines.append("")
    for task in study.tasks:
        lines += describe_decisions(study, task)
    for task in study.tasks:
        lines.append(f"{task}: {forecast(task, folders, states)}")
    if unknown:
        lines.append(f"not known: {len(unknown)} runs; {system_fault(unknown[0])}")
    lines += code.describe(study.code)
    lines += describe_data(study, root, folders, states)
    failed = [run_id for run_id, name in states.items() if name in FAILED_STATES]
    for run_id in failed:
        folder = folders[run_id]
        lines.append(f"{states[run_id]}: {folder}  (to fix: python -m actstudy retry {folder})")
    return "\n".join(map(visible, lines)), bool(failed)


def describe_data(
    study: Study, root: Path, folders: Mapping[str, Path], states: Mapping[str, str]
) -> list[str]:
    """Lines on data that are not of their sources any more, and on runs with other data."""
    lines = []
    try:
        check_sources(study, root.parent / store.DATA.name)
    except store.Damaged as fault:
        lines.append(str(fault))
    rows = []
    for run_id, folder in folders.items():
        if states[run_id] in ENDED:
            rows += pq.read_table(folder / "runs.parquet", columns=ORIGIN).to_pylist()
    for run_id, reason in on_other_data(pd.DataFrame(rows, columns=ORIGIN)).items():
        remedy = f"python -m actstudy retry {folders[run_id]}"
        lines.append(f"{OTHER_DATA}: {folders[run_id]}: {reason}  (to fix: {remedy})")
    return lines


def describe_cells(
    tuning: Sequence[PlannedRun], reported: Sequence[PlannedRun], states: Mapping[str, str]
) -> Iterator[str]:
    """A line per task and cell: how many runs have completed, and the states of the others.

    tuning: runs that only choose a learning rate, which have cells of their own.
    """
    cells: dict[tuple[str, str], list[str]] = {}
    for runs, note in ((tuning, " (choosing lr)"), (reported, "")):
        for run in runs:
            key = (run.spec.task, cell_name(run.level, run.group) + note)
            cells.setdefault(key, []).append(states[run.id])
    for (task, cell), cell_states in cells.items():
        counts = Counter(cell_states)
        n_completed = counts.pop("completed", 0)
        rest = ", ".join(f"{n} {name}" for name, n in counts.items())
        yield f"  {task:<8} {cell:<40} {n_completed} of {len(cell_states)}  {rest}"


def describe_decisions(study: Study, task: str) -> list[str]:
    """A line on a task's learning rates and one on its looks, if it has them."""
    lines = []
    if task in study.with_rates:
        rates = looks.chosen_rates(study.folder, task)
        names = [f"{cell_name(level, group)} {lr:g}" for (group, level), lr in rates.items()]
        lines.append(f"{task}: learning rates chosen on val: {', '.join(names) or 'not yet'}")
    if task in study.with_looks:
        lines.append(f"{task}: {describe_looks(study, task)}")
    return lines


def describe_looks(study: Study, task: str) -> str:
    """At which look a task is, with how many seeds, and what is undecided."""
    n = looks.seeds_by_now(study.folder, task)
    decisions = looks.past_looks(study.folder, task)
    look = looks.LOOKS.index(n) + 1
    text = f"look {look} of {len(looks.LOOKS)}, n = {n}"
    undecided = decisions[-1]["undecided"] if decisions else []
    if len(decisions) >= look:
        text += "; looks ended" if undecided else "; decided"
    if undecided:
        text += f"; undecided: {', '.join(undecided)}"
    return text


def forecast(task: str, folders: Mapping[str, Path], states: Mapping[str, str]) -> str:
    """Time and disk that the rest of a task will take, from the mean of its completed runs."""
    own = [run_id for run_id, folder in folders.items() if folder.parent.name == task]
    done = [folders[run_id] for run_id in own if states[run_id] == "completed"]
    todo = [folders[run_id] for run_id in own if states[run_id] in WAITING_STATES]
    running = [folders[run_id] for run_id in own if states[run_id] == "running"]
    rows = [store.summary_row(folder) for folder in done]
    seconds = [seconds_of(row) for row in rows]
    spent = f"{len(done)} took {sum(seconds):.0f} s of one device's time{pace(rows)}"
    if not todo:
        return f"nothing left to train; {spent}"
    if not done:
        return f"{len(todo)} runs left; no estimate before one has completed"
    mean = sum(seconds) / len(seconds)
    size = sum(map(bytes_of, done)) / len(done)
    rest = mean * (len(todo) - len(running))
    rest += sum(seconds_left(folder, mean) for folder in running)
    now = ""
    if running:
        n = len({locks.holder(folder) for folder in running})
        now = f", about {rest / n:.0f} s with the present {n} processes"
    return (
        f"{len(todo)} runs left, about {rest:.0f} s more{now}, "
        f"and {size * len(todo) / 1e6:.1f} MB of disk; {spent}"
    )


def seconds_of(row: Mapping[str, Any]) -> float:
    """Seconds of a device's time that a run took, from its row of `runs`."""
    return sum(row.get(f"{bucket}_seconds") or 0 for bucket in BUCKETS)


def pace(rows: list[dict[str, Any]]) -> str:
    """The median training seconds of an epoch in words; empty if no run counts epochs."""
    timed = [row for row in rows if row["epochs"] and row["train_seconds"]]
    if not timed:
        return ""
    median = statistics.median(row["train_seconds"] / row["epochs"] for row in timed)
    return f", an epoch {median:.2g} s of training (median)"


def bytes_of(folder: Path) -> int:
    """Bytes of all files under a folder that this user may look at."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another user's, or removed meanwhile
            if path.is_file():
                size += path.stat().st_size
    return size


def seconds_left(folder: Path, otherwise: float) -> float:
    """Seconds that a running run expects to take still, else `otherwise`."""
    progress = store.read_note(folder / "progress.json", {"seconds_left": otherwise})
    return float(progress["seconds_left"])
