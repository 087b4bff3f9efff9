"""The state of a study, read from its run folders: done, running, failed, still to do, how long."""

import dataclasses
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actstudy.analysis import forecast
from actstudy.analysis.forecast import FAILED_STATES, folders_of
from actstudy.analysis.markdown import cell_name
from actstudy.analysis.other_data import on_other_data
from actstudy.analysis.remembered import Rows
from actstudy.cluster import logs, queue
from actstudy.contract import code, host, invocation, locks, own_import, store
from actstudy.contract.counting import counted
from actstudy.contract.errors import system_fault, visible
from actstudy.contract.schema import ENDED, OTHER_DATA
from actstudy.contract.spec import DEFAULTS
from actstudy.contract.store import RUNS
from actstudy.study import certified, looks, measuring
from actstudy.study.disk import bytes_needed, mean_bytes
from actstudy.study.grid import PlannedRun
from actstudy.study.jobs import check_sources
from actstudy.study.planning import Study

WAITING_STATES = ("waiting", "interrupted", "running")


def state(folder: Path, locked: bool = False, rows: Rows | None = None) -> str:
    """completed, diverged, failed, timeout, out_of_memory, running, interrupted, damaged, waiting.

    OSError if this user may not know. locked: whether this process has the folder's lock, so that
    nobody else can be running; rows: those remembered, if any are.
    """
    if (rows and folder in rows) or store.is_there(folder / store.MANIFEST):
        try:
            row = rows.of(folder) if rows else store.summary_row(folder)
            return str(row["status"])
        except PermissionError:
            raise
        except (store.Damaged, OSError, ValueError):
            return "damaged"
    if store.is_there(folder) and not locked and locks.holder(folder):
        return "running"
    resumable = store.in_saved_pack(folder) or any(folder.glob("checkpoints/step-*.pt"))
    return "interrupted" if resumable else "waiting"


def states_of(
    folders: Mapping[str, Path], rows: Rows | None = None
) -> tuple[dict[str, str], list[OSError]]:
    """Run -> its state, `not known` if this user may not know, and the errors that say why.

    rows: those remembered, if any are.
    """
    states = {}
    errors = []
    for run_id, folder in folders.items():
        try:
            states[run_id] = state(folder, rows=rows)
        except OSError as error:
            states[run_id] = "not known"
            errors.append(error)
    return states, errors


def status(study: Study, root: Path = RUNS) -> tuple[str, bool]:
    """The status as text, and whether a run failed."""
    runs = study.runs()
    folders = folders_of(study.tuning + runs, root)
    rows = Rows(root)
    states, unknown = states_of(folders, rows)
    counts = Counter(states.values())
    lines = [f"study {study.name}: {counts['completed']} of {len(states)} runs completed"]
    lines += [f"runs are looked for in {root.resolve()}"]
    lines += [f"  {name:<12} {n}" for name, n in counts.most_common()]
    lines += ["", f"  {'task':<8} {'cell':<40} completed"]
    lines += describe_cells(study.tuning, runs, states)
    lines.append("")
    for task in study.tasks:
        lines += describe_decisions(study, task)
    lines += describe_rest(study, folders, states, rows)
    if unknown:
        lines.append(f"not known: {counted(len(unknown), 'run')}; {system_fault(unknown[0])}")
    lines += code.describe(study.code)
    lines += certified.sentences(study.code, study.file, study.arguments)
    lines += describe_data(study, root, folders, states, rows)
    results = root.parent / Path(study.folder).relative_to(store.RESULTS)
    lines += queue.describe(results)
    lines += logs.describe(results / logs.FOLDER)
    rows.write()
    failed = [run_id for run_id, name in states.items() if name in FAILED_STATES]
    for run_id in failed:
        lines.append(f"{states[run_id]}: {describe_failure(study, folders[run_id])}")
    return "\n".join(map(visible, lines)), bool(failed)


def describe_failure(study: Study, folder: Path) -> str:
    """A failed run's folder, why it failed, and what to do; of damaged tables no reason is read."""
    try:
        row = store.summary_row(folder)
    except store.Damaged as fault:
        repair = store.repair(folder)
        cause = str(fault).partition("; to fix: ")[0]
        return f"{cause}: with the next start the run is {repair}" if repair else str(fault)
    except (OSError, ValueError):
        return f"{folder}  (to fix: {invocation.program()} retry {folder})"
    return f"{folder}: {row['reason']}  (to fix: {remedy(study, folder, row)})"


