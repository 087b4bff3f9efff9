"""The unit and the decimals in which values of a metric and their differences are written."""

import dataclasses
import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from actstudy.analysis.markdown import metric_name
from actstudy.contract.plan import TaskPlan

SHARES = (  # metrics that are shares, written in percent
    "accuracy",
    "top5",
    "macro_f1",
    "ece",
    "recall_at_1",
    "recall_at_5",
    "recall_at_1_back",
    "recall_at_5_back",
    "knn_accuracy",
    "clamped",
)
UNITLESS = ("r2", "alignment", "uniformity")  # written with three decimals
# of a loss, by what a task predicts
LOSS_UNITS = {"classes": "nats", "tokens": "nats", "values": "", "pairs": "nats"}
MAX_POINTS = 100  # no two shares lie farther apart
NOT_ABOVE = "not above its noise"  # a standard deviation of which chance explains all
MAX_DIGITS = 8  # decimals of an interval; ends that agree up to there are the same
CERTAIN_DIGITS = 12  # significant ones of a computed number, of which the last bits are chance
MAX_ROUNDED = 1e12  # larger numbers have no decimals to lose


@dataclass(frozen=True)
class Scale:
    """Numbers times `factor`, with `digits` decimals, in `unit`."""

    factor: float
    digits: int
    unit: str

    def number(self, value: float) -> str:
        """`67.53`; `none` if it is missing."""
        if math.isnan(value):
            return "none"
        return f"{self._rounded(value):.{self.digits}f}"

    def spread(self, mean: float, sd: float) -> str:
        """`67.53 (1.50)`; without the sd if it is missing (one seed)."""
        if math.isnan(mean) or math.isnan(sd):
            return self.number(mean)
        return f"{self.number(mean)} ({self.number(sd)})"

    def signed(self, value: float) -> str:
        """`+1.20`; `0.00` without a sign, `none` if it is missing."""
        if math.isnan(value):
            return "none"
        rounded = self._rounded(value)
        return f"{rounded:+.{self.digits}f}" if rounded else f"{0:.{self.digits}f}"

    def interval(self, low: float, high: float) -> str:
        """`+0.32 to +3.60`, with more decimals if the ends need them; `none` without a width."""
        if not math.isfinite(high - low):
            return "none"
        for digits in range(self.digits, MAX_DIGITS + 1):
            finer = dataclasses.replace(self, digits=digits)
            ends = (finer.signed(low), finer.signed(high))
            if ends[0] != ends[1]:
                return " to ".join(ends)
        return "none"

    def bounded(self, low: float, high: float) -> str:
        """As `interval`, with an end that no two shares can be apart as `over 100`."""
        text = self.interval(low, high)
        if self.unit != "points" or text == "none":
            return text
        lowest, highest = text.split(" to ")
        if self.factor * low < -MAX_POINTS:
            lowest = f"below -{MAX_POINTS}"
        if self.factor * high > MAX_POINTS:
            highest = f"over {MAX_POINTS}"
        return f"{lowest} to {highest}"

    def with_interval(self, value: float, low: float, high: float) -> str:
        """`0.35 (0.21 to 0.51)`; without an interval if it has no end."""
        text = self.number(value)
        ends = self.bounded(low, high).replace("+", "")
        return text if ends == "none" else f"{text} ({ends})"

    def deviation(self, value: float, low: float, high: float) -> str:
        """A standard deviation with its interval; of an estimate that was cut at 0 the limit."""
        if value > 0 or high <= 0:
            return self.with_interval(value, low, high)
        if self.unit == "points" and self.factor * high > MAX_POINTS:
            return f"{NOT_ABOVE} (the limit is over {MAX_POINTS})"
        return f"{NOT_ABOVE} (at most {self.number(high)})"

    def amount(self, value: float) -> str:
        """A size with its unit: `1 point`."""
        size = self.factor * value
        precision = max(self.digits + 1, len(f"{size:.0f}"))  # all digits before the point
        text = np.format_float_positional(size, precision, fractional=False, trim="-")
        unit = self.unit.removesuffix("s") if text == "1" and self.unit == "points" else self.unit
        return f"{text} {unit}".strip()

    def _rounded(self, value: float) -> float:
        return rounded(self.factor * value, self.digits)


def rounded(value: float, digits: int) -> float:
    """A number with `digits` decimals, halves away from 0; never -0.0.

    It is rounded as the decimal number of CERTAIN_DIGITS digits that a reader sees, so that 0.74325
    and 100 times it, as Python's number or NumPy's, end alike. The pages' scripts do the same.
    """
    if not math.isfinite(value) or abs(value) >= MAX_ROUNDED:
        return float(value)
    seen = Decimal(f"{value:.{CERTAIN_DIGITS}g}")
    return float(seen.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)) + 0.0


class Significant(Scale):
    """Numbers with `digits` significant digits, for values in any unit: `0.01234`, `51230`."""

    def number(self, value: float) -> str:
        if not math.isfinite(value):
            return "none"
        size = float(f"{self.factor * value:.{self.digits}g}")
        return np.format_float_positional(size, trim="-")


def of_metric(metric: str, predicts: str = "classes") -> Scale:
    """How values of a metric are written: shares in percent; predicts: as of a task."""
    if metric in SHARES:
        return Scale(100, 2, "%")
    if metric == "loss":
        return Scale(1, 3, LOSS_UNITS[predicts])
    if metric in UNITLESS:
        return Scale(1, 3, "")
    if metric == "rmse":
        return Significant(1, 4, "")
    return Scale(1, 1, "")


def of_differences(settings: TaskPlan) -> Scale:
    """How differences of a task's metric are written: those of shares in points (of 100)."""
    if settings.log_unit:
        return Scale(1, 3, settings.log_unit)
    own = of_metric(settings.metric, settings.predicts)
    if settings.metric == "r2":
        return Scale(own.factor, own.digits, metric_name("r2"))
    return Scale(own.factor, own.digits, "points" if own.unit == "%" else own.unit)


def heading(metric: str, predicts: str = "classes") -> str:
    """The head of a column with a metric's values: `test accuracy, %`; predicts: as of a task."""
    name = f"test {metric_name(metric)}"
    unit = of_metric(metric, predicts).unit
    return f"{name}, {unit}" if unit else name
