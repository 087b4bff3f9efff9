"""Measurements of activations as functions: values, slopes, ranges, minima, means; in float64."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import optimize

from actstudy.certificate import curve, signal
from actstudy.certificate.measures import MEASURES
from actstudy.certificate.subject import Subject
from actstudy.contract.reading import Reading, exact
from actstudy.guide.functions import Args, derivatives, function, grid, place

REAL = "numbers are real"
FLOAT32 = "numbers are float32"
DTYPES = {REAL: torch.float64, FLOAT32: torch.float32}
ORDERS = ("value", "slope", "curvature")
TINY = 1e-9  # so far from a point are its left and its right


def points(
    activation: str, at: Sequence[float], order: int = 1, args: Args = None
) -> list[Reading]:
    """f and its derivatives at points: value_at_2, slope_at_minus_0_5, curvature_at_1.

    order: of the highest derivative.
    """
    rows = derivatives(function(activation, args), at, order)
    values = {}
    for name, row in zip(ORDERS, rows, strict=False):
        for x, value in zip(at, row, strict=True):
            values[f"{name}_at_{place(x)}"] = exact(value)
    return [Reading(values)]


def slopes(activation: str, reach: float = 40.0, args: Args = None) -> list[Reading]:
    """The largest and smallest slope and where they are, and those of each side of 0."""
    x = grid(reach)
    slope = derivatives(function(activation, args), x, 1)[1]
    largest = int(slope.argmax())
    smallest = int(slope.argmin())
    values = {
        "largest": exact(slope[largest]),
        "largest_at": exact(x[largest]),
        "smallest": exact(slope[smallest]),
        "smallest_at": exact(x[smallest]),
        **_sides(x, slope),
    }
    return [Reading(values)]


def signs(activation: str, reach: float = 30.0, args: Args = None) -> list[Reading]:
    """The largest and smallest value of each side of 0, 0 left out."""
    x = grid(reach)
    return [Reading(_sides(x, derivatives(function(activation, args), x, 0)[0]))]


def _sides(x: np.ndarray, y: np.ndarray) -> dict:
    """Largest and smallest y at x < 0 and at x > 0."""
    values = {}
    for side, mask in (("left", x < 0), ("right", x > 0)):
        values[f"{side}_largest"] = exact(y[mask].max())
        values[f"{side}_smallest"] = exact(y[mask].min())
    return values


def slope_ranges(activations: Sequence[str], reach: float = 30.0) -> list[Reading]:
    """Per activation its smallest and largest slope, and how many slopes it has: gelu_largest.

    0 is left out: a kink has no slope. Slopes within 1e-12 of each other count as one.
    """
    x = grid(reach)
    values = {}
    for name in activations:
        slope = derivatives(function(name), x[x != 0], 1)[1]
        values[f"{name}_smallest"] = exact(slope.min())
        values[f"{name}_largest"] = exact(slope.max())
        values[f"{name}_slopes"] = exact(len(np.unique(slope.round(12))))
    return [Reading(values)]


def curvatures(activations: Sequence[str], at: Sequence[float]) -> list[Reading]:
    """Per activation the smallest and largest |f''| at points: relu_largest, gelu_smallest."""
    values = {}
    for name in activations:
        sizes = np.abs(derivatives(function(name), at, 2)[2])
        values[f"{name}_smallest"] = exact(sizes.min())
        values[f"{name}_largest"] = exact(sizes.max())
    return [Reading(values)]


def jumps(activations: Sequence[str], at: float = 0.0) -> list[Reading]:
    """Per activation how far slope and curvature jump at a point: elu_slope_jump."""
    values = {}
    for name in activations:
        rows = derivatives(function(name), [at - TINY, at + TINY], 2)
        for kind, row in zip(ORDERS[1:], rows[1:], strict=True):
            values[f"{name}_{kind}_jump"] = exact(abs(row[1] - row[0]))
    return [Reading(values)]


def extent(activation: str, args: Args = None) -> list[Reading]:
    """The smallest and largest value for x from -1e4 to 1e4, and where f first has them."""
    subject = function(activation, args)
    y = curve.curve_of(subject).y
    x = curve.curve_of(subject).x
    values = {
        "low": exact(y.min()),
        "high": exact(y.max()),
        "low_at": exact(_nearest(x[y == y.min()])),
        "high_at": exact(_nearest(x[y == y.max()])),
    }
    return [Reading(values)]


def open_range(
    activation: str, low: float = -math.inf, high: float = math.inf, args: Args = None
) -> list[Reading]:
    """The smallest and largest value, and whether f ever is `low` or `high`; 0 and 1 for no, yes.

    Real: in float64 for |x| up to 15, where an end is still further off than a rounding error.
    float32: as torch computes it in float32, for |x| up to 1e4.
    """
    subject = function(activation, args)
    x = {REAL: grid(15.0), FLOAT32: curve.curve_of(subject).x}
    readings = []
    for condition, points_there in x.items():
        y = derivatives(subject, points_there, 0, DTYPES[condition])[0]
        values = {
            "low": exact(y.min()),
            "high": exact(y.max()),
            "reaches_low": exact((y == low).any()),
            "reaches_high": exact((y == high).any()),
            "inside_until": exact(_first_at_an_end(points_there, y, low, high)),
        }
        readings.append(Reading(values, condition))
    return readings


def _first_at_an_end(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """The smallest |x| at which y is low or high; infinite if it never is."""
    return float(np.abs(x)[(y == low) | (y == high)].min(initial=math.inf))


def _nearest(x: np.ndarray) -> float:
    """The x nearest to 0."""
    return float(x[np.abs(x).argmin()])


def centre(activation: str, args: Args = None) -> list[Reading]:
    """Mean and sd of f(z) for z from N(0, 1), by the trapezoid rule, and the mean in sds."""
    moments = signal.moments(function(activation, args)).values
    mean = moments["mean"]
    sd = moments["sd"]
    ratio = mean / sd if sd else math.nan
    return [Reading({"mean": exact(mean), "sd": exact(sd), "mean_in_sds": exact(ratio)})]


def monotone(activations: Sequence[str]) -> list[Reading]:
    """Per activation whether it never turns from -1e4 to 1e4, and how often it does."""
    readings = []
    for name in activations:
        reading = MEASURES["monotone"].run(function(name)).values
        values = {
            "monotone": exact(reading["monotone"]),
            "turns": exact(reading.get("n_turns", 0)),
        }
        readings.append(Reading(values, name))
    return readings


def minimum(activation: str, args: Args = None) -> list[Reading]:
    """The local minimum nearest to 0: `at` and `value`, and how many there are.

    NaN if there is none.
    """
    subject = function(activation, args)
    minima = MEASURES["minima"].run(subject).values
    at = math.nan
    if minima["n"]:
        near = minima["minima"][0][0]
        at = _root_of_slope(subject, near - 2 * curve.STEP, near + 2 * curve.STEP)
    (value,) = derivatives(subject, [at], 0)[0]
    return [Reading({"at": exact(at), "value": exact(value), "minima": exact(minima["n"])})]


def _root_of_slope(subject: Subject, low: float, high: float) -> float:
    """Where the slope is 0 between two points at which its signs differ; the middle if not."""

    def slope(x: float) -> float:
        return float(derivatives(subject, [x], 1)[1][0])

    if slope(low) * slope(high) >= 0:
        return (low + high) / 2
    return float(optimize.brentq(slope, low, high, xtol=1e-14))


def difference(
    first: str,
    second: str,
    inside: float = 1.0,
    outside: float = 1.0,
    shift: float = 0.0,
    reach: float = 40.0,
) -> list[Reading]:
    """The largest |first(x) - (outside * second(inside * x) + shift)| and where it is."""
    x = grid(reach)
    other = outside * derivatives(function(second), inside * x, 0)[0] + shift
    distance = np.abs(derivatives(function(first), x, 0)[0] - other)
    at = abs(float(x[distance.argmax()]))
    return [Reading({"largest": exact(distance.max()), "at_distance": exact(at)})]


def gate(activation: str, at: Sequence[float]) -> list[Reading]:
    """f(x) / x in percent, the share of x that passes: gate_at_1; at 0 it is the slope."""
    y, slope = derivatives(function(activation), at, 1)
    values = {}
    for x, value, slope_there in zip(at, y, slope, strict=True):
        share = value / x if x else slope_there
        values[f"gate_at_{place(x)}"] = exact(100 * share, "%")
    return [Reading(values)]


MEASUREMENTS = {
    "points": points,
    "slopes": slopes,
    "signs": signs,
    "slope_ranges": slope_ranges,
    "curvatures": curvatures,
    "jumps": jumps,
    "extent": extent,
    "open_range": open_range,
    "centre": centre,
    "monotone": monotone,
    "minimum": minimum,
    "difference": difference,
    "gate": gate,
}
