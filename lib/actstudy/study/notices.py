"""What is said of a study before it runs that is no fault.

No verdict can follow, packs are of one run, there is hardly a choice of checkpoint.
"""

import math
from collections.abc import Iterator

from actstudy.contract.spec import RunSpec
from actstudy.study.looks import fewest_seeds
from actstudy.study.planning import Study
from actstudy.study.warmup import steps_per_epoch

MIN_LEVELS = 2
MIN_EVALUATIONS = 3  # of a run, for the best of them to be a choice
EVALUATIONS = 10  # that are proposed
TIMES = {1: "once", 2: "twice"}


def notices(study: Study) -> Iterator[str]:
    """A line per thing that a study may not mean: `mlp: 6 seeds: no verdict below 8`.

    Tasks of which the same is true share a line.
    """
    tasks_by_words: dict[str, list[str]] = {}
    for task in study.tasks:
        for words in (no_verdict(study, task), packs_of_one(study, task), no_choice(study, task)):
            if words:
                tasks_by_words.setdefault(words, []).append(task)
    for words, tasks in tasks_by_words.items():
        yield f"{', '.join(tasks)}: {words}"


def no_verdict(study: Study, task: str) -> str:
    """Why no comparison of a task can have a verdict, whatever its runs give; empty if one can."""
    runs = [run for run in study.possible if run.task == task]
    n_seeds = len({run.spec.seed for run in runs})
    n_levels = len({run.level for run in runs})
    seeds = f"{n_seeds} seed{'s' if n_seeds > 1 else ''}"
    settings = study.tasks[task]
    cells = {(run.group, run.level) for run in runs}
    n_contrasts = sum(level != settings.baseline for _, level in cells)
    share = 1 / len(study.tasks) if study.family == "study" else 1.0
    needed = fewest_seeds(settings, max(1, n_contrasts), share)
    if n_levels >= MIN_LEVELS:
        return "" if n_seeds >= needed else f"{seeds}: no verdict below {needed}"
    if n_seeds >= needed:
        return f"1 level of {study.compare}: no verdict below {MIN_LEVELS}"
    below = f"{needed} seeds and {MIN_LEVELS} levels of {study.compare}"
    return f"{seeds}, 1 level: no verdict below {below}"


def packs_of_one(study: Study, task: str) -> str:
    """That each run of a task would be a pack of its own; empty if that is not so."""
    alone = {}
    for run in study.possible:
        if run.task == task and (run.spec.engine, run.spec.pack_width) == ("pack", 1):
            alone[run.id] = run
    n = len(alone)
    if n < 2:
        return ""
    got = f"pack_width: got 1, its default, so that {n} runs are {n} packs"
    return f"{got}; allowed: such as {n}, the runs of a pack"


def no_choice(study: Study, task: str) -> str:
    """That `eval_every` leaves runs of a task one or two evaluations; empty if it does not.

    A run without it is evaluated each epoch, which its `epochs` say already.
    """
    specs = [run.spec for run in study.possible if run.task == task and run.spec.eval_every]
    few = [spec for spec in specs if 0 < _evaluations(spec) < MIN_EVALUATIONS]
    if not few:
        return ""
    spec = min(few, key=_evaluations)
    steps = _steps(spec)
    evaluated = f"a run of {steps} steps is evaluated {TIMES[_evaluations(spec)]}"
    fault = f"{evaluated}, which leaves hardly a choice of its best checkpoint"
    proposed = max(1, steps // EVALUATIONS)
    return f"eval_every: got {spec.eval_every}: {fault}; allowed: such as {proposed}"


def _evaluations(spec: RunSpec) -> int:
    """How often a run with `eval_every` is evaluated; 0 if its steps are not known."""
    return math.ceil(_steps(spec) / (spec.eval_every or 1))


def _steps(spec: RunSpec) -> int:
    """Optimizer steps of a run; 0 if its data set does not say how many an epoch has."""
    return spec.steps or (spec.epochs or 0) * steps_per_epoch(spec)
