"""Decisions that further runs wait for: is a task decided at a look; which rate has each level?"""

from pathlib import Path
from typing import Any

from actstudy.analysis.collect import collect, without_number
from actstudy.analysis.forecast import folders_of
from actstudy.analysis.markdown import cell_name
from actstudy.analysis.questions import contrasts, tuning
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.contract import sealed, store
from actstudy.contract.errors import StudyError, choices
from actstudy.contract.store import RUNS
from actstudy.study import looks
from actstudy.study.planning import Study


def decide(study: Study, task: str, what: str, runs_root: Path = RUNS) -> Path:
    """Write a decision from the runs that have ended; returns its file.

    what: `lr`, `look1`, `look2` or `look3`. StudyError if the study does not ask for it.
    """
    if task not in study.tasks:
        raise StudyError(f"decide: got {task!r}; {choices(task, study.tasks)}")
    names = decisions(study, task)
    if what not in names:
        neither = f"{study.file} gives task {task} neither looks: true nor tune_lr"
        why = "" if names else f", as {neither}"
        raise StudyError(f"decide: got {what!r}; {choices(what, names)}{why}")
    runs = study.tuning + study.possible
    sealed.unpack_all(folders_of(runs, runs_root).values())
    if what == "lr":
        decision = choose_rates(study, task, runs_root)
    else:
        decision = look(study, task, int(what[-1]), runs_root)
    file = looks.path(study.folder, task, what)
    store.write_json(file, decision)
    return file


def decisions(study: Study, task: str) -> list[str]:
    """The names of the decisions that a task waits for."""
    names = []
    if task in study.with_rates:
        names.append("lr")
    if task in study.with_looks:
        names += [f"look{k}" for k in range(1, len(looks.LOOKS) + 1)]
    return names


def choose_rates(study: Study, task: str, runs_root: Path) -> dict[str, Any]:
    """The learning rate that val chose for each level of a task."""
    plan = study.plan()
    rows = [row for row in plan.tuning if row["task"] == task]
    frames = collect(rows, runs_root, ["curves"])
    rate_of = tuning.chosen_rates(frames, plan, task)
    return {
        "task": task,
        "seeds": looks.TUNING_SEEDS,
        "tried": study.tasks[task].tune_lr,
        "chosen": [
            {"group": group, "level": level, "lr": lr} for (group, level), lr in rate_of.items()
        ],
    }


def look(study: Study, task: str, k: int, runs_root: Path) -> dict[str, Any]:
    """Whether every comparison with the baseline is decided at look k, from 1.

    A decided task stays decided.
    """
    before = looks.decision(study.folder, task, f"look{k - 1}") if k > 1 else None
    if before and before["decided"]:
        return {**before, "look": k}
    n = looks.LOOKS[k - 1]
    plan = study.plan({task: n})
    runs = [row for row in plan.runs if row["task"] == task]
    frames = collect(runs, runs_root, ["predictions"])
    frames["runs"] = without_number(frames["runs"], {task: plan.tasks[task].metric})
    table = contrasts.contrasts(frames, plan, seed_values(frames, plan))
    primary = table[(table["task"] == task) & (table["family"] == "primary")]
    undecided = primary[primary["verdict"].isin(contrasts.OPEN_VERDICTS)]
    cells = zip(undecided["level"], undecided["group"], strict=True)
    names = [cell_name(level, group) for level, group in cells]
    go_on = bool(names) and k < len(looks.LOOKS)
    return {
        "task": task,
        "look": k,
        "n": n,
        "decided": not names,
        "undecided": names,
        "next": looks.LOOKS[k] if go_on else None,
    }
