"""What runs of a study say of a pair of levels, in the units of a ledger.

Gains are positive if the level is better: in points of a share, in % of a perplexity, else in the
task's unit. Margins are gains over the task's margin: within -1 and 1 two levels are equivalent.
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from actstudy.advice import dead
from actstudy.analysis.questions import anytime
from actstudy.analysis.questions.contrasts import family_share, pairs_needed
from actstudy.analysis.questions.power import contrast_level
from actstudy.analysis.questions.procedure import ALPHA, looks_of
from actstudy.analysis.questions.seed_values import Frames
from actstudy.analysis.questions.stats import Estimate, mean_interval
from actstudy.contract import errors
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.reading import LEVEL, Absent, Value, share_of
from actstudy.contract.spec import data_parts

FULL = "config/guide_full.yaml"  # has the tasks on data that are not embedded
FAMILIES = ("primary", "all pairs")  # the first that has a pair says its interval
RULES = {  # of dead units, by the shares of units never above zero and of values that are zero
    "dead": dead.share,
    "never_positive": lambda never_positive, zero: never_positive,
}


def runs_of(
    frames: Frames, task: str, levels: Sequence[str], data: str = "", group: str = ""
) -> pd.DataFrame:
    """The runs of some levels of a task in one group of cells, by default the first.

    Absent if the study does not have these data, the group or a level.
    """
    runs = frames["runs"]
    runs = runs[runs["task"] == task]
    if data:
        runs = runs[[data_parts(name)[0] == data for name in runs["data"]]]
    if runs.empty:
        raise Absent(f"needs task {task} on {data} of {FULL}")
    place = group or runs["group"].iloc[0]
    runs = runs[runs["group"] == place]
    for level in levels:
        if level not in set(runs["level"]):
            raise Absent(f"needs task {task} with level {level}{f' at {place}' if place else ''}")
    return runs[runs["level"].isin(levels)]


def gain(
    frames: Frames, plan: Plan, task: str, group: str, level: str, against: str
) -> dict[str, Value]:
    """`gain` and `margins` of a contrast, with the interval of a test of its family.

    So a bound is never met by less than what the study's own verdict takes; ValueError below its
    smallest number of seeds.
    """
    settings = plan.tasks[task]
    table = frames["contrasts"]
    table = table[table["task"] == task]
    for family in FAMILIES:
        rows = table[table["family"] == family]
        for sign, pair in ((1, (level, against)), (-1, (against, level))):
            of_pair = (rows["level"] == pair[0]) & (rows["baseline"] == pair[1])
            for row in rows[of_pair & (rows["group"] == group)].to_dict("records"):
                n = int(row["n"])
                needed = pairs_needed(row)
                if n < needed:
                    few = f"{n} seeds of task {task} have both {level} and {against}"
                    raise ValueError(f"{few}; it takes {needed}")
                half = half_width(n, row["sd"], len(rows), settings, family_share(plan))
                mean = sign * settings.sign * row["mean"]
                return in_units(Estimate(mean, mean - half, mean + half, n), settings)
    raise Absent(f"needs task {task} with a contrast of {level} and {against}")


def half_width(n: int, sd: float, family: int, settings: TaskPlan, share: float) -> float:
    """Half of the interval of a test of a family of contrasts, each with `family`-th of its level.

    share: the part of the 5% that the task has.
    """
    if settings.at_any_n:
        return anytime.half_width(n, sd, math.log(2 * family / (ALPHA * share)))
    alpha = contrast_level(n, family, looks_of(settings.in_looks, share))
    return float(special.stdtrit(n - 1, 1 - alpha / 2)) * sd / math.sqrt(n)


def mean_gain(gains: pd.Series, settings: TaskPlan, level: float) -> dict[str, Value]:
    """`gain` and `margins` of the mean of gains, a seed each, in the compared unit."""
    return in_units(mean_interval(gains.to_list(), level), settings)


def mean_share(shares: Sequence[float]) -> Value:
    """The mean of shares, one per task, with a 95% interval within 0 and 1.

    The t interval of log(p / (1 - p)), p the mean, with the standard error of p over p (1 - p):
    that of surveys for a share over clusters, such as `svyciprop` of R's package survey. If all are
    0 or 1 it is Wilson's of as many tasks; alike in between they have no spread to tell it from.
    """
    n = len(shares)
    mean = float(np.mean(shares))
    if set(shares) <= {0, 1}:
        return share_of(round(sum(shares)), n)
    if n < 2 or len(set(shares)) == 1:
        return Value(mean, 0.0, 1.0, n)
    error = np.std(shares, ddof=1) / math.sqrt(n) / (mean * (1 - mean))
    half = special.stdtrit(n - 1, (1 + LEVEL) / 2) * error
    low, high = special.expit(special.logit(mean) + np.array([-half, half])).tolist()
    return Value(mean, low, high, n)


def in_units(estimate: Estimate, settings: TaskPlan) -> dict[str, Value]:
    """`gain` and `margins` of a gain in the unit that is compared."""
    several = np.array([estimate.value, estimate.low, estimate.high])
    margins = several / settings.margin
    unit = settings.unit
    if settings.log_unit:
        several = -100 * np.expm1(-several)
        unit = "% of the perplexity"
    elif is_share(settings):
        several = 100 * several
        unit = "points"
    value, low, high = several.tolist()
    in_margins, margins_low, margins_high = margins.tolist()
    return {
        "gain": Value(value, low, high, estimate.n, unit),
        "margins": Value(in_margins, margins_low, margins_high, estimate.n, "margins"),
    }


def smallest(several: Sequence[Value]) -> Value:
    """The smallest of values, its interval from the lowest low to the lowest high."""
    return Value(
        min(each.value for each in several),
        min(each.low for each in several),
        min(each.high for each in several),
        min(each.n for each in several),
        several[0].unit,
    )


def is_share(settings: TaskPlan) -> bool:
    """Whether a task's metric is a share of examples."""
    return settings.predicts in ("classes", "pairs")


def dead_shares(
    health: pd.DataFrame, rule: str = "dead", units: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Run -> the share of its hidden units that are dead by a rule at its last probe.

    units: those of a site by patterns of its name; without them sites count alike.
    """
    sites = health[(health["kind"] == "site") & health["probe"].isin(dead.PROBES)]
    last = sites[sites["step"] == sites.groupby("run_id")["step"].transform("max")]
    if last.empty:
        return {}
    by_site = last.pivot_table(index=["run_id", "name"], columns="probe", values="value")
    share = RULES[errors.check_name(rule, "rule", RULES)]
    shares = [share(*pair) for pair in by_site[list(dead.PROBES)].to_numpy()]
    sizes = [_size(name, units or {"*": 1}) for name in by_site.index.get_level_values("name")]
    table = pd.DataFrame({"share": shares, "size": sizes}, by_site.index).dropna()
    sums = table.assign(dead=table["share"] * table["size"]).groupby("run_id").sum()
    return {str(run): float(share) for run, share in (sums["dead"] / sums["size"]).items()}


def _size(site: str, units: Mapping[str, int]) -> int:
    """The units of a site: those of the first pattern that is of its name."""
    for pattern, n in units.items():
        if fnmatch.fnmatchcase(site, pattern):
            return n
    raise ValueError(
        f"units: got {', '.join(units)}; allowed: patterns of all sites, such as {site}"
    )
