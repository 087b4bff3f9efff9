"""What moves the result? Standard deviations of its sources, with intervals.

Framework, activation or seed, in a study that crosses frameworks; activation, recipe or seed in one
that crosses recipes. The method of moments over a balanced design: every seed in every cell of one
block and one arithmetic. Nothing is pooled over models, data or precisions.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse, crossed, factors, spread
from actstudy.analysis.questions.crossed import Crossing
from actstudy.analysis.questions.factors import FACTORS
from actstudy.analysis.questions.seed_values import Frames, Values, by_cell, seed_values
from actstudy.analysis.questions.stats import Estimate
from actstudy.contract.frameworks import TORCH
from actstudy.contract.plan import Plan, TaskPlan

COLUMNS = ["task", "block", "at", "source", "levels", "metric", "unit", "margin"]
COLUMNS += ["n_seeds", "n_seeds_left_out", "n_runs", "sd", "low", "high", "reason", "left_out"]
SOURCES = (  # of a study that crosses frameworks, in the order of figure and page
    "framework",
    "back end",
    "framework x activation",
    "arithmetic",
    "activation",
    "seed",
    "residual",
    "another seed",
)


FEW_SEEDS = "fewer than two seeds have a typical run in every cell"
ONE_LEVEL = "one level is left"
MISSING = {  # source -> why a design does not say its standard deviation
    "framework": "no Keras run",
    "back end": "one back end",
    "framework x activation": "one framework or one activation",
    "arithmetic": "torch ran in one arithmetic",
    "activation": "one activation",
    "seed": "one run per seed",
    "residual": "one run per seed",
    "another seed": "",
}
ALL_AXES = "recipe"  # the source of all recipe axes together
Row = tuple[str, str, Estimate, int]  # source, its levels, its sd over n seeds, runs


class Design(NamedTuple):
    """The runs of one block and arithmetic in which every seed has every cell.

    y: gains (seeds, frameworks, activations); left_out: seeds that lack a cell, or a typical run.
    """

    frameworks: list[str]
    activations: list[str]
    y: np.ndarray
    left_out: int


def components(frames: Frames, plan: Plan, values: Values | None = None) -> pd.DataFrame:
    """A row per block, arithmetic and source: `sd` with its interval, on one scale for all sources.

    frames: `runs`, and `predictions` as `collect` makes them; values: their `seed_values`, if they
    are known. Columns COLUMNS; sd: that of the levels of a fixed source (two levels lie sqrt(2) sd
    apart), or over seeds, in `unit`. sd is missing if the design does not say it, and `reason` says
    why. `seed` is what all runs of a seed share, `residual` what is each run's own, `another seed`
    both together: what another seed does to one cell. `arithmetic` is of runs of torch that share
    seed and activation: half of the variance of their differences. Of a task that crosses recipes
    the sources are the compared axis, each recipe axis, their interactions with the compared one
    and chance; left_out: levels and places of which a cell has no typical run. Empty for a
    task that crosses neither.
    """
    rows: list[dict[str, Any]] = []
    for task, settings, runs in factors.crossing(frames, plan):
        for row in of_designs(runs, settings):
            rows.append({**_head(task, settings), **row})
    for block in crossed.blocks(frames, plan):
        values = values or seed_values(frames, plan)
        settings = plan.tasks[block.task]
        gains = crossed.gains_of(block, values, settings)
        crossing = crossed.crossing(block, gains, plan.compare)
        for row in of_crossing(crossing):
            rows.append({**_head(block.task, settings), "block": block.name, "at": "", **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def _head(task: str, settings: TaskPlan) -> dict[str, Any]:
    """The columns that all rows of a task share."""
    names = {"task": task, "metric": settings.metric, "unit": settings.compared_unit}
    return {**names, "margin": settings.margin}


def of_crossing(crossing: Crossing) -> Iterator[dict[str, Any]]:
    """The rows of a crossed design, from the compared axis to chance, without task and block."""
    for row in crossed_estimates(crossing):
        cells = measured(row, ONE_LEVEL, crossing.seeds_left_out)
        yield {**cells, "left_out": "; ".join(crossing.left_out)}


def measured(row: Row, without: str, seeds_left_out: int) -> dict[str, Any]:
    """The columns of a source; without: why it has no value if there are seeds enough."""
    source, levels, estimate, n_runs = row
    reason = ""
    if np.isnan(estimate.value):
        reason = FEW_SEEDS if estimate.n < 2 else without
    return {
        "source": source,
        "levels": levels,
        "n_seeds": estimate.n,
        "n_seeds_left_out": seeds_left_out,
        "n_runs": n_runs,
        "sd": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "reason": reason,
        "left_out": "",
    }


def crossed_estimates(crossing: Crossing) -> Iterator[Row]:
    """The standard deviation of every source of a crossed design."""
    y = crossing.y
    compared, *recipe = crossing.axes
    several = len(recipe) > 1
    names = [compared, *recipe, *([ALL_AXES] if several else [])]
    names += [f"{compared} x {axis}" for axis in names[1:]]
    if not y.size:
        for source in [*names, "seed", "residual", "another seed"]:
            yield source, "", Estimate(np.nan, 0.0, np.inf, len(y)), 0
        return
    together = y.reshape(len(y), y.shape[1], -1)
    for place, axis in enumerate(crossing.axes, 1):
        levels = ", ".join(crossing.axes[axis])
        yield axis, levels, spread.sd_of_source(y, [place]), y.size
    if several:
        yield ALL_AXES, "", spread.sd_of_source(together, [2]), y.size
    for place, axis in enumerate(recipe, 2):
        yield f"{compared} x {axis}", "", spread.sd_of_source(y, [1, place]), y.size
    if several:
        yield f"{compared} x {ALL_AXES}", "", spread.sd_of_source(together, [1, 2]), y.size
    yield from of_chance(y)


def of_designs(runs: pd.DataFrame, settings: TaskPlan) -> Iterator[dict[str, Any]]:
    """The rows of every block and arithmetic that Keras ran in, in the order of SOURCES."""
    plain = runs[runs["is_plain"]]
    own = [plain["block"], plain["numbers"]]
    with_keras = plain[plain["is_keras"].groupby(own).transform("any")]
    parts = plain if with_keras.empty else with_keras
    for (block, at), part in parts.groupby(["block", "numbers"], sort=False):
        design = design_of(part, settings)
        rows = list(estimates(design))
        rows += arithmetics(runs[runs["block"] == block], str(at), settings)
        for row in sorted(rows, key=lambda row: SOURCES.index(row[0])):
            yield {"block": block, "at": at, **measured(row, MISSING[row[0]], design.left_out)}


def design_of(runs: pd.DataFrame, settings: TaskPlan) -> Design:
    """The balanced design of a block's runs.

    Activations that torch has no typical run of are left out, then frameworks without a typical
    run of some activation that is left, then seeds without all.
    """
    own = runs.assign(group=runs["framework"], level=runs["acts"])
    typical = collapse.gains(by_cell(own), settings).typical
    has = typical.notna().any()
    activations = [name for name in own["level"].unique() if has.get((TORCH, name), False)]
    frameworks = []
    for name in sorted(own["group"].unique(), key=lambda name: name != TORCH):
        if activations and all(has.get((name, level), False) for level in activations):
            frameworks.append(name)
    cells = pd.MultiIndex.from_product([frameworks, activations])
    complete = typical.reindex(columns=cells).dropna()
    y = complete.to_numpy().reshape(len(complete), len(frameworks), len(activations))
    return Design(frameworks, activations, y, len(typical) - len(complete))


def estimates(design: Design) -> Iterator[Row]:
    """The standard deviation of every source but arithmetic."""
    y = design.y
    n, n_frameworks, _ = y.shape
    if not y.size:
        for source in set(SOURCES) - {"arithmetic"}:
            yield source, "", Estimate(np.nan, 0.0, np.inf, n), 0
        return
    by_framework = y.mean(axis=2)
    sides = by_framework
    if n_frameworks > 1:
        sides = np.column_stack([by_framework[:, 0], by_framework[:, 1:].mean(axis=1)])
    keras = ", ".join(design.frameworks[1:])
    sides_named = ""
    if keras:
        sides_named = f"{TORCH} | {keras}"
    yield "framework", sides_named, spread.sd_of_levels(sides), y.size
    back_ends = y[:, 1:]
    yield "back end", keras, spread.sd_of_levels(back_ends.mean(axis=2)), back_ends.size
    yield "framework x activation", "", spread.sd_of_source(y, [1, 2]), y.size
    activations = ", ".join(design.activations)
    yield "activation", activations, spread.sd_of_source(y, [2]), y.size
    yield from of_chance(y)


def of_chance(y: np.ndarray) -> Iterator[Row]:
    """The standard deviations of seed and residual, and of both; y: (n seeds, levels, ...)."""
    cells = y.reshape(len(y), -1)
    yield "seed", "", spread.sd_of_seeds(cells), y.size
    yield "residual", "", spread.sd_of_residual(cells), y.size
    yield "another seed", "", spread.sd_within(cells), y.size


def arithmetics(runs: pd.DataFrame, at: str, settings: TaskPlan) -> Iterator[Row]:
    """The standard deviation of runs of torch that share seed and activation, per arithmetic.

    runs: of one block. Each other arithmetic of torch beside the plain one of `at`; one row without
    a value if there is none.
    """
    own = factors.contexts(runs, FACTORS["arithmetic"])
    plain = own.loc[own["is_plain"] & (own["numbers"] == at), "arithmetic"].unique()
    others = [name for name in own["arithmetic"].unique() if name not in plain]
    if not len(plain) or not others:
        yield "arithmetic", "", Estimate(np.nan, 0.0, np.inf, own["seed"].nunique()), 0
        return
    typical = collapse.gains(by_cell(own), settings).typical
    for other in others:
        total = 0.0
        df = n_runs = n_seeds = 0
        for group in own["group"].unique():
            pair = typical.reindex(columns=[(group, plain[0]), (group, other)]).dropna()
            differences = pair.diff(axis=1).iloc[:, 1].to_numpy()
            if len(differences):
                total += float(((differences - differences.mean()) ** 2).sum()) / 2
                df += len(differences) - 1
                n_runs += 2 * len(differences)
                n_seeds = max(n_seeds, len(differences))
        estimate = spread.sd_of_squares(total, df)
        yield (
            "arithmetic",
            f"{plain[0]} | {other}",
            dataclasses.replace(estimate, n=n_seeds),
            n_runs,
        )
