"""Which levels of a cell are not worse than its best: paired seeds in, one table out.

A level leaves the set if some other level of its group is better by at least the margin that
matters, and is so by a one-sided paired t test at level (1 - LEVEL) / (K - 1), K levels; not if
the mean difference with collapsed runs has the other sign. The truly best one is then in the set in
at least LEVEL of all cases: it leaves only if one of K - 1 tests errs (Bonferroni; sets of this
kind: Hsu 1984, Annals of Statistics 12). How often it holds the best is measured by
benchmarks/choice.py.
"""

import numpy as np
import pandas as pd
from scipy import special

from actstudy.analysis.questions import collapse, stats
from actstudy.analysis.questions.pareto import timed
from actstudy.analysis.questions.power import more_seeds
from actstudy.analysis.questions.procedure import looks_of
from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.contract.plan import TaskPlan

LEVEL = 0.95  # of all cases the best level is in the set
MIN_PAIRS = 3  # of two levels; they are not compared below
FEW_SEEDS = 8  # below, a t test relies on noise that is nearly normal
ORDERS = {  # what matters -> the column that orders the set, the smallest first
    "accuracy": "shortfall",
    "speed": "train_seconds",
    "memory": "peak_memory_bytes",
}
COLUMNS = ["in_set", "better", "trains", "n_runs", "n_collapsed"]
COLUMNS += ["n", "shortfall", "low", "high", "more_seeds"]
TIMED = ["status", "timing_clean", "train_seconds"]  # of `runs`
COSTS = ["mean", "n_timed", "train_seconds", "fastest_seconds", "slowest_seconds"]
COSTS += ["smallest_memory_bytes", "peak_memory_bytes"]


def choice(values: TaskValues, settings: TaskPlan) -> pd.DataFrame:
    """A row per level of one group of cells, indexed by level: is it in the set, how far below.

    values: of a single group. in_set; better: the level that puts it out; trains: is its typical
    run better than chance, if that is known; n_runs, n_collapsed: diverged ones too; n: pairs with
    the best; shortfall: mean of best minus level over them, 0 for the best, larger is worse; low,
    high: its interval, each end at the level of the set's tests; more_seeds: that find a difference
    of the margin, counted as for a verdict of a study with as many levels. As in verdicts, means
    are of typical runs.
    """
    gains = collapse.gains(values, settings)
    levels = [level for _, level in gains.typical.columns]
    x = gains.typical.to_numpy(dtype=float)
    every = gains.every.to_numpy(dtype=float)
    p = separations(x, settings.margin, every)
    best = best_of(x)
    in_set = members(x, settings.margin, every)
    trains = gains.trains | gains.chance.isna()
    has_ended = gains.every.notna() | gains.diverged
    rows = []
    for place, level in enumerate(levels):
        row = {
            "level": level,
            "in_set": bool(in_set[place]),
            "better": "" if in_set[place] else levels[int(p[:, place].argmin())],
            "trains": bool(trains.iloc[place]),
            "n_runs": int(has_ended.iloc[:, place].sum()),
            "n_collapsed": int(gains.collapsed.iloc[:, place].sum()),
        }
        if place == best:
            rows.append(row | {"n": int(np.isfinite(x[:, best]).sum()), "shortfall": 0.0})
        else:
            rows.append(row | shortfall(x[:, best] - x[:, place], len(levels), settings.margin))
    return pd.DataFrame(rows, columns=["level", *COLUMNS]).set_index("level")


def members(x: np.ndarray, margin: float, every: np.ndarray | None = None) -> np.ndarray:
    """Whether each level is in the set, (K,); x: gains (seeds, K), missing if a run has none.

    every: the same with collapsed runs at their own value, if any collapsed.
    """
    is_better = separations(x, margin, every) <= level_of_tests(x.shape[1])
    is_best = np.arange(x.shape[1]) == best_of(x)  # missing seeds could leave none otherwise
    return np.asarray(is_best | ~is_better.any(axis=0))


