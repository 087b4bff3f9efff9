"""Does a verdict hold whatever the recipe? The rule is that of docs/statistics.md.

The reasonable range of recipes is what the study crosses, stated before any result. A sign changes
only if it is shown on both sides; that it never changes is a claim of its own.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import contrasts, crossed, procedure
from actstudy.analysis.questions.components import components
from actstudy.analysis.questions.contrasts import Pair
from actstudy.analysis.questions.crossed import Block
from actstudy.analysis.questions.power import MIN_SEEDS
from actstudy.analysis.questions.procedure import ALPHA, TOO_FEW, UNDECIDED, Verdict
from actstudy.analysis.questions.seed_values import Frames, Values
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.study.looks import LOOKS

DEPENDENT = "recipe-dependent"
RESERVATION = "the sign of its difference depends on the recipe"
IN_EVERY = "in every recipe"
ON_AVERAGE = "on average over the recipes"
INCOMPLETE = "not said, as a recipe lacks typical runs"
COLUMNS = ["task", "block", "level", "baseline", "metric", "unit", "margin", "n", "seeds"]
COLUMNS += ["n_recipes", "n_tested", "n_better", "n_worse", "better_in", "worse_in"]
COLUMNS += ["mean", "low", "high", "lowest", "highest", "p_better", "p_worse", "p_every", "spend"]
COLUMNS += ["verdict", "reading", "groups"]


class Signs(NamedTuple):
    """One level against the baseline, recipe by recipe.

    p_better, p_worse: adjusted one-sided p per recipe, (C,); p_every: that it is better in all (or
    worse, if its mean is), p_inside: that it is within the margin in all; spend: what each of these
    three may err by; counts: recipes that may show a sign, as they are not within the margin.
    """

    p_better: np.ndarray
    p_worse: np.ndarray
    p_every: float
    p_inside: float
    spend: float
    counts: np.ndarray

    @property
    def better(self) -> np.ndarray:
        """The recipes in which the level is shown to be better, (C,)."""
        return (self.p_better <= self.spend) & self.counts

    @property
    def worse(self) -> np.ndarray:
        """The recipes in which the level is shown to be worse, (C,)."""
        return (self.p_worse <= self.spend) & self.counts


def of_recipes(frames: Frames, plan: Plan, values: Values) -> dict[str, pd.DataFrame]:
    """What moves the result, which verdicts depend on the recipe, and the contrasts with that."""
    readings = recipe_verdicts(frames, plan, values)
    return {
        "components": components(frames, plan, values),
        "recipe_verdicts": readings,
        "contrasts": with_reservation(frames["contrasts"], readings),
    }


def recipe_verdicts(frames: Frames, plan: Plan, values: Values) -> pd.DataFrame:
    """A row per block and level of every task that crosses recipes. Columns COLUMNS.

    frames: `runs`; values: their `seed_values`. verdict: of the mean difference over all recipes,
    seed by seed; reading: that, or DEPENDENT, or whether it holds IN_EVERY recipe or ON_AVERAGE.
    mean, low, high, lowest, highest: level minus baseline in `unit`; lowest and highest: of the
    recipes' means; better_in, worse_in, groups: groups of cells, as their places say. With looks
    each question has a third of its error, as any look may be the last; of a task whose seeds may
    be looked at whenever nothing is said.
    """
    rows: list[dict[str, Any]] = []
    for block in crossed.blocks(frames, plan):
        settings = plan.tasks[block.task]
        if block.levels[0] != settings.baseline or len(block.levels) < 2 or settings.at_any_n:
            continue
        rows += of_block(block, plan, values)
    return pd.DataFrame(rows, columns=COLUMNS)


def of_block(block: Block, plan: Plan, values: Values) -> list[dict[str, Any]]:
    """The rows of one block."""
    settings = plan.tasks[block.task]
    gains = crossed.gains_of(block, values, settings)
    baseline, *levels = block.levels
    groups = list(block.groups.values())
    by_level = []
    for level in levels:
        pairs = [Pair(group, level, baseline) for group in groups]
        by_level.append(contrasts.paired_differences(gains, pairs))
    x = np.stack(by_level, axis=1)  # (seeds, levels, recipes)
    share = contrasts.family_share(plan)
    if settings.in_looks:
        share /= len(LOOKS)
    rows = []
    for place, verdict in enumerate(of_means(x, settings, share)):
        signs = signs_of(x[:, place], settings.margin, ALPHA * share / len(levels))
        head: dict[str, Any] = {"task": block.task, "block": block.name, "level": levels[place]}
        head |= {"baseline": baseline, "metric": settings.metric}
        head |= {"unit": settings.compared_unit, "margin": settings.margin}
        rows.append({**head, **described(x[:, place], verdict, signs, groups, settings.sign)})
    return rows


def of_means(x: np.ndarray, settings: TaskPlan, share: float) -> list[Verdict]:
    """A verdict per level on its mean over all recipes; x: gains (seeds, levels, recipes).

    A seed counts if it has a pair with every recipe.
    """
    return procedure.judge(x.mean(axis=2), settings.margin, procedure.looks_of(False, share))


def signs_of(x: np.ndarray, margin: float, spend: float) -> Signs:
    """What is shown of one level, recipe by recipe; x: its gains over the baseline (seeds, C).

    A recipe with fewer than MIN_SEEDS pairs shows nothing, and counts in the family none the less.
    """
    n = np.isfinite(x).sum(axis=0)
    tested = n >= MIN_SEEDS
    C = x.shape[1]  # noqa: N806
    p = np.ones((2, C))
    alone = np.ones((2, C))
    inside = np.ones(C)
    if tested.any():
        for side, sign in enumerate((1, -1)):
            r = one_sided(sign * x[:, tested])
            p[side, tested] = procedure.step_down(r, int((~tested).sum()))
            alone[side, tested] = (r >= r[0] - 1e-9).mean(axis=0)
        margins = np.full(int(tested.sum()), margin)
        inside[tested] = procedure.equivalence_p(x[:, tested], margins, 1)
    every = 2 * alone.max(axis=1).min()  # both directions are tried
    return Signs(p[0], p[1], min(1.0, float(every)), float(inside.max()), spend, C * inside > spend)


def one_sided(x: np.ndarray) -> np.ndarray:
    """The statistic of `difference_p` with its sign, of all flips (flips, C), the observed first.

    Every flip of the seeds is taken with its mirror image.
    """
    known = np.nan_to_num(x)
    root = np.sqrt((known * known).sum(axis=0))
    r = procedure.sign_flips(len(x)).astype(float) @ known / np.where(root > 0, root, 1)
    return np.vstack([r, -r])


def described(
    x: np.ndarray, verdict: Verdict, signs: Signs, groups: list[str], sign: int
) -> dict[str, Any]:
    """The columns on one level's result; x: its gains over the baseline (seeds, recipes)."""
    n = np.isfinite(x).sum(axis=0)
    sums = np.nansum(x, axis=0)
    means = sign * np.divide(sums, n, out=np.full(len(sums), np.nan), where=n > 0)
    means = means[np.isfinite(means)]
    ends = sorted([sign * verdict.low, sign * verdict.high])
    return {
        "n": verdict.n,
        "seeds": len(x),
        "n_recipes": x.shape[1],
        "n_tested": int((n >= MIN_SEEDS).sum()),
        "n_better": int(signs.better.sum()),
        "n_worse": int(signs.worse.sum()),
        "better_in": "; ".join(np.array(groups, dtype=object)[signs.better]),
        "worse_in": "; ".join(np.array(groups, dtype=object)[signs.worse]),
        "mean": sign * verdict.mean,
        "low": ends[0],
        "high": ends[1],
        "lowest": means.min() if len(means) else np.nan,
        "highest": means.max() if len(means) else np.nan,
        "p_better": float(signs.p_better.min()),
        "p_worse": float(signs.p_worse.min()),
        "p_every": signs.p_every,
        "spend": signs.spend,
        "verdict": verdict.verdict,
        "reading": reading(verdict.verdict, signs, int(np.isfinite(x).any(axis=1).sum())),
        "groups": "; ".join(groups),
    }


