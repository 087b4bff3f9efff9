"""Decisions that further runs wait for: is a task decided at a look, and which learning rate does each level get?"""

from pathlib import Path
from typing import Any

from actstudy.analysis import tables
from actstudy.analysis.page.markdown import cell_name
from actstudy.analysis.questions import contrasts, tuning
from actstudy.analysis.status import RUNS
from actstudy.contract import store
from actstudy.contract.errors import StudyError, nearest
from actstudy.study import looks
from actstudy.study.planning import Study

OPEN = ("undecided", "too few seeds")


def decide(study: Study, task: str, what: str, runs_root: Path = RUNS) -> Path:
    """Write what the runs that have ended say; what: `lr`, `look1`, `look2` or `look3`. Returns the file."""
    allowed = ["lr"] * (task in study.with_rates)
    allowed += (
        [f"look{k}" for k in range(1, len(looks.LOOKS) + 1)] if task in study.with_looks else []
    )
    if task not in study.tasks:
        raise StudyError(
            f"decide: got {task!r}; allowed: {', '.join(study.tasks)}{nearest(task, study.tasks)}"
        )
    if what not in allowed:
        shown = (
            ", ".join(allowed)
            or f"none, as {study.file} gives task {task} neither looks nor tune_lr"
        )
        raise StudyError(f"decide: got {what!r}; allowed: {shown}{nearest(what, allowed)}")
    made = (
        rates(study, task, runs_root)
        if what == "lr"
        else look(study, task, int(what[-1]), runs_root)
    )
    file = looks.path(study.folder, task, what)
    store.write_json(file, made)
    return file


def rates(study: Study, task: str, runs_root: Path) -> dict[str, Any]:
    """The learning rate that val chose for each level of a task."""
    plan = study.plan()
    rows = [row for row in plan.tuning if row["task"] == task]
    found = tuning.chosen(tables.collect(rows, runs_root, ["curves"]), plan, task)
    chosen = [{"group": group, "level": level, "lr": lr} for (group, level), lr in found.items()]
    return {
        "task": task,
        "seeds": looks.TUNING_SEEDS,
        "tried": study.tasks[task].tune_lr,
        "chosen": chosen,
    }


def look(study: Study, task: str, k: int, runs_root: Path) -> dict[str, Any]:
    """Whether every comparison with the baseline is decided at look k, from 1; a decided task stays so."""
    before = looks.decision(study.folder, task, f"look{k - 1}") if k > 1 else None
    if before and before["decided"]:
        return before | {"look": k}
    n = looks.LOOKS[k - 1]
    plan = study.plan({task: n})
    runs = [row for row in plan.runs if row["task"] == task]
    made = contrasts.contrasts(tables.collect(runs, runs_root, ["predictions"]), plan)
    left = made[(made["task"] == task) & (made["family"] == "primary") & made["verdict"].isin(OPEN)]
    undecided = [
        cell_name(level, group) for level, group in zip(left["level"], left["group"], strict=True)
    ]
    more = looks.LOOKS[k] if undecided and k < len(looks.LOOKS) else None
    return {
        "task": task,
        "look": k,
        "n": n,
        "decided": not undecided,
        "undecided": undecided,
        "next": more,
    }
