"""The unit and the decimals in which values of a metric and their differences are written."""

import math
from dataclasses import dataclass

from actstudy.contract.plan import TaskPlan

SHARES = ("accuracy", "top5", "macro_f1", "ece")  # metrics that are shares, written in percent


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
        """`+0.32 to +3.60`; `none` if it is unbounded or, as written, has no width."""
        if not math.isfinite(high - low):
            return "none"
        ends = (self.signed(low), self.signed(high))
        return "none" if ends[0] == ends[1] else " to ".join(ends)

    def amount(self, value: float) -> str:
        """A size with its unit: `1 point`."""
        text = f"{self.factor * value:.{self.digits + 1}g}"
        unit = self.unit.removesuffix("s") if text == "1" and self.unit == "points" else self.unit
        return f"{text} {unit}".strip()

    def _rounded(self, value: float) -> float:
        return round(self.factor * value, self.digits) + 0.0  # not -0.0


def of_metric(metric: str) -> Scale:
    """How values of a metric are written: shares in percent."""
    if metric in SHARES:
        return Scale(100, 2, "%")
    if metric == "loss":
        return Scale(1, 3, "nats")
    return Scale(1, 1, "")


def of_differences(settings: TaskPlan) -> Scale:
    """How differences of a task's metric are written: those of shares in points (of 100)."""
    if settings.log_unit:
        return Scale(1, 3, settings.log_unit)
    own = of_metric(settings.metric)
    return Scale(own.factor, own.digits, "points" if own.unit == "%" else own.unit)


def heading(metric: str) -> str:
    """The head of a column with a metric's values: `test accuracy, %`."""
    name = f"test {metric.replace('_', ' ')}"
    unit = of_metric(metric).unit
    return f"{name}, {unit}" if unit else name
