"""The measures of a certificate's data sheet, in their order: the table MEASURES."""

from collections.abc import Callable
from typing import NamedTuple

from actstudy.certificate import (
    between,
    cost,
    curve,
    facts,
    flats,
    halves,
    kernels,
    pieces,
    signal,
    slopes,
    turns,
)
from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import Subject


class Measure(NamedTuple):
    """A measure: its title, and the function that reads it; NotMeasured if it cannot be."""

    title: str
    run: Callable[[Subject], Reading]


DEPTH = "depth"
MEASURES: dict[str, Measure] = {
    "zero": Measure("at 0", curve.at_zero),
    "range": Measure("range", curve.extent),
    "monotone": Measure("monotone", turns.monotone),
    "minima": Measure("minima", turns.minima),
    "zeros": Measure("zeros", flats.zeros),
    "smoothness": Measure("smoothness", pieces.smoothness),
    "lipschitz": Measure("Lipschitz constant", slopes.lipschitz),
    "gradient": Measure("gradient", slopes.gradient),
    "ends": Measure("ends", curve.ends),
    "dead_zone": Measure("dead zone", flats.dead_zone),
    "moments": Measure("gain and mean shift", signal.moments),
    "initialisation": Measure("initialisation", signal.initialisation),
    DEPTH: Measure("over depth", signal.depth),
    "learns": Measure("learns", facts.learns),
    "modes": Measure("modes", facts.modes),
    "nan": Measure("NaN", facts.not_a_number),
    "largest": Measure("largest input", facts.largest),
    "rounding": Measure("low precision", facts.rounding),
    "fp16": Measure("fp16", halves.fp16),
    "bf16": Measure("bf16", halves.bf16),
    "kernels": Measure("kernels", kernels.kernels),
    "seconds": Measure("time", cost.seconds),
    "bytes": Measure("kept for backward", cost.bytes_saved),
    "between": Measure("kept between layers", between.bytes_between),
}
