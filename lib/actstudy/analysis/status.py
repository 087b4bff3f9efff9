"""Where a study stands, read from its run folders: done, running, failed, still to do, and how long that takes."""

import json
import shlex
import shutil
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.analysis.page.markdown import cell_name
from actstudy.contract import locks, store
from actstudy.contract.errors import StudyError, nearest, visible
from actstudy.contract.plan import Plan
from actstudy.contract.schema import BUCKETS
from actstudy.study import looks
from actstudy.study.grid import PlannedRun
from actstudy.study.packs import MEMBERS
from actstudy.study.planning import Study

RUNS = Path("results/runs")


def folder_of(run: PlannedRun, root: Path = RUNS) -> Path:
    """Where a run's tables are."""
    return root / run.spec.task / run.id


def state(folder: Path, held: bool = False) -> str:
    """completed, diverged, failed, timeout, out_of_memory, running, interrupted, damaged or waiting."""
    if (folder / store.MANIFEST).is_file():
        return str(store.summary_row(folder)["status"]) if store.verifies(folder) else "damaged"
    if folder.is_dir() and not held and locks.holder(folder):
        return "running"
    saved = {path.parent for path in folder.parent.glob(".packs/*/step-*.pt")}
    packed = any(folder.name in noted(pack / MEMBERS, []) for pack in saved)
    return "interrupted" if packed or any(folder.glob("checkpoints/step-*.pt")) else "waiting"


def status(study: Study, root: Path = RUNS) -> tuple[str, bool]:
    """The status as text, and whether a run failed."""
    runs = study.runs()
    folders = {run.id: folder_of(run, root) for run in study.tuning + runs}
    states = {run_id: state(folder) for run_id, folder in folders.items()}
    counts = Counter(states.values())
    lines = [f"study {study.name}: {counts['completed']} of {len(states)} runs completed"]
    lines += [f"  {name:<12} {n}" for name, n in counts.most_common()]
    lines += ["", f"  {'task':<8} {'cell':<40} completed"]
    cells: dict[tuple[str, str], list[str]] = {}
    for part, note in ((study.tuning, " (choosing lr)"), (runs, "")):
        for run in part:
            cells.setdefault((run.spec.task, cell_name(run.level, run.group) + note), []).append(
                states[run.id]
            )
    for (task, cell), mine in cells.items():
        rest = ", ".join(f"{n} {name}" for name, n in Counter(mine).items() if name != "completed")
        lines.append(f"  {task:<8} {cell:<40} {mine.count('completed')} of {len(mine)}  {rest}")
    waiting = [line for task in study.tasks for line in _decisions(study, task)]
    lines += ["", *waiting, *_forecast(study, folders, states)]
    bad = [
        run_id
        for run_id, name in states.items()
        if name in ("failed", "out_of_memory", "timeout", "damaged")
    ]
    lines += [
        f"{states[run_id]}: {folders[run_id]}  (to fix: python -m actstudy retry {folders[run_id]})"
        for run_id in bad
    ]
    return "\n".join(map(visible, lines)), bool(bad)


def _decisions(study: Study, task: str) -> list[str]:
    """Where a task's learning rates and looks stand, a line each."""
    lines = []
    if task in study.with_rates:
        chosen = looks.rates(study.folder, task)
        each = ", ".join(
            f"{cell_name(level, group)} {lr:g}" for (group, level), lr in chosen.items()
        )
        lines.append(f"{task}: learning rates chosen on val: {each or 'not yet'}")
    if task in study.with_looks:
        n, made = looks.seeds_by_now(study.folder, task), looks.past_looks(study.folder, task)
        here, undecided = looks.LOOKS.index(n) + 1, ", ".join(made[-1]["undecided"]) if made else ""
        ended = "" if len(made) < here else "; looks ended" if undecided else "; decided"
        still = f"; undecided: {undecided}" if undecided else ""
        lines.append(f"{task}: look {here} of {len(looks.LOOKS)}, n = {n}{ended}{still}")
    return lines


