"""What would decide the comparisons that are open: the change of the study file, its runs."""

import pandas as pd

from actstudy.analysis.markdown import code, escaped, listed
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, primary
from actstudy.analysis.questions.power import MAX_MORE_SEEDS
from actstudy.analysis.tables import Tables
from actstudy.contract.schema import UNREAD
from actstudy.study.looks import LOOKS


def steps(tables: Tables) -> list[str]:
    """A line of Markdown per change, with the tasks that it is for and the runs that it adds."""
    runs_by_change: dict[str, dict[str, str]] = {}
    for task in tables.plan.tasks:
        contrasts = primary(tables.of("contrasts", task))
        still_open = contrasts[contrasts["verdict"].isin(OPEN_VERDICTS)]
        if len(still_open):
            change, runs = step(tables, task, still_open)
            runs_by_change.setdefault(change, {})[task] = runs
    lines = []
    for change, runs_by_task in runs_by_change.items():
        line = f"{escaped(listed(list(runs_by_task)))}: {change}"
        if all(runs_by_task.values()):
            line += f"; adds at most {listed(list(runs_by_task.values()))} runs"
        lines.append(f"{line}.")
    return lines


def step(tables: Tables, task: str, still_open: pd.DataFrame) -> tuple[str, str]:
    """The change that decides a task's open comparisons, as Markdown, and how many runs it adds."""
    runs = tables.of("runs", task)
    settings = tables.plan.tasks[task]
    if runs["status"].isin(UNREAD).any():
        return "no change: some runs have not ended yet", ""
    if settings.looks_runs and not settings.looks_runs.ended:
        return "no change: the next look adds seeds", ""
    n = runs["seed"].nunique()
    per_seed = int(runs.drop_duplicates("run_id").groupby("seed").size().max())
    if n < LOOKS[-1] and not settings.looks:
        seeds = listed([f"{look}" for look in LOOKS], "or")
        change = f"{code('looks: true')} instead of {code('seeds')} ({seeds} seeds, until all is"
        return f"{change} decided)", f"{(LOOKS[-1] - n) * per_seed:,}"
    needed = still_open["more_seeds"].max()
    if still_open["more_seeds"].isna().any():
        return f"nothing feasible: to see the margin takes over {MAX_MORE_SEEDS} more seeds", ""
    total = n + int(needed)
    other = code(f"seeds: [{n}, {n + 1}, ...]")
    change = f"a new study of {total} other seeds ({other}) sees a difference of the margin"
    return change, f"{total * per_seed:,}"
