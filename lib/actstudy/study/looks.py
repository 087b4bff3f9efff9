"""Runs that wait for a decision: more seeds look by look, learning rates chosen on seeds of their own."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actstudy.contract.errors import StudyError
from actstudy.study.grid import PlannedRun

LOOKS = (8, 12, 20)  # seeds at each look
SPENDS = (0.01, 0.015, 0.025)  # what each look spends of the 5% of false verdicts
TUNING_SEEDS = (1000, 1001, 1002)  # learning rates are chosen on these, which no reported table has
RATE = "lr"  # the place of reported runs beside `tune_lr`: fixed or tuned
Rates = Mapping[tuple[str, str], float]  # (group, level) -> chosen learning rate


def path(folder: str, task: str, what: str) -> Path:
    """Where a decision stands; what: `lr`, `look1`, `look2` or `look3`."""
    return Path(folder) / "plan" / f"{task}-{what}.json"


def decision(folder: str, task: str, what: str) -> dict[str, Any] | None:
    """What was decided, or None where nothing is yet."""
    file = path(folder, task, what)
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise StudyError(
            f"{file}: not readable as a decision; to fix: rm {file}, then snakemake"
        ) from None


def taken(folder: str, task: str) -> list[dict[str, Any]]:
    """The decisions of a task's looks so far, up to the one that decides or the last.

    One that does not follow from the look before it, as where that was taken again since, is none.
    """
    made: list[dict[str, Any]] = []
    for k, n in enumerate(LOOKS, 1):
        found = decision(folder, task, f"look{k}")
        if found is None or found["n"] != n or (made and made[-1]["decided"]):
            break
        made.append(found)
    return made


def seeds_asked(folder: str, task: str) -> int:
    """How many seeds a task with looks asks for by now: those of the look that decides, else of the next one."""
    return LOOKS[len(taken(folder, task)) - ended(folder, task)]


def ended(folder: str, task: str) -> bool:
    """Whether a task's last look has been taken: the one that decided all, or the last there is."""
    made = taken(folder, task)
    return bool(made) and (made[-1]["decided"] or len(made) == len(LOOKS))


def rates(folder: str, task: str) -> Rates:
    """The learning rates chosen for a task, none before they are."""
    made = decision(folder, task, "lr") or {"chosen": []}
    return {(row["group"], row["level"]): float(row["lr"]) for row in made["chosen"]}


def at_rates(
    planned: Sequence[PlannedRun], tried: Sequence[float] | None
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """All runs that may be reported, and those that choose among the tried rates.

    Reported are each run at its own rate, `lr=fixed`, and at each tried one, `lr=tuned`, of which one will be wanted.
    """
    if tried is None:
        return list(planned), []
    fixed = [dataclasses.replace(run, places={**run.places, RATE: "fixed"}) for run in planned]
    tuned = [
        dataclasses.replace(
            run, spec=dataclasses.replace(run.spec, lr=lr), places={**run.places, RATE: "tuned"}
        )
        for run in planned
        for lr in tried
    ]
    cells = {(run.level, run.group): run for run in planned}.values()
    choosing = [
        dataclasses.replace(run, spec=dataclasses.replace(run.spec, lr=lr, seed=seed))
        for run in cells
        for lr in tried
        for seed in TUNING_SEEDS
    ]
    return fixed + tuned, choosing


def untuned(run: PlannedRun) -> str:
    """A run's group without its place on `lr`: that of the runs which chose its rate."""
    return dataclasses.replace(
        run, places={axis: at for axis, at in run.places.items() if axis != RATE}
    ).group


def wanted(
    possible: Iterable[PlannedRun], asked: Mapping[str, int], chosen: Mapping[str, Rates]
) -> list[PlannedRun]:
    """The runs that are wanted: of tasks with looks the first `asked` seeds, of tuned runs those at the chosen rate."""
    return [
        run
        for run in possible
        if run.spec.seed < asked.get(run.spec.task, run.spec.seed + 1)
        and (
            run.places.get(RATE) != "tuned"
            or run.spec.lr == chosen.get(run.spec.task, {}).get((untuned(run), run.level))
        )
    ]


def stage(run: PlannedRun, looks: bool) -> int:
    """Which look first asks for a run, from 0: runs of different looks never share a pack."""
    return sum(run.spec.seed >= n for n in LOOKS) if looks else 0