def best_of(x: np.ndarray) -> int:
    """The place of the level with the largest mean gain."""
    n = np.isfinite(x).sum(axis=0)
    means = np.nansum(x, axis=0) / np.where(n > 0, n, 1)
    return int(np.where(n > 0, means, -np.inf).argmax())


def level_of_tests(n_levels: int) -> float:
    """The level of each one-sided test among N levels."""
    return (1 - LEVEL) / max(n_levels - 1, 1)


def separations(x: np.ndarray, margin: float, every: np.ndarray | None = None) -> np.ndarray:
    """p, (K, K), of the one-sided paired t tests of level i being better than level j.

    1 below MIN_PAIRS pairs, if i is better by less than the margin, or if it is worse over `every`,
    the gains with collapsed runs at their own value. Without any noise the larger mean is better.
    """
    n, mean, error = paired_means(x)
    count = np.maximum(n, 2)
    t = mean / np.where(error > 0, error, 1)
    p = np.where(error > 0, special.stdtr(count - 1, -t), mean <= 0)
    is_reversed = paired_means(x if every is None else every)[1] < 0
    return np.where((n < MIN_PAIRS) | (mean < margin) | is_reversed, 1.0, p)


def paired_means(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n, mean and its standard error of level i minus level j over their pairs, each (K, K).

    x: gains (seeds, K), missing if a run has none. Below two pairs they are those of two.
    """
    pairs = x[:, :, None] - x[:, None, :]
    is_pair = np.isfinite(pairs)
    n = is_pair.sum(axis=0)
    count = np.maximum(n, 2)
    mean = np.where(is_pair, pairs, 0).sum(axis=0) / count
    squares = np.where(is_pair, pairs - mean, 0) ** 2
    return n, mean, np.sqrt(squares.sum(axis=0) / (count - 1) / count)


def shortfall(pairs: np.ndarray, n_levels: int, margin: float) -> dict[str, float | None]:
    """How far a level is below the best: columns n, shortfall, low, high and more_seeds.

    pairs: gains of the best minus those of the level, missing if there is no pair.
    """
    pairs = pairs[np.isfinite(pairs)]
    level = level_of_tests(n_levels)
    interval = stats.mean_interval(list(pairs), 1 - 2 * level)
    sd = float(pairs.std(ddof=1)) if len(pairs) > 1 else np.nan
    more = more_seeds(len(pairs), sd, margin, n_levels - 1, looks_of(False))
    row = {"n": len(pairs), "shortfall": interval.value, "low": interval.low}
    return row | {"high": interval.high, "more_seeds": more}


def costs(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean metric and costs of the runs of each level, COSTS: seconds of those timed alone.

    runs: of one group, with their level. Runs of packs, resumed ones and those that shared a device
    have no seconds of their own.
    """
    rows = []
    runs = runs.filter(items=["level", *TIMED, "peak_memory_bytes", f"reported_{metric}"])
    for level, part in runs.groupby("level", sort=False):
        seconds = timed(part)["train_seconds"].astype(float)
        row = {
            "level": level,
            "mean": part.loc[part["status"] == "completed", f"reported_{metric}"].mean(),
            "n_timed": len(seconds),
            "train_seconds": seconds.median(),
            "fastest_seconds": seconds.min(),
            "slowest_seconds": seconds.max(),
            "smallest_memory_bytes": part["peak_memory_bytes"].astype(float).min(),
            "peak_memory_bytes": part["peak_memory_bytes"].astype(float).max(),
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=["level", *COSTS]).set_index("level")


def ordered(rows: pd.DataFrame, matters: str) -> pd.DataFrame:
    """The rows of `choice` with `costs`, the set first; in it levels of which all runs train first.

    matters: a key of ORDERS. Levels of which it was not measured come after the others, and of
    equal ones the better mean is first.
    """
    has_collapsed = (rows["n_collapsed"] > 0) | ~rows["trains"]
    keyed = rows.assign(is_out=~rows["in_set"], has_collapsed=has_collapsed)
    order = list(dict.fromkeys(["is_out", "has_collapsed", ORDERS[matters], "shortfall"]))
    return keyed.sort_values(order, kind="stable", na_position="last")[list(rows.columns)]