def reading(verdict: str, signs: Signs, n_any: int) -> str:
    """What may be said of a level: its verdict with how far it holds, or DEPENDENT.

    n_any: seeds that have a pair with some recipe; if they are enough, but those with every recipe
    are not, it is INCOMPLETE.
    """
    if signs.better.any() and signs.worse.any():
        return DEPENDENT
    if verdict == TOO_FEW and n_any >= MIN_SEEDS:
        return INCOMPLETE
    if verdict in (TOO_FEW, UNDECIDED):
        return verdict
    p = signs.p_inside if verdict.startswith("equivalent") else signs.p_every
    return f"{verdict} {IN_EVERY if p <= signs.spend else ON_AVERAGE}"


def with_reservation(contrasts: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """The table `contrasts`, in which a recipe-dependent level is nowhere better or worse alone.

    readings: `recipe_verdicts`. `contradiction` of its decided rows with the baseline, in each
    family and either direction, is RESERVATION if they have none yet.
    """
    table = contrasts.copy()
    for row in readings[readings["reading"] == DEPENDENT].to_dict("records"):
        own = (table["task"] == row["task"]) & table["group"].isin(row["groups"].split("; "))
        pair = [row["level"], row["baseline"]]
        own &= table["level"].isin(pair) & table["baseline"].isin(pair)
        own &= table["verdict"].isin(["better", "worse"]) & (table["contradiction"] == "")
        table.loc[own, "contradiction"] = RESERVATION
    return table
