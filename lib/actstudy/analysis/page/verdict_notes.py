"""What limits the verdicts of a task, in sentences of the summary page."""

from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import cell_name, listed
from actstudy.analysis.page import cell_groups, looks
from actstudy.analysis.questions.contrasts import primary
from actstudy.analysis.questions.reservations import counts_diverged
from actstudy.analysis.questions.seed_values import paired
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import ENDED

MAX_COLLAPSES_NAMED = 5  # with a sentence each


def notes(tables: Tables, task: str) -> list[str]:
    """What limits a task's verdicts: looks, runs left out, the margin, collapses, controls."""
    contrasts = primary(tables.of("contrasts", task))
    settings = tables.plan.tasks[task]
    return [
        *looks.notes(tables, task),
        *_unpaired(tables, task),
        *_margin(contrasts, settings),
        *_collapses(contrasts, settings),
        *controls(tables, task),
    ]


def _unpaired(tables: Tables, task: str) -> list[str]:
    runs = tables.of("runs", task)
    ended = runs[runs["status"].isin(ENDED)]
    if ended.empty:
        return []
    unpaired = ended[~paired(ended, tables.plan, tables.plan.tasks[task].baseline)]
    counts = unpaired["level"].value_counts()
    if not counts.any():
        return []
    names = listed([f"{count} of {level}" for level, count in counts.items()])
    return [
        f"Runs not compared: {names}. Their batches, precision or engine differ from those of the "
        "baseline's run."
    ]


def _margin(contrasts: pd.DataFrame, settings: TaskPlan) -> list[str]:
    error = contrasts["test_se"].max()
    if not settings.margin < error / 2:
        return []
    size = scale.of_differences(settings)
    return [
        f"The margin is below half the test set's standard error of a difference "
        f"({size.amount(error)}): a difference this small may not hold on another test set. "
        "The key margin in the task's block sets another one."
    ]


def _collapses(contrasts: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """A sentence per contrast with collapsed runs, or their count per level."""
    fallen = contrasts[(contrasts["n_collapsed"] > 0) | (contrasts["n_collapsed_baseline"] > 0)]
    if len(fallen) > MAX_COLLAPSES_NAMED:
        return [cell_groups.collapses(fallen)]
    return [_collapse(row, settings) for row in fallen.to_dict("records")]


def _collapse(row: dict[Any, Any], settings: TaskPlan) -> str:
    """How often both sides of a contrast collapsed, and what the difference is of."""
    size = scale.of_differences(settings)
    left_out = False
    for side in ("", "_baseline"):
        left_out |= row[f"n_collapsed{side}"] > 0 and not counts_diverged(row, side)
    end = "the difference is of these runs, at chance level."
    if left_out:
        mean = f"{size.signed(row['mean_all'])} {size.unit}".strip()
        end = f"with these runs the mean difference is {mean}."
    return (
        f"{cell_name(row['level'], row['group'])} collapsed in {row['n_collapsed']:.0f} of "
        f"{row['n_runs']:.0f} seeds ({row['n_diverged']:.0f} diverged), {row['baseline']} in "
        f"{row['n_collapsed_baseline']:.0f} of {row['n_runs_baseline']:.0f} "
        f"(exact McNemar p = {row['p_mcnemar']:.3f}); {end}"
    )


def controls(tables: Tables, task: str) -> list[str]:
    """Negative controls: pairs of levels that are the same function, so any difference is noise."""
    pairs = tables.of("contrasts", task).query("family == 'all pairs' and n > 1")
    plain = _levels_without_arguments(tables.of("runs", task))
    sentences = []
    for first, second in registry.literal("nets/activations.py", "NULL_PAIRS"):
        if not {first, second} <= plain:  # with arguments they may be two functions
            continue
        both = [first, second]
        for row in pairs[pairs["level"].isin(both) & pairs["baseline"].isin(both)].to_dict(
            "records"
        ):
            sentences.append(_control(row, first, second, tables.plan.tasks[task]))
    return sentences


def _levels_without_arguments(runs: pd.DataFrame) -> set[str]:
    """The levels whose runs all have an activation without arguments."""
    if "activation_args" not in runs:
        return set()
    plain = runs["activation_args"].isin(["{}"]).groupby(runs["level"]).all()
    return set(plain[plain].index)


def _control(row: dict[Any, Any], first: str, second: str, settings: TaskPlan) -> str:
    """What a negative control says, with a warning if the test finds a difference."""
    if row["verdict"] in ("better", "worse"):
        reading = "The control fails: the other differences may be chance as well."
    elif row["sd"]:
        reading = "Differences of this size are noise."
    else:
        reading = "They agree in every seed: there is no noise to see."
    group = f" ({row['group']})" if row["group"] else ""
    size = scale.of_differences(settings)
    return (
        f"Negative control{group}: {first} and {second} are one function written in two ways; "
        f"mean difference {size.signed(row['mean'])} {size.unit}, sd {size.number(row['sd'])}, "
        f"verdict: {row['verdict']} (n = {row['n']}). {reading}"
    )
