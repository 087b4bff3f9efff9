"""What is said of a study before it runs that is no fault: no verdict can follow, packs of one."""

from collections.abc import Iterator

from actstudy.study.looks import LOOKS
from actstudy.study.planning import Study

MIN_LEVELS = 2


def notices(study: Study) -> Iterator[str]:
    """A line per thing that a study may not mean: `mlp: 6 seeds: no verdict below 8`.

    Tasks of which the same is true share a line.
    """
    tasks_by_words: dict[str, list[str]] = {}
    for task in study.tasks:
        for words in (no_verdict(study, task), packs_of_one(study, task)):
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
    if n_levels >= MIN_LEVELS:
        return "" if n_seeds >= LOOKS[0] else f"{seeds}: no verdict below {LOOKS[0]}"
    if n_seeds >= LOOKS[0]:
        return f"1 level of {study.compare}: no verdict below {MIN_LEVELS}"
    below = f"{LOOKS[0]} seeds and {MIN_LEVELS} levels of {study.compare}"
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