def remedy(study: Study, folder: Path, row: Mapping[str, Any]) -> str:
    """What to do about a failed run; what a setting or own code broke would break again.

    Edited code is another run, so that nothing is to be cleared for it. row: of `runs`.
    """
    if row["status"] == "failed":
        if place := own_import.place_in(row["reason"]):
            return f"edit {place}, then run the study again"
        setting = re.search(r"(?:^|: )\w*Error: (\w+): got ", row["reason"])
        if setting and setting[1] in DEFAULTS:
            return f"edit {study.file}"
    return f"{invocation.program()} retry {folder}"


def describe_data(
    study: Study, root: Path, folders: Mapping[str, Path], states: Mapping[str, str], rows: Rows
) -> list[str]:
    """Lines on data that are not of their sources any more, and on runs with other data."""
    lines = []
    try:
        check_sources(study, root.parent / store.DATA.name)
    except store.Damaged as fault:
        lines.append(str(fault))
    ended = [rows.of(folder) for run, folder in folders.items() if states[run] in ENDED]
    for run_id, reason in on_other_data(ended).items():
        remedy = f"{invocation.program()} retry {folders[run_id]}"
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
            key = (run.task, cell_name(run.level, run.group) + note)
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
    if study.tasks[task].at_any_n:
        from actstudy.analysis import undecided  # late: scipy takes half a second

        lines.append(f"{task}: {undecided.at_any_n(study, task)}")
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
    if len(decisions) < look < len(looks.LOOKS):
        text += f"; goes on to n = {looks.LOOKS[-1]} unless all is decided before"
    return text


def describe_rest(
    study: Study, folders: Mapping[str, Path], states: Mapping[str, str], remembered: Rows
) -> Iterator[str]:
    """A line per task on what its runs took and what is left, and one on the whole study."""
    todo = dict[str, list[Path]]()
    seconds = dict[str, list[float]]()
    running = [folders[run_id] for run_id, name in states.items() if name == "running"]
    for task in study.tasks:
        own = {run_id: path for run_id, path in folders.items() if path.parent.name == task}
        done = [path for run_id, path in own.items() if states[run_id] == "completed"]
        todo[task] = [path for run_id, path in own.items() if is_to_train(path, states[run_id])]
        rows = [remembered.of(path) for path in done]
        seconds[task] = [forecast.seconds_of(row) for row in rows]
        words = f"{counted(len(todo[task]), 'run')} left" if todo[task] else "nothing left to train"
        if rows:
            size = mean_bytes(done) / 1e6
            words += f"; a run takes {statistics.fmean(seconds[task]):.1f} s{pace(rows)}"
            words += f" and {size:.1f} MB of disk"
        yield f"{task}: {words}"
    jobs = forecast.jobs_of(study)
    to_train = {run_id for run_id, name in states.items() if is_to_train(folders[run_id], name)}
    n_jobs = len({jobs[run_id] for run_id in to_train})
    n = min(forecast.processes(running) or forecast.room(study), n_jobs or 1)
    whole = forecast.total(todo, running, seconds, n)
    root = next(iter(folders.values())).parents[1]
    measured = root.parent / measuring.FOLDER.name
    if groups := measuring.to_measure(study.ledger, bool(host.gpus()), measured):
        yield f"claims: still to measure, for a time that is not known: {', '.join(groups)}"
    comparisons = forecast.comparisons(study, root)
    if comparisons.todo:
        yield f"parity: {comparisons.count}; {comparisons}"
        whole = dataclasses.replace(whole, seconds=whole.seconds + comparisons.seconds)
    if not whole.todo:
        yield f"all: {whole}"
        return
    needed = bytes_needed(study, root) / 1e6
    yield f"all with {n} processes: {whole}; {needed:,.1f} MB of disk"


def is_to_train(folder: Path, state_now: str) -> bool:
    """Whether the next start trains a run: it waits, or damage has left nothing to publish."""
    is_lost = state_now == "damaged" and store.repair(folder) == store.TRAINED_AGAIN
    return is_lost or state_now in WAITING_STATES


def pace(rows: list[dict[str, Any]]) -> str:
    """The median training seconds of an epoch in words; empty if no run counts epochs."""
    timed = [row for row in rows if row["epochs"] and row["train_seconds"]]
    if not timed:
        return ""
    median = statistics.median(row["train_seconds"] / row["epochs"] for row in timed)
    return f" (an epoch {median:.2g} s)"