def _forecast(study: Study, folders: dict[str, Path], states: dict[str, str]) -> list[str]:
    """Time and disk that the rest will take, from the mean of this study's finished runs of the same task."""
    lines = []
    for task in study.tasks:
        mine = [run_id for run_id, folder in folders.items() if folder.parent.name == task]
        done = [folders[run_id] for run_id in mine if states[run_id] == "completed"]
        todo = [
            run_id for run_id in mine if states[run_id] in ("waiting", "interrupted", "running")
        ]
        rows = [store.summary_row(folder) for folder in done]
        each = [sum(row.get(f"{bucket}_seconds") or 0 for bucket in BUCKETS) for row in rows]
        epochs = [
            row["train_seconds"] / row["epochs"]
            for row in rows
            if row["epochs"] and row["train_seconds"]
        ]
        pace = (
            f", an epoch {statistics.median(epochs):.2g} s of training (median)" if epochs else ""
        )
        spent = f"{len(done)} took {sum(each):.0f} s of one device's time{pace}"
        if not todo:
            lines.append(f"{task}: nothing left to train; {spent}")
        elif not done:
            lines.append(f"{task}: {len(todo)} runs left; no estimate before one has completed")
        else:
            mean = sum(each) / len(each)
            size = sum(
                f.stat().st_size for folder in done for f in folder.rglob("*") if f.is_file()
            ) / len(done)
            running = [run_id for run_id in todo if states[run_id] == "running"]
            left = mean * (len(todo) - len(running)) + sum(
                _seconds_left(folders[run_id], mean) for run_id in running
            )
            processes = len({locks.holder(folders[run_id]) for run_id in running})
            now = (
                f", about {left / processes:.0f} s with the present {processes} processes"
                if running
                else ""
            )
            lines.append(
                f"{task}: {len(todo)} runs left, about {left:.0f} s more{now}, "
                f"and {size * len(todo) / 1e6:.1f} MB of disk; {spent}"
            )
    return lines


def _seconds_left(folder: Path, otherwise: float) -> float:
    return float(noted(folder / "progress.json", {"seconds_left": otherwise})["seconds_left"])


def noted(path: Path, otherwise: Any) -> Any:
    """What a note without a checksum says; otherwise where a killed process left none, or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise


def clear(study: Study, what: str, root: Path = RUNS) -> list[str]:
    """Remove the results and checkpoints of one run, or with `failed` of all that failed; returns the cleared ids."""
    runs = {run.id: folder_of(run, root) for run in study.tuning + study.runs()}
    if what == "failed":
        chosen = [
            run_id
            for run_id, folder in runs.items()
            if state(folder) in ("failed", "out_of_memory", "timeout", "damaged")
        ]
    elif what in runs:
        chosen = [what]
    elif (Path(what) / "spec.json").is_file():
        runs, chosen = {what: Path(what)}, [what]
    else:
        raise StudyError(
            f"retry: got {what!r}; allowed: failed, a run's folder, or a run of study {study.name}{nearest(what, runs)}"
        )
    for run_id in [one for one in chosen if runs[one].is_dir()]:
        folder = runs[run_id]
        try:
            with locks.locked(folder, wait=False):
                damaged = state(folder, held=True) == "damaged"
                for name in store.FILES:
                    (folder / name).unlink(missing_ok=True)
                if not (
                    damaged and store.verifies(folder / "checkpoints" / "final")
                ):  # a good seal is published again
                    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
                    (folder / "spec.json").unlink(missing_ok=True)
        except BlockingIOError as error:
            raise StudyError(
                f"retry: {error}; allowed: a run that no process is training"
            ) from None
    return chosen


def rerun_command(plan: Plan, row: Mapping[str, Any]) -> str:
    """The shell command that runs a planned run again; row: its task, run_id and status."""
    study = "snakemake"
    if plan.study != "default":
        study = f"snakemake --configfile {shlex.quote(plan.file)}"
    if row["status"] == "missing":
        return study
    return f"python -m actstudy retry {RUNS}/{row['task']}/{row['run_id']} && {study}"
