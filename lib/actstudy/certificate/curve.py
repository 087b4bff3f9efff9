"""An activation as a curve in float64: its values, range and ends; in evaluation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.pieces import derivative
from actstudy.certificate.subject import LIMIT, Subject

EVEN_UNTIL = 20.0  # the grid is even up to here
STEP = 1e-3  # of the grid, up to EVEN_UNTIL
FAR = np.geomspace(1e5, 1e15, 11)  # beyond the grid: where a curve without bound shows
SETTLED = 0.01  # of its largest distance on that side: so near is an end that saturates
PLACES = 9  # decimals of a place, if the function is no higher there
DIGITS = 12  # of what a curve comes near to far out
ROUNDING = 1e-12  # differences of values of size 1 below it are no change
N_INNER = 200  # parts of a bracket, of which the two beside the lowest value are taken
N_CLOSER = 4  # times
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Curve:
    """y = f(x) in float64 on a grid from -1e4 to 1e4, and the slopes between its points."""

    x: np.ndarray
    y: np.ndarray
    slopes: np.ndarray

    def changes(self) -> np.ndarray:
        """+1 where a cell rises, -1 where it falls, 0 where it does neither."""
        steps = np.diff(self.y)
        size = np.abs(self.y)
        scale = 1 + np.maximum(size[1:], size[:-1])
        return np.where(np.abs(steps) <= ROUNDING * scale, 0, np.sign(steps))


def values_of(subject: Subject, x: np.ndarray) -> np.ndarray:
    """f(x) in float64; NotMeasured if it is not a function of one number."""
    return derivative(subject, x, 0)


@cache
def curve_of(subject: Subject) -> Curve:
    """The curve of a subject; NotMeasured if it has values that are not finite."""
    near = np.arange(-round(EVEN_UNTIL / STEP), round(EVEN_UNTIL / STEP) + 1) * STEP
    far = np.geomspace(EVEN_UNTIL, LIMIT, 2001)[1:]
    x = np.concatenate([-far[::-1], near, far])
    y = values_of(subject, x)
    if not np.isfinite(y).all():
        raise NotMeasured("not finite everywhere from -1e4 to 1e4")
    return Curve(x, y, np.diff(y) / np.diff(x))


def lowest(function: Function, low: float, high: float) -> tuple[float, float]:
    """Where a function is lowest between two places with one minimum between them; its value."""
    for _ in range(N_CLOSER):
        x = np.linspace(low, high, N_INNER + 1)
        y = function(x)
        place = int(y.argmin())
        low, high = x[max(place - 1, 0)], x[min(place + 1, N_INNER)]
    where = float(x[place])
    least = float(y[place])
    rounded = round(where, PLACES) + 0.0  # no -0
    at_rounded = float(function(np.array([rounded]))[0])
    return (rounded, at_rounded) if at_rounded <= least else (where, least)


def infimum(function: Function, x: np.ndarray, y: np.ndarray) -> tuple[float, float | None]:
    """The infimum of a function with values y on a grid x, and where it is.

    No place if it is reached far out only, -inf if the function falls without end.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sides = [function(FAR), function(-FAR)]
    for far in sides:
        if far[-1] < 1.5 * min(y.min(), -1e-9) and far[-1] < far[-2] - 0.01 * abs(far[-2]):
            return -math.inf, None
    place = int(y.argmin())
    low, high = x[max(place - 1, 0)], x[min(place + 1, len(x) - 1)]
    where, least = min(
        lowest(function, low, high), (float(x[place]), float(y[place])), key=lambda pair: pair[1]
    )
    farthest = min(float(np.nanmin(far)) for far in sides)
    if farthest <= least:
        return round(farthest, DIGITS) + 0.0, None
    return least + 0.0, where


def supremum(function: Function, x: np.ndarray, y: np.ndarray) -> tuple[float, float | None]:
    """The supremum of a function with values y on a grid x, and where it is, as `infimum`."""
    least, where = infimum(lambda points: -function(points), x, -y)
    return -least + 0.0, where


def at_zero(subject: Subject) -> Reading:
    """The value at 0, and whether that is 0."""
    (y,) = values_of(subject, np.zeros(1))
    return Reading(f"f(0) = {y:.6g}", {"value": float(y), "is_zero": bool(y == 0)})


def extent(subject: Subject) -> Reading:
    """The infimum and the supremum of its values, infinite if they have no bound."""
    curve = curve_of(subject)
    low, low_at = infimum(lambda x: values_of(subject, x), curve.x, curve.y)
    high, high_at = supremum(lambda x: values_of(subject, x), curve.x, curve.y)
    values = {"low": low, "high": high, "low_at": low_at, "high_at": high_at}
    return Reading(f"{low:.6g} to {high:.6g}", values)


def ends(subject: Subject) -> Reading:
    """What happens to the far left and right: it saturates, or goes on with a slope."""
    low, high = (_end(subject, sign) for sign in (-1.0, 1.0))
    values = {"left": low.values, "right": high.values}
    return Reading(f"left: {low.text}; right: {high.text}", values)


def _end(subject: Subject, sign: float) -> Reading:
    curve = curve_of(subject)
    distances = np.array([100.0, 1000.0, LIMIT])
    y = values_of(subject, sign * distances)
    slopes = np.diff(y) / np.diff(sign * distances)
    if abs(y[2] - y[1]) <= 1e-3 * (1 + abs(y[2])) and abs(slopes[1]) < 1e-6:
        distance = np.where(np.sign(curve.x) == sign, np.abs(curve.y - y[2]), 0)
        away = distance > SETTLED * distance.max()
        begins = sign * float(np.abs(curve.x[away]).max()) if away.any() else 0.0
        limit = round(float(values_of(subject, sign * FAR)[-1]), DIGITS) + 0.0  # no -0
        text = f"saturates at {limit:.6g}, within 1% of its way from x = {begins:.4g}"
        return Reading(text, {"limit": limit, "within_1_percent_from": begins})
    ratio = slopes[1] / slopes[0] if slopes[0] else math.inf
    if abs(ratio - 1) > 0.2:
        growth = "faster" if abs(ratio) > 1 else "slower"
        text = f"{growth} than a line"
        return Reading(text, {"slope": float(slopes[1]), "growth": text})
    return Reading(f"slope {slopes[1]:.4g}", {"slope": float(slopes[1])})
