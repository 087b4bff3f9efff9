"""Readings: numbers from a run's probes, curves and settings that the rules judge."""

import math
import statistics
from collections.abc import Iterable, Mapping

from actstudy.advice import dead, settings
from actstudy.advice.series import Reading, Row, Series, add, put

DERIVED_FROM = (*dead.PROBES, "post_sd", "update_ratio", "loss_scale", "lr")
OF_CURVES = ("loss", "logit_scale")  # the metrics that are read
DEAD_FROM_START = 0.99  # a site with a larger share of dead units at every step was born dead
LOSS_RISE = 10  # times the loss at step 0; only a loss above is judged by its size
MIN_LOSSES = 3  # readings from which on a loss can be called flat
MIN_LOSS_STEPS = 50  # steps between the first and the last of them


def read_run(
    health: Iterable[Row],
    curves: Iterable[Row],
    facts: Row,
    probes: frozenset[str],
    fact_names: Iterable[str],
) -> Series:
    """All readings of a run; those of health and curves that are NaN are left out.

    health, curves, facts: as in `rules.advise`; probes: those of `health` that are read;
    fact_names: fields of `facts` that are read.
    """
    rows = [_of_health(row) for row in health if row["probe"] in probes]
    rows = _believed(rows, facts.get("precision") == "fp16")
    curves = [row for row in curves if row["metric"] in OF_CURVES]
    losses = [row for row in curves if row["metric"] == "loss"]
    series: Series = {}
    for reading in [*rows, *_derived(rows)]:
        if not math.isnan(reading.value):
            add(series, reading)
    _add_losses(series, losses)
    for reading in _of_scales(curves):
        if not math.isnan(reading.value):
            add(series, reading)
    for reading in settings.of_settings(facts, losses, series, fact_names):
        add(series, reading)
    return series


def _of_health(row: Row) -> Reading:
    return Reading(row["kind"], row["probe"], row["name"], int(row["step"]), float(row["value"]))


def _believed(readings: list[Reading], is_fp16: bool) -> list[Reading]:
    """Readings that mean what their probes say.

    Left out: shares and norms of a site that was not finite; gradients that are not finite in a
    step that a scaler of the loss has skipped, as it is meant to.
    """
    broken = set()
    scaled = set()
    moved = set()
    for reading in readings:
        if reading.probe == "nonfinite" and reading.value > 0:
            broken.add((reading.place, reading.step))
        elif reading.probe == "loss_scale":
            scaled.add(reading.step)
        elif reading.probe == "update_ratio" and reading.value != 0:
            moved.add(reading.step)
    believed = []
    for reading in readings:
        step = reading.step
        is_broken = reading.kind == "site" and (reading.place, step) in broken
        is_skipped = reading.probe == "gradient_nonfinite" and step not in moved
        is_skipped &= is_fp16 or step in scaled
        if not is_skipped and (reading.probe == "nonfinite" or not is_broken):
            believed.append(reading)
    return believed


def _derived(readings: Iterable[Reading]) -> list[Reading]:
    """Dead units, the median update over matrices and the share of the loss scale that is left."""
    values: dict[str, dict[tuple[str, int], float]] = {probe: {} for probe in DERIVED_FROM}
    for reading in readings:
        if reading.probe in values:
            values[reading.probe][reading.place, reading.step] = reading.value
    derived = _of_dead(values["dead_fraction"], values["zero_fraction"])
    derived += _of_updates(values["update_ratio"])
    scales = sorted((step, value) for (_, step), value in values["loss_scale"].items())
    if scales:
        share = scales[-1][1] / scales[0][1]
        derived.append(Reading("model", "loss_scale_kept", "model", 0, share))
    return derived


def _of_updates(update_ratio: Mapping[tuple[str, int], float]) -> list[Reading]:
    """The median update over weight matrices at each step that changed some."""
    steps = {step for (_, step), value in update_ratio.items() if value > 0}
    ratios: dict[int, list[float]] = {}
    for (place, step), value in update_ratio.items():
        if place.endswith("weight") and step in steps and math.isfinite(value):
            ratios.setdefault(step, []).append(value)
    return [
        Reading("model", "update_ratio", "model", step, statistics.median(values))
        for step, values in ratios.items()
    ]


def _of_dead(
    never_positive: Mapping[tuple[str, int], float], zero: Mapping[tuple[str, int], float]
) -> list[Reading]:
    """Shares of dead units per place and step.

    A place that was dead from step 0 on has `dead_from_start` readings, its smallest share at each
    step, and no `dead` ones.
    """
    places: dict[str, dict[int, float]] = {}
    for (place, step), value in never_positive.items():
        share = dead.share(value, zero.get((place, step), 0.0))
        places.setdefault(place, {})[step] = share
    readings = []
    for place, shares in places.items():
        last = max(shares)
        smallest = min(shares.values())
        is_from_start = 0 in shares and last > 0 and smallest > DEAD_FROM_START
        for step, share in shares.items():
            if is_from_start:
                readings.append(Reading("site", "dead_from_start", place, step, smallest))
            else:
                readings.append(Reading("site", "dead", place, step, share))
    return readings


def _add_losses(series: Series, rows: Iterable[Row]) -> None:
    """Add all losses, that at step 0, those far above it or not finite, and the share that is left.

    The share is of the first train loss and takes MIN_LOSSES readings over MIN_LOSS_STEPS steps.
    A run may have a hundred thousand: they are put where they belong at once.
    """
    losses = [(int(row["step"]), float(row["value"]), row["split"]) for row in rows]
    for step, loss, split in losses:
        if not math.isfinite(loss):
            put(series, ("curve", "loss_nonfinite"), split, step, 1.0)
        if not math.isnan(loss):
            put(series, ("curve", "loss"), split, step, loss)
    _add_rises(series, losses)
    train = [(step, loss) for step, loss, split in losses if split == "train"]
    if len(train) >= MIN_LOSSES:
        first_step, first = min(train)
        last_step, last = max(train)
        is_long = last_step - first_step >= MIN_LOSS_STEPS
        if is_long and math.isfinite(first) and first > 0 and not math.isnan(last):
            put(series, ("curve", "loss_kept"), "train", last_step, last / first)


def _of_scales(curves: Iterable[Row]) -> list[Reading]:
    """The scale of logits in training, of a contrastive run."""
    readings = []
    for row in curves:
        if row["metric"] == "logit_scale" and row["split"] == "train":
            value = float(row["value"])
            readings.append(Reading("model", "logit_scale", "model", int(row["step"]), value))
    return readings


def _add_rises(series: Series, losses: list[tuple[int, float, str]]) -> None:
    """Add the loss at step 0 and losses over LOSS_RISE times as large; losses: step, loss, split.

    Of two splits at step 0 the larger loss is taken. Without a loss there, all count as risen.
    """
    bound = -math.inf
    starts = [(loss, split) for step, loss, split in losses if step == 0 and math.isfinite(loss)]
    if starts:
        first, split = max(starts)
        put(series, ("curve", "loss_first"), split, 0, first)
        bound = LOSS_RISE * first
    for step, loss, split in losses:
        if loss > bound:
            put(series, ("curve", "loss_risen"), split, step, loss)
