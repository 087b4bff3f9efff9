"""Studies side by side as Markdown: what differs in how they were made, then cell by cell."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import cell_name, listed, markdown, metric_name, prose
from actstudy.contract.counting import counted
from actstudy.contract.plan import TaskPlan
from actstudy.judging.studies import beside, paired, recipes
from actstudy.judging.studies.beside import Study
from actstudy.judging.studies.paired import OTHER, SAME, SAME_RUNS

SAME_RECIPE = "Every run field, the data, baselines and margins are the same."
INTERVALS = (
    "Differences are of seeds that both studies have and that saw the same batches, with a 95% "
    "interval of each cell by itself; no test is made, and nothing is corrected for their number."
)
MAX_NAMED = 8  # cells that one study alone has


class Comparison(NamedTuple):
    """The first study and another one: a row per common cell, what differs, what is left out."""

    first: Study
    other: Study
    cells: pd.DataFrame
    recipe: list[dict[str, str]]
    notes: list[str]


def compare(studies: Sequence[Study]) -> list[Comparison]:
    """Every other study beside the first one; StudyError if one has nothing in common with it."""
    first, *others = studies
    comparisons = []
    for other in others:
        tasks, notes = beside.common_tasks(first, other)
        notes += without_runs([first, other])
        cells = pd.concat([paired.compare(first, other, task) for task in tasks])
        recipe = []
        for task in tasks:
            recipe += recipes.differences(first, other, task)
            notes += alone(first, other, task)
        comparisons.append(Comparison(first, other, cells.reset_index(drop=True), recipe, notes))
    return comparisons


def without_runs(studies: Sequence[Study]) -> list[str]:
    """A sentence per study whose tables do not say what its runs were."""
    return [
        f"{study.name}: no table of runs with level, group, seed and status, so that no seeds pair "
        "and its data are known by name alone"
        for study in studies
        if study.runs.empty
    ]


def alone(first: Study, other: Study, task: str) -> list[str]:
    """A sentence per study that has cells of a task which the other one has not."""
    sentences = []
    for study, beside_it in ((first, other), (other, first)):
        of_other = set(beside.cells_of(beside_it, task))
        names = [cell for cell in beside.cells_of(study, task) if cell not in of_other]
        if names:
            words = ", ".join(cell_name(level, group) for group, level in names[:MAX_NAMED])
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            sentences.append(f"{task}: only {study.name} has {words}{more}")
    return sentences


def page(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as Markdown."""
    studies = [comparisons[0].first, *(comparison.other for comparison in comparisons)]
    lines = [f"# {listed([prose(study.name) for study in studies])} side by side", ""]
    lines += ["## Where they come from", "", markdown(recipes.made_by(studies)), ""]
    for comparison in comparisons:
        lines += of_pair(comparison)
    return "\n".join(lines)


def of_pair(comparison: Comparison) -> list[str]:
    """The lines of one comparison."""
    first, other, cells, recipe, notes = comparison
    lines = [f"## {prose(other.name)} minus {prose(first.name)}", ""]
    for sentence in recipes.other_data(recipe, first.name, other.name):
        lines += [f"**Other data.** {prose(sentence)}", ""]
    lines += ["### What differs", "", markdown(recipe, SAME_RECIPE), ""]
    for note in notes:
        lines += [f"- {prose(note)}"]
    lines += [""] if notes else []
    lines += [in_short(cells), "", INTERVALS, ""]
    for task, part in cells.groupby("task", sort=False):
        settings = first.plan.tasks[str(task)]
        better = "higher" if settings.higher_is_better else "lower"
        title = f"### {prose(task)}: test {metric_name(settings.metric)}, {better} is better"
        rows = [row_of(row, settings) for row in part.to_dict("records")]
        lines += [title, "", markdown(rows), ""]
    return lines


def in_short(cells: pd.DataFrame) -> str:
    """How many cells and verdicts there are, and how many of these are other ones, in sentences."""
    n_pairs = int((cells["n_pairs"] > 0).sum())
    in_common = f"{counted(len(cells), 'cell')} in common"
    sentences = [f"{in_common}, {n_pairs} of them with seeds that pair."]
    n_same = int((cells["pairs"] == SAME_RUNS).sum())
    if n_same:
        sentences.append(f"Of {n_same} of them both studies have the very same runs.")
    compared = cells[cells["verdict"] != ""]
    others = compared[compared["verdict"] == OTHER]
    if len(compared):
        sentences.append(f"Verdicts: {len(compared) - len(others)} {SAME}, {len(others)} {OTHER}.")
    for row in others.to_dict("records"):
        cell = prose(cell_name(row["level"], row["group"]))
        words = f"{row['verdict_first']}, then {row['verdict_other']}"
        sentences.append(f"{prose(row['task'])}, {cell} against {prose(row['baseline'])}: {words}.")
    return " ".join(sentences)


def row_of(row: dict[Any, Any], settings: TaskPlan) -> dict[str, Any]:
    """A cell as a row of the table."""
    size = scale.of_metric(settings.metric, settings.predicts)
    apart = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    difference = row["pairs"]
    interval = ""
    if row["n_pairs"]:
        difference = f"{apart.signed(row['difference'])} {apart.unit}".strip()
        interval = apart.interval(row["low"], row["high"])
        if row["pairs"] == SAME_RUNS:
            interval = SAME_RUNS
    cells = {"cell": cell_name(row["level"], row["group"])}
    for side in (paired.FIRST, paired.OTHER):
        sd = row[f"sd_{side}"] if row[f"n_{side}"] > 1 else math.nan
        cells[f"{row[side]}{unit}"] = (
            f"{size.spread(row[f'mean_{side}'], sd)}, n={row[f'n_{side}']}"
        )
    return cells | {
        "difference": difference,
        "interval": interval,
        "pairs": row["n_pairs"],
        f"verdict, {row[paired.FIRST]}": row["verdict_first"],
        f"verdict, {row[paired.OTHER]}": row["verdict_other"],
        "verdicts": row["verdict"],
    }
