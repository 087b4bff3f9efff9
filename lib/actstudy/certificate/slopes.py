"""An activation's slopes: its Lipschitz constant, and the range of its gradient."""

import numpy as np

from actstudy.certificate.curve import curve_of, infimum, supremum, values_of
from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.pieces import derivative
from actstudy.certificate.subject import LIMIT, Subject

N_INNER = 100  # parts of the steepest cell, of which the steepest is taken
N_CLOSER = 3  # times: cells of 1e-5, 1e-7 and 1e-9
JUMP = 50.0  # growth of the slope at the last time: by N_INNER at a jump
CUSP = 3.0  # by 10 where the slope is that of a root, by 1 where it has a bound


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
    if sizes[cell] > 1.01 * sizes[np.abs(curve.x[1:]) < LIMIT / 10].max():
        text = f"none: its slope is {steepest[0]:.4g} at x = {near:.4g} and still grows"
        return Reading(text, values)
    values["constant"] = max(steepest[:N_CLOSER])  # the last differences are of rounding, too
    return Reading(f"{values['constant']:.6g}, steepest near x = {near:.4g}", values)


def gradient(subject: Subject) -> Reading:
    """The infimum and the supremum of the gradient that autograd gives, and where they are."""
    curve = curve_of(subject)
    slopes = derivative(subject, curve.x, 1)
    if not np.isfinite(slopes).all():
        raise NotMeasured("the gradient is not finite everywhere from -1e4 to 1e4")
    low, low_at = infimum(lambda x: derivative(subject, x, 1), curve.x, slopes)
    high, high_at = supremum(lambda x: derivative(subject, x, 1), curve.x, slopes)
    values = {"low": low, "high": high, "low_at": low_at, "high_at": high_at}
    return Reading(f"{low:.6g} to {high:.6g}", values)
