"""Where an activation's curve turns: is it monotone, and where are its minima?"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from actstudy.certificate.curve import curve_of, lowest, values_of
from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import Subject


@cache
def _turns(subject: Subject, sign: int) -> tuple[tuple[float, float], ...]:
    """Places and values of the local minima of sign * f, the nearest to 0 first."""
    curve = curve_of(subject)
    turns = []
    for low, high in _brackets(sign * curve.changes()):
        ends = (curve.x[low], curve.x[high])
        place, value = lowest(lambda x: sign * values_of(subject, x), *ends)
        turns.append((place + 0.0, sign * value + 0.0))  # no -0
    return tuple(sorted(turns, key=lambda turn: abs(turn[0])))


def _brackets(changes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Index of the points around each run of cells between one that falls and one that rises."""
    moving = np.flatnonzero(changes)
    signs = changes[moving]
    for index in np.flatnonzero((signs[:-1] < 0) & (signs[1:] > 0)):
        yield int(moving[index]), int(moving[index + 1]) + 1


def monotone(subject: Subject) -> Reading:
    """Whether it never falls, never rises, or where it turns."""
    turns = [place for place, _ in (*_turns(subject, 1), *_turns(subject, -1))]
    if not turns:
        falls = (curve_of(subject).changes() < 0).any()
        text = "never rises" if falls else "never falls"
        return Reading(text, {"monotone": True, "direction": "falling" if falls else "rising"})
    turns.sort(key=abs)
    text = f"no: turns at x = {_few(turns)}"
    return Reading(text, {"monotone": False, "n_turns": len(turns), "turns": turns[:10]})


def minima(subject: Subject) -> Reading:
    """The places and values of its local minima."""
    pairs = _turns(subject, 1)
    if not pairs:
        return Reading("none", {"n": 0, "minima": []})
    text = ", ".join(f"f({x:.6g}) = {y:.6g}" for x, y in pairs[:3])
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return Reading(text + more, {"n": len(pairs), "minima": list(pairs[:10])})


def _few(values: list[float]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(f"{value:.6g}" for value in values[:3]) + more
