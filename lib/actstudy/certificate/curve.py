"""Measures of an activation as a curve: range, slopes, minima, ends, flat parts; in evaluation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.subject import LIMIT, Subject, call

EVEN_UNTIL = 20.0  # the grid is even up to here
STEP = 1e-3  # of the grid, up to EVEN_UNTIL
N_INNER = 100  # parts of the steepest cell, of which the steepest is taken
N_CLOSER = 3  # times
JUMP = 50.0  # growth of the slope at the last time: by N_INNER at a jump
CUSP = 3.0  # by 10 where the slope is that of a root, by 1 where it has a bound
ROUNDING = 1e-12  # differences of values of size 1 below it are no change
SETTLED = 0.01  # of its largest distance on that side: so near is an end that saturates


@dataclass(frozen=True, eq=False)
class Curve:
    """y = f(x) in float64 on a grid from -1e4 to 1e4, and the slopes between its points."""

    x: np.ndarray
    y: np.ndarray
    slopes: np.ndarray

    def is_flat(self) -> np.ndarray:
        """Whether y is the same at both ends of a cell."""
        return np.diff(self.y) == 0

    def changes(self) -> np.ndarray:
        """+1 where a cell rises, -1 where it falls, 0 where it does neither."""
        steps = np.diff(self.y)
        size = np.abs(self.y)
        scale = 1 + np.maximum(size[1:], size[:-1])
        return np.where(np.abs(steps) <= ROUNDING * scale, 0, np.sign(steps))


def values_of(subject: Subject, x: np.ndarray) -> np.ndarray:
    """f(x) in float64; NotMeasured if it is not a function of one number."""
    if not subject.elementwise:
        raise NotMeasured("an output depends on more than its own input, so it is no curve")
    with torch.no_grad():
        y = call(subject.fresh(torch.float64).eval(), torch.from_numpy(np.ascontiguousarray(x)))
    return y.numpy()


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


def at_zero(subject: Subject) -> Reading:
    """The value at 0, and whether that is 0."""
    (y,) = values_of(subject, np.zeros(1))
    return Reading(f"f(0) = {y:.6g}", {"value": float(y), "is_zero": bool(y == 0)})


def extent(subject: Subject) -> Reading:
    """The smallest and the largest value."""
    curve = curve_of(subject)
    low, high = curve.y.min(), curve.y.max()
    text = f"{low:.6g} to {high:.6g} for x from -1e4 to 1e4"
    return Reading(text, {"low": float(low), "high": float(high)})


def monotone(subject: Subject) -> Reading:
    """Whether it never falls, never rises, or where it turns."""
    curve = curve_of(subject)
    changes = curve.changes()
    turns = [curve.x[place] for place in _turns(changes, first=-1)]
    turns += [curve.x[place] for place in _turns(changes, first=1)]
    if not turns:
        falls = (changes < 0).any()
        text = "never rises" if falls else "never falls"
        return Reading(text, {"monotone": True, "direction": "falling" if falls else "rising"})
    turns.sort(key=abs)
    text = f"no: turns at x = {_few(turns)}"
    return Reading(text, {"monotone": False, "n_turns": len(turns), "turns": turns[:10]})


def minima(subject: Subject) -> Reading:
    """The places and values of its local minima."""
    curve = curve_of(subject)
    lowest = sorted(_turns(curve.changes(), first=-1), key=lambda place: abs(curve.x[place]))
    pairs = [(float(curve.x[place]), float(curve.y[place])) for place in lowest]
    if not pairs:
        return Reading("none", {"n": 0, "minima": []})
    text = ", ".join(f"f({x:.3f}) = {y:.6g}" for x, y in pairs[:3])
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return Reading(text + more, {"n": len(pairs), "minima": pairs[:10]})


def _turns(changes: np.ndarray, first: int) -> Iterator[int]:
    """Index of the middle point between a run of cells that change by `first` and the next."""
    moving = np.flatnonzero(changes)
    signs = changes[moving]
    for index in np.flatnonzero((signs[:-1] == first) & (signs[1:] == -first)):
        yield int(moving[index] + 1 + moving[index + 1]) // 2


def lipschitz(subject: Subject) -> Reading:
    """The largest slope between points, looked for ever closer, or where it has no bound."""
    curve = curve_of(subject)
    sizes = np.abs(curve.slopes)
    cell = int(sizes.argmax())
    steepest = [float(sizes[cell])]
    low, high = curve.x[cell : cell + 2]
    for _ in range(N_CLOSER):
        inner = np.linspace(low, high, N_INNER + 1)
        slopes = np.abs(np.diff(values_of(subject, inner)) / np.diff(inner))
        place = int(slopes.argmax())
        steepest.append(float(slopes[place]))
        low, high = inner[place : place + 2]
    near = round(float(low), 6) + 0.0  # no -0
    growth = steepest[-1] / steepest[-2] if steepest[-2] else 1.0
    values: dict[str, float | None] = {"constant": None, "steepest_near": near}
    if growth > JUMP:
        return Reading(f"none: it jumps near x = {near:.4g}", values)
    if growth > CUSP:
        return Reading(f"none: its slope has no bound near x = {near:.4g}", values)
    values["constant"] = max(steepest)
    is_growing = sizes[cell] > 1.01 * sizes[np.abs(curve.x[1:]) < LIMIT / 10].max()
    note = ", still growing there" if is_growing else ""
    text = f"{max(steepest):.5g}, steepest near x = {near:.4g}{note}"
    return Reading(text, values)


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
        text = f"saturates at {y[2] + 0.0:.4g}, within 1% of its way from x = {begins:.4g}"
        return Reading(text, {"limit": float(y[2]), "within_1_percent_from": begins})
    ratio = slopes[1] / slopes[0] if slopes[0] else math.inf
    if abs(ratio - 1) > 0.2:
        growth = "faster" if abs(ratio) > 1 else "slower"
        return Reading(f"{growth} than a line", {"slope": float(slopes[1])})
    return Reading(f"slope {slopes[1]:.4g}", {"slope": float(slopes[1])})


def dead_zone(subject: Subject) -> Reading:
    """Where it is flat, so that no gradient passes, and the share of N(0, 1) there."""
    curve = curve_of(subject)
    flat = curve.is_flat()
    cumulative = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in curve.x])
    share = float(np.diff(cumulative)[flat].sum())
    if share < 1e-6:
        return Reading("none that N(0, 1) reaches", {"share_of_normal": share, "zones": []})
    zones = list(_zones(curve.x, flat))
    text = ", ".join(f"[{low:.4g}, {high:.4g}]" for low, high in zones[:3])
    values = {"share_of_normal": share, "zones": zones[:10]}
    return Reading(f"x in {text}: {share:.2%} of N(0, 1)", values)


def _zones(x: np.ndarray, flat: np.ndarray) -> Iterator[tuple[float, float]]:
    """First and last x of each run of flat cells."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [0]])))
    for start, end in edges.reshape(-1, 2):
        yield float(x[start]), float(x[end])


def _few(values: list[float]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(f"{value:.3f}" for value in values[:3]) + more
