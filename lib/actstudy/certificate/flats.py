"""Where an activation is flat, so that no gradient passes, and where it is zero."""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from actstudy.certificate.curve import STEP, Curve, curve_of, lowest, values_of
from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import LIMIT, Subject
from actstudy.certificate.turns import minima

N_HALVINGS = 60  # of the cell in which a flat part ends
CELLS_BESIDE = 10
BESIDE = CELLS_BESIDE * STEP  # so far from a flat part
LEAST = 1e-12  # the value is another by this much, or rounding alone has made it flat
ZERO = 1e-12


class Flat(NamedTuple):
    """A part without slope, up to +-inf if it goes on to the end of the grid, and its value."""

    low: float
    high: float
    value: float

    def share(self) -> float:
        """The probability that N(0, 1) falls into it."""
        low, high = (0.5 * math.erfc(-end / math.sqrt(2)) for end in (self.low, self.high))
        return high - low


@cache
def flats(subject: Subject) -> tuple[Flat, ...]:
    """The flat parts of a curve, those left out which only rounding has made flat."""
    curve = curve_of(subject)
    parts = []
    for start, stop in _runs(_is_flat(curve)):
        value = float(curve.y[start])
        low = _end(subject, curve, start, -1)
        high = _end(subject, curve, stop, 1)
        beside = values_of(subject, np.array([low - BESIDE, high + BESIDE]))
        is_other = np.abs(beside - value) > LEAST * (1 + abs(value))
        reaches_end = [math.isinf(low), math.isinf(high)]
        if all(is_other | reaches_end):
            parts.append(Flat(low, high, value + 0.0))  # no -0
    return tuple(parts)


def _is_flat(curve: Curve) -> np.ndarray:
    """Whether a cell has no slope, and is part of a run near which the curve is another value.

    A constant is flat everywhere.
    """
    is_flat = np.diff(curve.y) == 0
    if is_flat.all():
        return is_flat
    for start, stop in _runs(is_flat):
        beside = curve.y[[max(start - CELLS_BESIDE, 0), min(stop + CELLS_BESIDE, len(curve.y) - 1)]]
        if (np.abs(beside - curve.y[start]) <= LEAST * (1 + abs(curve.y[start]))).all():
            is_flat[start:stop] = False
    return is_flat


def _runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Index of the first and of the last point of each run of cells."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    for start, stop in edges.reshape(-1, 2):
        yield int(start), int(stop)


def _end(subject: Subject, curve: Curve, index: int, sign: int) -> float:
    """Where the flat part that has a point of the grid at its end really ends."""
    if not 0 < index < len(curve.x) - 1:
        return sign * math.inf
    inside = curve.x[index]
    outside = curve.x[index + sign]
    for _ in range(N_HALVINGS):
        middle = (inside + outside) / 2
        if values_of(subject, np.array([middle]))[0] == curve.y[index]:
            inside = middle
        else:
            outside = middle
    return round(float(inside), 9) + 0.0


def dead_zone(subject: Subject) -> Reading:
    """Where it is flat, so that no gradient passes, and the share of N(0, 1) there."""
    zones = flats(subject)
    share = sum(zone.share() for zone in zones)
    values = {"share_of_normal": share, "zones": [(zone.low, zone.high) for zone in zones[:10]]}
    if share < 1e-6:
        return Reading("none that N(0, 1) reaches", values)
    text = ", ".join(f"[{zone.low:.4g}, {zone.high:.4g}]" for zone in zones[:3])
    return Reading(f"x in {text}: {share:.2%} of N(0, 1)", values)


def zeros(subject: Subject) -> Reading:
    """Where it is 0, and the share of N(0, 1) that becomes 0: its sparsity."""
    zones = [zone for zone in flats(subject) if zone.value == 0]
    points = [x for x in _points(subject) if not _is_inside(x, zones)]
    share = sum(zone.share() for zone in zones)
    words = [_zone_in_words(zone) for zone in zones] + [f"x = {x:.6g}" for x in points[:4]]
    text = ", ".join(words) or "none"
    if len(points) > 4:
        text += f" and {len(points) - 4} more"
    values = {
        "n": len(points),
        "points": points[:10],
        "zones": [(zone.low, zone.high) for zone in zones],
        "share_of_normal": share,
    }
    if share > LEAST:
        text += f"; {share:.2%} of N(0, 1) become 0"
    return Reading(text, values)


def _is_inside(x: float, zones: list[Flat]) -> bool:
    return any(zone.low <= x <= zone.high for zone in zones)


def _points(subject: Subject) -> list[float]:
    """Single places where it is 0: it changes its sign there, or turns."""
    curve = curve_of(subject)
    is_zero = curve.y == 0
    is_alone = is_zero & ~np.roll(is_zero, 1) & ~np.roll(is_zero, -1)
    places = [float(x) for x in curve.x[is_alone]]
    for cell in np.flatnonzero(curve.y[:-1] * curve.y[1:] < 0):
        ends = (curve.x[cell], curve.x[cell + 1])
        place, distance = lowest(lambda x: np.abs(values_of(subject, x)), *ends)
        if distance < 1e-6:  # else it jumps over 0
            places.append(place)
    places += [x for x, y in minima(subject).values["minima"] if abs(y) < ZERO]
    return sorted({round(place, 9) + 0.0 for place in places}, key=abs)


def _zone_in_words(zone: Flat) -> str:
    if zone.low < -LIMIT:
        return f"x up to {zone.high:g}"
    if zone.high > LIMIT:
        return f"x from {zone.low:g} on"
    return f"x from {zone.low:g} to {zone.high:g}"
