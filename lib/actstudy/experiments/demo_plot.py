"""Demo: activations with their first and second derivative, in float64."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from actstudy.certificate.outcome import NotMeasured
from actstudy.certificate.pieces import derivative, jumps
from actstudy.certificate.subject import Subject, subject_of
from actstudy.contract import own, registry
from actstudy.contract.errors import StudyError

REACH = 5.0
N_POINTS = 1001
MAX_ORDER = 2


def table(activations: Sequence[str]) -> pa.Table:
    """A row per activation, derivative and x; the value is null where it jumps.

    StudyError for an activation that is no function of each value alone.
    """
    labels = own.labels(activations, registry.activations())
    parts = []
    for name in activations:
        subject = subject_of(name)
        for order in range(MAX_ORDER + 1):
            x, y = _curve(subject, order)
            columns = {"activation": [labels[name]] * len(x), "order": [order] * len(x)}
            parts.append(pa.table({**columns, "x": x, "value": pa.array(y, from_pandas=True)}))
    return pa.concat_tables(parts)


def _curve(subject: Subject, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Points x in order, and a derivative there: NaN where it jumps, so that a line breaks."""
    x = np.linspace(-REACH, REACH, N_POINTS)
    try:
        places = [place for place in jumps(subject, order) if abs(place) < REACH]
        x = np.union1d(x, places)
        y = derivative(subject, x, order)
    except NotMeasured as reason:
        raise StudyError(
            f"demo: plot: {subject.name}: {reason}; allowed: functions of each value alone"
        ) from None
    y[np.isin(x, places)] = np.nan
    return x, y
