"""Runs that collapse: which ones have, what the others are worth, which risk remains.

The rules are those of docs/statistics.md. Gains are frames of compared values of which larger is
better: a row per seed, a column per (group, level).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special

from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.contract.plan import TaskPlan

HALF_WAY = 0.5  # from chance to the median of a cell: a run below has collapsed
MIN_SPREADS = 4  # the line lies at least so many spreads below the median, beyond ordinary noise
MAD_TO_SD = 1.4826  # of normal values
RISK_LEVEL = 0.95  # one-sided confidence of the largest risk that is not excluded


@dataclass(frozen=True)
class Gains:
    """What is compared of one task, and which of its runs collapsed.

    every: all gains; typical: those that count, else missing; collapsed, diverged: bool. All four
    have the same shape. Per cell, chance: the gain of a model that knows nothing; trains: whether
    its runs typically learn something.
    """

    every: pd.DataFrame
    typical: pd.DataFrame
    collapsed: pd.DataFrame
    diverged: pd.DataFrame
    chance: pd.Series
    trains: pd.Series


def gains(task: TaskValues, settings: TaskPlan) -> Gains:
    """The gains of a task.

    A cell trains if its median is more than two margins better than chance. A run of it collapsed
    if it diverged or if its gain is below half way from chance to that median; it is not typical.
    If that line is within MIN_SPREADS spreads (by the median absolute deviation) of the median,
    noise alone reaches it, and no run but a diverged one collapsed. A cell that does not train has
    nothing to collapse from: chance level is what is typical of it.
    """
    every = settings.sign * task.values
    chance = settings.sign * task.chance
    medians = every.median()
    trains = medians - chance > 2 * settings.margin
    spreads = MAD_TO_SD * (every - medians).abs().median()
    lines = chance + HALF_WAY * (medians - chance)
    lines = lines.where(trains & (lines < medians - MIN_SPREADS * spreads))
    collapsed = task.diverged | every.lt(lines, axis=1)
    typical = every.mask(collapsed & trains)
    return Gains(every, typical, collapsed, task.diverged, chance, trains)


def largest_risk(events: int, n: int, level: float = RISK_LEVEL) -> float:
    """The largest risk that `events` in n runs do not exclude: the exact one-sided upper limit.

    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404. 1 without any run.
    """
    if events >= n:
        return 1.0
    return float(special.betaincinv(events + 1, n - events, level))


def largest_risk_at_any_n(events: int, n: int, level: float = RISK_LEVEL) -> float:
    """The largest risk that `events` in n runs do not exclude, at every n at once.

    It excludes a risk r if the mean odds of the runs over all risks against r, which are on average
    1 if r is true, reach 1 / (1 - level): B(k + 1, n - k + 1) / (r^k (1 - r)^(n - k)), k events
    (Robbins 1970, doi:10.1214/aoms/1177696786). 1 without any run.
    """
    if events >= n:
        return 1.0
    calm = n - events

    def excess(risk: float) -> float:
        likelihood = special.xlogy(events, risk) + special.xlog1py(calm, -risk)
        return float(special.betaln(events + 1, calm + 1) - likelihood + np.log1p(-level))

    highest = 1 - 1e-15
    if excess(highest) < 0:
        return 1.0
    return float(optimize.brentq(excess, events / n, highest))


def is_better_at_any_risk(smallest: float, risk: float, loss: float) -> bool:
    """Whether the better of two levels is better on average, however often it may collapse.

    smallest: the least by which its typical runs are better; risk: the largest of its collapse that
    is not excluded; loss: by how much the other level's typical run is better than a collapsed
    run of it, which is at chance.
    """
    return (1 - risk) * smallest > risk * max(loss, 0.0)
