"""What would decide the comparisons that are open: what to do, and the runs that it adds."""

import dataclasses
from collections.abc import Collection
from typing import NamedTuple

import pandas as pd

from actstudy.analysis.markdown import code, escaped, listed
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, primary
from actstudy.analysis.questions.power import MAX_MORE_SEEDS
from actstudy.analysis.retry import study_command
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.plan import Plan
from actstudy.contract.schema import FAILED, UNREAD
from actstudy.study.looks import LOOKS

KEPT_BOTH = (
    "7%"  # false verdicts if those of 8 seeds and of looks are kept: benchmarks/two_pages.py
)

NOT_FEASIBLE = f"nothing feasible: to see the margin takes over {MAX_MORE_SEEDS} more seeds."
SEEN = {  # column of `contrasts` -> what so many more seeds would see
    "more_seeds": "a difference of the margin",
    "more_seeds_as_seen": "a difference of the size seen, if that is the true one",
}


class Step(NamedTuple):
    """What decides open comparisons, as Markdown; short: in a few words, if there are fewer."""

    text: str
    short: str = ""


def steps(tables: Tables, in_short: bool = False) -> list[str]:
    """A line of Markdown per step, with the tasks that it is for and the runs that it adds."""
    runs_by_step: dict[Step, dict[str, str]] = {}
    for task in tables.plan.tasks:
        contrasts = primary(tables.of("contrasts", task))
        still_open = contrasts[contrasts["verdict"].isin(OPEN_VERDICTS)]
        if len(still_open):
            own, n_runs = step(tables, task, still_open)
            runs_by_step.setdefault(own, {})[task] = n_runs
    lines = []
    for own, runs_by_task in runs_by_step.items():
        counts = list(filter(None, runs_by_task.values()))
        added = f"at most {listed(counts)} runs" if counts else ""
        if len(counts) > 1 and len(set(counts)) == 1:
            added = f"at most {counts[0]} runs per task"
        head = escaped(listed(list(runs_by_task)))
        if in_short and own.short:
            lines.append(f"{head}: {own.short}{added and f' ({added})'}.")
        else:
            lines.append(f"{head}: {own.text}{added and f' Adds {added}.'}")
    return lines


def step(tables: Tables, task: str, still_open: pd.DataFrame) -> tuple[Step, str]:
    """What decides a task's open comparisons, as Markdown, and how many runs it adds."""
    runs = tables.of("runs", task).drop_duplicates("run_id")
    settings = tables.plan.tasks[task]
    n_failed = int(runs["status"].isin(FAILED).sum())
    if n_failed:
        which = counted(n_failed, "run")
        again = f"{which} failed. Run again first, with the commands under *Not completed*."
        return Step(again), ""
    if runs["status"].isin(UNREAD).any():
        going_on = f"some runs have not ended yet; {code(study_command(tables.plan))} goes on."
        return Step(going_on), ""
    if settings.looks_runs and not settings.looks_runs.ended:
        return Step("no change: the next look adds seeds."), ""
    per_seed = int(runs.groupby("seed").size().max())
    seeds = set(runs["seed"])
    if settings.at_any_n:
        return by_more_seeds(tables.plan, still_open, len(seeds), per_seed)
    if len(seeds) < LOOKS[-1] and not settings.looks and looks_help(still_open, len(seeds)):
        n_new = len(set(range(LOOKS[-1])) - seeds)
        change = by_looks(tables.plan, has_verdicts=len(seeds) >= LOOKS[0])
        return change, f"{n_new * per_seed:,}"
    if still_open["more_seeds"].isna().all():
        return Step(NOT_FEASIBLE), ""
    new = other_seeds(seeds, int(still_open["more_seeds"].max()))
    return by_new_study(tables.plan, new), f"{len(new) * per_seed:,}"


def other_seeds(seeds: Collection[int], more: int) -> range:
    """The seeds of a new study, none of them in `seeds`, which `more` added ones would decide.

    It has as many as both together: verdicts are of its own seeds alone, as more of the same study
    would be a second look at those that are there.
    """
    first = max(seeds) + 1
    return range(first, first + len(set(seeds)) + more)


def looks_help(still_open: pd.DataFrame, n_seeds: int) -> bool:
    """Whether the seeds that looks add may decide an open comparison, as far as these tell."""
    needed = still_open.reindex(columns=["more_seeds", "more_seeds_as_seen"]).astype(float)
    return n_seeds < LOOKS[0] or bool(needed.min(axis=None) <= LOOKS[-1] - n_seeds)


def by_looks(plan: Plan, has_verdicts: bool) -> Step:
    """The change to looks, and what becomes of this page's verdicts if it has any."""
    seeds = listed([f"{look}" for look in LOOKS], "or")
    plan = without_seeds(plan)
    text = (
        f"in {code(plan.file)}, in the block of the task, {code('looks: true')} instead of "
        f"{code('seeds')} ({seeds} seeds, until all is decided); then {code(study_command(plan))}. "
        "Finished runs of these seeds are kept."
    )
    if has_verdicts:
        text += (
            " The new verdicts replace those of this page. Who keeps the verdicts of both pages "
            f"has a false one in more than the promised 5% of tasks: in {KEPT_BOTH}, as measured "
            "with 8 seeds and then looks."
        )
    where = f"in the task's block of {code(plan.file)}"
    return Step(text, f"{code('looks: true')} {where}, {seeds} seeds")


def by_more_seeds(plan: Plan, still_open: pd.DataFrame, n: int, per_seed: int) -> tuple[Step, str]:
    """More seeds than n of a task whose verdicts hold at any number, and the runs that they add.

    For the margin; if no comparison can see that, for the differences seen.
    """
    several = {column: still_open[column].max() for column in SEEN}
    feasible = [column for column, added in several.items() if pd.notna(added)]
    if not feasible:
        return Step(NOT_FEASIBLE), ""
    column = feasible[0]
    added = int(several[column])
    command = code(study_command(without_seeds(plan)))
    text = (
        f"in {code(plan.file)}, {code(f'seeds: {n + added}')} instead of {n}, then {command}. This "
        f"sees {SEEN[column]}; fewer are no mistake, as more may follow. Nothing is trained again."
    )
    short = f"{code(f'seeds: {n + added}')} in {code(plan.file)}"
    return Step(text, short), f"{added * per_seed:,}"


def without_seeds(plan: Plan) -> Plan:
    """The plan of a try without its own number of seeds."""
    pairs = [pair for pair in plan.overrides if not pair.startswith("seeds=")]
    return dataclasses.replace(plan, overrides=pairs)


def by_new_study(plan: Plan, new: range) -> Step:
    """A second study of some seeds, which this one does not use."""
    n = len(new)
    seeds = code(f"seeds: [{new[0]}, {new[1]}, ..., {new[-1]}]")
    text = (
        f"a new study, in a copy of {code(plan.file)} under another name, with {n} seeds that this "
        f"one does not use ({seeds}). It sees a difference of the margin and has a page of its "
        "own; the verdicts of this page stay."
    )
    return Step(text, new_study(n))


def new_study(n: int) -> str:
    """What to do in a few words, on all pages: a study of n seeds that the present one has not."""
    return f"a new study of {n} other seeds"
