"""The bounds that a claim sets to measured values: the part `holds_if` of a ledger."""

import itertools
import math
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator, model_validator

from actstudy.contract import errors
from actstudy.study.claims import Known, Number

FORMS = (  # the keys of a bound, each alone or both together
    ("equals", "within"),
    ("equals", "within_percent"),
    ("at_least",),
    ("at_most",),
    ("above",),
    ("below",),
    ("between",),
    ("is",),
)
Distance = Annotated[float, Field(strict=True, ge=0)]


class Bound(Known):
    """What a value must be: one of FORMS."""

    equals: Number | None = None
    within: Distance | None = None
    within_percent: Distance | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    above: Number | None = None
    below: Number | None = None
    between: list[Number] | None = None
    is_true: bool | None = None  # `is` in a file

    @model_validator(mode="before")
    @classmethod
    def _check_form(cls, content: Any) -> Any:
        keys = tuple(content) if isinstance(content, dict) else ()
        if not any(sorted(keys) == sorted(form) for form in FORMS):
            forms = " | ".join(" and ".join(form) for form in FORMS)
            names = list(itertools.chain(*FORMS))
            hints = [errors.nearest(key, names) for key in keys if key not in names]
            raise ValueError(f"{''.join(hints)}allowed: {forms}")
        if keys == ("is",):
            if not isinstance(content["is"], bool):
                raise ValueError("allowed: is: true, is: false")
            return {"is_true": content["is"]}
        return content

    @field_validator("between")
    @classmethod
    def _check_order(cls, ends: list[float]) -> list[float]:
        if len(ends) != 2 or ends[0] > ends[1]:
            raise ValueError("allowed: two numbers, the lower one first")
        return ends


class Range(NamedTuple):
    """The values that a bound allows; is_open: its ends are not among them."""

    low: float
    high: float
    is_open: bool = False

    def contains(self, value: float) -> bool:
        """Whether a value is in it; infinity is above every number."""
        if not self.is_open:
            return self.low <= value <= self.high
        above = value > self.low or self.low == -math.inf
        return above and (value < self.high or self.high == math.inf)

    def is_below(self, value: float) -> bool:
        """Whether all of it is below a value."""
        return self.high <= value if self.is_open else self.high < value

    def is_above(self, value: float) -> bool:
        """Whether all of it is above a value."""
        return self.low >= value if self.is_open else self.low > value


def range_of(bound: dict[str, Any]) -> Range:
    """The values that a bound, as its keys and values, allows."""
    if "equals" in bound:
        distance = bound.get("within")
        if distance is None:
            distance = abs(bound["equals"]) * bound["within_percent"] / 100
        return Range(bound["equals"] - distance, bound["equals"] + distance)
    if "between" in bound:
        return Range(*bound["between"])
    if "is_true" in bound:
        return Range(float(bound["is_true"]), float(bound["is_true"]))
    is_open = "above" in bound or "below" in bound
    low = bound.get("at_least", bound.get("above", -math.inf))
    high = bound.get("at_most", bound.get("below", math.inf))
    return Range(low, high, is_open)


def words(bound: dict[str, Any]) -> str:
    """A bound as a reader says it: `0.25 within 1e-06`, `at least 3`, `between 1 and 2`."""
    if "equals" in bound:
        if "within" in bound:
            return f"{bound['equals']:g} within {bound['within']:g}"
        return f"{bound['equals']:g} within {bound['within_percent']:g}%"
    if "between" in bound:
        low, high = bound["between"]
        return f"between {low:g} and {high:g}"
    if "is_true" in bound:
        return "yes" if bound["is_true"] else "no"
    ((key, value),) = bound.items()
    return f"{key.replace('_', ' ')} {value:g}"
