"""The contrasts of a task as tables of the summary page, and the notes below them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import (
    cell_name,
    interval,
    markdown,
    metric_name,
    number,
    signed,
)
from actstudy.analysis.page import cell_groups
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import describe_verdict, family_share
from actstudy.analysis.questions.power import first_to_decide
from actstudy.analysis.questions.seed_values import paired
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import ENDED

MAX_PAIRS_NAMED = 20
NO_LEVEL = "There is no level to compare with the baseline."


def primary(tables: Tables, task: str) -> pd.DataFrame:
    """The contrasts with the baseline."""
    contrasts = tables.of("contrasts", task)
    return contrasts[contrasts["family"] == "primary"]


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def contrasts(tables: Tables, task: str) -> str:
    """The contrasts with the baseline, a row per cell."""
    size = _size(tables, task)
    name = _difference_name(tables.plan.tasks[task])
    rows = [_contrast(row, name, size) for row in primary(tables, task).to_dict("records")]
    return markdown(rows, NO_LEVEL)


def contrasts_by_group(tables: Tables, task: str) -> str:
    """The contrasts with the baseline, a row per group of cells."""
    name = _difference_name(tables.plan.tasks[task])
    return cell_groups.differences(primary(tables, task), name, _size(tables, task)) or NO_LEVEL


def _difference_name(settings: TaskPlan) -> str:
    unit = f", {settings.log_unit}" if settings.log_unit else ""
    return f"difference from {settings.baseline}{unit}"


def _size(tables: Tables, task: str) -> float:
    """The size of the compared values, which sets the decimals of differences (logarithms: 0)."""
    settings = tables.plan.tasks[task]
    if settings.log_unit:
        return 0.0
    cells = tables.of("cells", task)
    return float(cells.loc[cells["metric"] == settings.metric, "mean"].mean())


def _contrast(row: dict[Any, Any], name: str, size: float) -> dict[str, Any]:
    """A row of the table of contrasts."""
    difference = "none"
    between = "needs 2 seeds"
    if row["n"] > 0:
        difference = signed(row["mean"], size)
    if row["n"] > 1:
        between = interval(row["low"], row["high"], size)
    return {
        "cell": cell_name(row["level"], row["group"]),
        name: difference,
        "interval": between,
        "p": _four_decimals(row["p"]),
        "verdict": describe_verdict(row),
        "n": row["n"],
        "test set's standard error": _four_decimals(row["test_se"]),
    }


def _four_decimals(value: float) -> str:
    return f"{value:.4f}" if pd.notna(value) else ""


def notes(tables: Tables, task: str) -> list[str]:
    """Caveats of the contrasts: interval levels, seeds, runs left out, margin, collapse."""
    contrasts = primary(tables, task)
    levels = sorted({f"{100 * level:g}%" for level in contrasts["interval_level"].dropna()})
    sentences = []
    if levels:
        sentences.append(
            f"Intervals are Student t at {listed(levels)}, not adjusted for the number of "
            "contrasts."
        )
    sentences += _looks(tables, task)
    sentences += _unpaired(tables, task)
    sentences += _margin(contrasts, tables.plan.tasks[task])
    sentences += _collapses(contrasts, tables.plan.tasks[task])
    return sentences


def _looks(tables: Tables, task: str) -> list[str]:
    taken = tables.plan.tasks[task].looks_runs
    if not taken:
        return []
    sentences = _blind_looks(tables.plan)
    if not taken.ended:
        return [*sentences, f"Seeds are being added: {taken.run} are planned so far."]
    n_cells = len(tables.of("runs", task)[["group", "level"]].drop_duplicates())
    saved = (taken.all - taken.run) * n_cells
    return [
        *sentences,
        f"Seeds were added until every contrast was decided or {taken.all} had run: it took "
        f"{taken.run}, which saved {saved} of {taken.all * n_cells} runs.",
    ]


def _blind_looks(plan: Plan) -> list[str]:
    """Which looks can find no difference, as their spend is below the smallest possible p."""
    looks = procedure.looks_of(True, family_share(plan))
    first = first_to_decide(looks)
    blind = [f"{n}" for n, _ in looks if n is not None and n < first]
    if not blind:
        return []
    return [
        f"With family: study over {len(plan.tasks)} tasks the look at {listed(blind)} seeds can "
        f"find no difference, only an equivalence: its share of the 5% is smaller than the "
        f"smallest p of so few seeds."
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
    half = contrasts["test_se"].max() / 2
    if not settings.margin < half:
        return []
    return [
        f"The margin, {settings.margin:g}, is below half the test set's standard error of a "
        f"difference ({half:.2g}): a difference this small may not hold on another test set of "
        "this size."
    ]


def _collapses(contrasts: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """What counts as collapsed; a sentence per contrast with such runs, or their count by level."""
    fallen = contrasts[(contrasts["n_collapsed"] > 0) | (contrasts["n_collapsed_baseline"] > 0)]
    has_condition = (contrasts["condition"].astype(object).fillna("") != "").any()
    if fallen.empty and not has_condition:
        return []
    sentences = [
        f"A run collapsed if it diverged or its {metric_name(settings.metric)} is worse than half "
        "way from chance to the median of its cell. Differences and verdicts are those of typical "
        'runs, which did not; "when it trains" stands where the risk of collapse that is not '
        "excluded could reverse the verdict on average. Each risk is an exact one-sided 95% limit."
    ]
    if cell_groups.are_many(fallen):
        return [*sentences, cell_groups.collapses(fallen)]
    for row in fallen.to_dict("records"):
        sentences.append(
            f"{cell_name(row['level'], row['group'])} collapsed in {row['n_collapsed']:.0f} of "
            f"{row['n_runs']:.0f} seeds ({row['n_diverged']:.0f} diverged), {row['baseline']} in "
            f"{row['n_collapsed_baseline']:.0f} of {row['n_runs_baseline']:.0f} "
            f"(exact McNemar p = {row['p_mcnemar']:.3f}); with these runs the mean difference is "
            f"{signed(row['mean_all'], 0.0)}."
        )
    return sentences


def all_pairs(tables: Tables, task: str) -> str:
    """The second family in a sentence: how many pairs are decided, and which."""
    pairs = tables.of("contrasts", task).query("family == 'all pairs'")
    decided = pairs[pairs["verdict"].isin(["better", "worse"])]
    names = []
    for row in decided.itertuples():
        cell = cell_name(row.level, row.group)
        winner, loser = cell, row.baseline
        if row.verdict == "worse":
            winner, loser = loser, winner
        names.append(f"{winner} better than {loser} {row.condition}".strip())
    named = ""
    if 0 < len(names) <= MAX_PAIRS_NAMED:
        named = f": {'; '.join(names)}"
    return (
        f"All pairs, a second family with its own error rate: {len(decided)} of {len(pairs)} are "
        f"better or worse{named}. All are in tables/contrasts.csv."
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
            sentences.append(_control(row, first, second))
    return sentences


def _levels_without_arguments(runs: pd.DataFrame) -> set[str]:
    """The levels whose runs all have an activation without arguments."""
    if "activation_args" not in runs:
        return set()
    plain = runs["activation_args"].isin(["{}"]).groupby(runs["level"]).all()
    return set(plain[plain].index)


def _control(row: dict[Any, Any], first: str, second: str) -> str:
    """What a negative control says, with a warning if the test finds a difference."""
    if row["verdict"] in ("better", "worse"):
        reading = "The control fails: the other differences may be chance as well."
    elif row["sd"]:
        reading = "Differences of this size are noise."
    else:
        reading = "They agree in every seed: there is no noise to see."
    group = f" ({row['group']})" if row["group"] else ""
    return (
        f"Negative control{group}: {first} and {second} are one function written in two ways; "
        f"mean difference {signed(row['mean'], 0.0)}, sd over seeds {number(row['sd'])}, "
        f"verdict: {row['verdict']} (n = {row['n']}). {reading}"
    )
