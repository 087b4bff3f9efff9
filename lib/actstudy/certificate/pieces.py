"""Where a curve's derivatives jump, and so how smooth it is; in float64, in evaluation."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.subject import Subject, seeded

MAX_ORDER = 3  # of the derivatives that are looked at
REACH = 20.0
STEP = 1e-3
N_INNER = 101  # parts of a cell, of which that with the largest change is taken; odd, as below
N_CLOSER = 5  # times: to a width of 1e-13
MAX_PLACES = 64  # candidates that are looked at, the largest changes first
LEAST = 1e-6  # of the derivative's size: a smaller jump is not counted
NEIGHBOURS = 4.0  # times the change two cells away: what may be a jump
WORDS = ("it jumps", "its slope jumps", "its curvature jumps", "its third derivative jumps")


def derivative(subject: Subject, x: np.ndarray, order: int) -> np.ndarray:
    """The derivative of an order at x as autograd gives it; NotMeasured if it gives none."""
    if not subject.elementwise:
        raise NotMeasured("an output depends on more than its own input, so it is no curve")
    leaf = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
    with seeded():
        y = subject.fresh(torch.float64).eval()(leaf.clone())
    for step in range(order):
        y = _slope(y, leaf, step + 1)
    return y.detach().numpy()


def _slope(y: Tensor, leaf: Tensor, order: int) -> Tensor:
    """The derivative of y by leaf, zero where y does not depend on it."""
    if not y.requires_grad:
        return torch.zeros_like(leaf)
    try:
        (slope,) = torch.autograd.grad(y.sum(), leaf, create_graph=True, allow_unused=True)
    except Exception:  # of torch, or of someone's own backward: it was not written for this order
        raise NotMeasured(f"autograd has no derivative of order {order}") from None
    return torch.zeros_like(leaf) if slope is None else slope


@cache
def jumps(subject: Subject, order: int) -> tuple[float, ...]:
    """Where the derivative of an order jumps, from -20 to 20, in order.

    Round numbers, at which pieces meet, are no points of the grid: what autograd gives just there
    is a convention.
    """
    n = round(REACH / STEP)
    x = (np.arange(-n, n) + 0.5) * STEP
    values = derivative(subject, x, order)
    changes = np.abs(np.diff(values))
    smallest = LEAST * (1 + np.abs(values[np.isfinite(values)]).max(initial=0))
    beside = np.maximum(np.roll(changes, 2), np.roll(changes, -2))
    is_candidate = (changes > smallest) & ~(changes <= NEIGHBOURS * beside)
    cells = np.flatnonzero(is_candidate)
    cells = cells[np.argsort(-changes[cells], kind="stable")][:MAX_PLACES]
    places = {_place(subject, order, x[cell], x[cell + 1], changes[cell]) for cell in cells}
    return tuple(sorted(place for place in places if place is not None))


def _place(subject: Subject, order: int, low: float, high: float, change: float) -> float | None:
    """Where a derivative jumps between two places; None if it changes bit by bit."""
    for _ in range(N_CLOSER):
        x = np.linspace(low, high, N_INNER + 1)
        inner = np.abs(np.diff(derivative(subject, x, order)))
        cell = int(inner.argmax())
        low, high = x[cell : cell + 2]
    if inner[cell] < change / 2:
        return None
    return round(float(low + high) / 2, 9) + 0.0  # no -0


def all_jumps(subject: Subject) -> np.ndarray:
    """Where the curve, its slope or its curvature jumps: integrals begin anew there."""
    places = set[float]()
    for order in range(MAX_ORDER):
        try:
            places.update(jumps(subject, order))
        except NotMeasured:
            break
    return np.array(sorted(places))


def smoothness(subject: Subject) -> Reading:
    """How often it can be differentiated everywhere, and where no more."""
    for order in range(MAX_ORDER + 1):
        try:
            places = jumps(subject, order)
        except NotMeasured as reason:
            if order < 2:
                raise
            text = f"C{order - 2} or smoother: {reason}"
            return Reading(text, {"order": None, "at_least": order - 2, "places": []})
        if places:
            where = ", ".join(f"{place:g}" for place in places[:4])
            more = f" and {len(places) - 4} more" if len(places) > 4 else ""
            values = {"order": order - 1, "at_least": order - 1, "places": list(places[:10])}
            kind = f"C{order - 1}: " if order else ""
            return Reading(f"{kind}{WORDS[order]} at x = {where}{more}", values)
    text = f"smooth: no derivative up to order {MAX_ORDER} jumps"
    return Reading(text, {"order": None, "at_least": MAX_ORDER, "places": []})
