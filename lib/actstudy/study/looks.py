"""Runs that wait for a decision: seeds added look by look, learning rates chosen by val.

Both only filter the planned runs: seeds after the present look are left out, and of the runs that
are planned at every tried rate, those at other rates than the chosen one.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actstudy.contract.errors import StudyError
from actstudy.contract.plan import RATE_AXIS, TaskPlan, group_name, without_rate
from actstudy.study.grid import PlannedRun

LOOKS = (8, 12, 20)  # seeds at each look
SPENDS = (0.01, 0.015, 0.025)  # what each look spends of the 5% of false verdicts
TUNING_SEEDS = (1000, 1001, 1002)  # learning rates are chosen on these, which no table reports
FIXED = "fixed"  # the place on RATE_AXIS of runs at the study's own learning rate
TUNED = "tuned"  # the place of runs at the chosen one
Rates = Mapping[tuple[str, str], float]  # (group, level) -> chosen learning rate


def path(folder: str, task: str, what: str) -> Path:
    """The file of a decision; what: `lr`, `look1`, `look2` or `look3`."""
    return Path(folder) / "plan" / f"{task}-{what}.json"


def decision(folder: str, task: str, what: str) -> dict[str, Any] | None:
    """A decision, or None if it has not been made yet; StudyError if its file is not readable."""
    file = path(folder, task, what)
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        remedy = f"rm {file}, then start the study again"
        raise StudyError(f"{file}: not readable as a decision; to fix: {remedy}") from None


def past_looks(folder: str, task: str) -> list[dict[str, Any]]:
    """The decisions of a task's looks so far, up to the one that decides or the last.

    Looks after one that decides are ignored: their files are from before it was taken again.
    """
    decisions: list[dict[str, Any]] = []
    for number, n in enumerate(LOOKS, 1):
        look = decision(folder, task, f"look{number}")
        decided = bool(decisions) and decisions[-1]["decided"]
        if look is None or look["n"] != n or decided:
            break
        decisions.append(look)
    return decisions


def seeds_by_now(folder: str, task: str) -> int:
    """The number of seeds of a task's last look if its looks have ended, else of its next one."""
    number = len(past_looks(folder, task))
    return LOOKS[number - 1] if ended(folder, task) else LOOKS[number]


def ended(folder: str, task: str) -> bool:
    """Whether a task's last look has been taken: the one that decided all, or the last of LOOKS."""
    decisions = past_looks(folder, task)
    return bool(decisions) and (decisions[-1]["decided"] or len(decisions) == len(LOOKS))


def chosen_rates(folder: str, task: str) -> Rates:
    """The learning rates chosen for a task; empty before they are."""
    choice = decision(folder, task, "lr")
    rows = choice["chosen"] if choice else []
    return {(row["group"], row["level"]): float(row["lr"]) for row in rows}


def at_rates(
    planned: Sequence[PlannedRun], tried: Sequence[float] | None
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """All runs that may be reported, and those that choose among the tried rates.

    Each planned run may be reported at its own rate, `lr=fixed`, and at each tried one,
    `lr=tuned`, only one of which will be used.
    """
    if tried is None:
        return list(planned), []
    fixed = [_at_place(run, FIXED) for run in planned]
    tuned = [_at_place(_replace(run, lr=lr), TUNED) for run in planned for lr in tried]
    choosing = []
    for run in {(run.level, run.group): run for run in planned}.values():
        for lr in tried:
            choosing += [_replace(run, lr=lr, seed=seed) for seed in TUNING_SEEDS]
    return fixed + tuned, choosing


def _at_place(run: PlannedRun, place: str) -> PlannedRun:
    return dataclasses.replace(run, places={**run.places, RATE_AXIS: place})


def _replace(run: PlannedRun, **fields: Any) -> PlannedRun:
    return dataclasses.replace(run, spec=dataclasses.replace(run.spec, **fields))


def select(
    possible: Iterable[PlannedRun], seeds: Mapping[str, int], chosen: Mapping[str, Rates]
) -> list[PlannedRun]:
    """The runs of the first `seeds` seeds of each task in `seeds`, and all runs of other tasks.

    chosen: task -> its chosen learning rates; tuned runs at other rates are left out.
    """
    selected = []
    for run in possible:
        task = run.task
        if task in seeds and run.spec.seed >= seeds[task]:
            continue
        if run.places.get(RATE_AXIS) == TUNED:
            cell = (group_name(without_rate(run.places)), run.level)
            if run.spec.lr != chosen.get(task, {}).get(cell):
                continue
        selected.append(run)
    return selected


def stage(run: PlannedRun, settings: TaskPlan) -> int:
    """The look, from 0, that first asks for a run: runs of different looks never share a pack."""
    return sum(run.spec.seed >= n for n in LOOKS) if settings.in_looks else 0


def fewest_seeds(settings: TaskPlan, n_contrasts: int, share: float) -> int:
    """The seeds of a task below which none of its contrasts with the baseline has a verdict.

    share: the part of the 5% that the task has. At any number of seeds it is the n at which equal
    differences are worth 2 K / level, by (n - 1) / 2 log(1 + n) + log 2 (docs/statistics.md).
    """
    if not settings.at_any_n:
        return LOOKS[0]
    evidence = math.log(n_contrasts / (sum(SPENDS) * share))
    n = 1
    while (n - 1) / 2 * math.log1p(n) <= evidence:
        n += 1
    return n
