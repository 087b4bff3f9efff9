"""Readings from a run's settings, alone or together with what was measured."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping

from actstudy.advice import context
from actstudy.advice.series import FROM_SETTINGS, Reading, Row, Series

LARGE_FIRST_UPDATE = 1e-2  # relative to the weights; below it Adam needs no warm-up
PEAK = 0.99  # a rate of that share of the largest is the end of a warm-up
WITHOUT_EPSILON = "_without_eps"  # in the names of losses that divide by norms alone


def of_settings(
    facts: Row, losses: list[Row], series: Series, fact_names: Iterable[str]
) -> list[Reading]:
    """Readings from settings, alone or together with what was measured."""
    values: list[tuple[str, str, float]] = []  # probe, place, value
    for name in fact_names:
        if facts.get(name) is not None:
            value = float(facts[name])
            values.append((name, name, math.inf if math.isnan(value) else value))
    if facts.get("status") == "diverged":
        values.append(("diverged", "run", 1.0))
    if facts.get("batch_size") is not None:
        n_examples = facts["batch_size"] / (facts.get("accumulate") or 1)
        values.append(("batch_part", "batch", n_examples))
        if context.is_contrastive(facts) and facts.get("pairs") is None:
            values.append(("pairs", "batch", n_examples))
    n_sites = len(series.get(("site", "post_sd"), ()))
    if n_sites:
        values.append(("sites", "model", float(n_sites)))
    share = _warmup_share(facts, losses, series)
    if share is not None:
        values.append(("warmup_share", "warmup", share))
    readings = [Reading("fact", *value[:2], FROM_SETTINGS, value[2]) for value in values]
    if WITHOUT_EPSILON in str(facts.get("loss")):
        readings.append(Reading("normalisation", "floor", "the loss", FROM_SETTINGS, 0.0))
    return readings


def _warmup_share(facts: Row, losses: list[Row], series: Series) -> float | None:
    """Adam's warm-up in units of 2 / (1 - beta2) steps, if its first update was large."""
    updates = series.get(("model", "update_ratio"), {}).get("model", {})
    is_adam = facts.get("optimizer") in ("adam", "adamw") and "betas" in facts
    if not is_adam or updates.get(0, 0.0) <= LARGE_FIRST_UPDATE:
        return None
    betas = facts["betas"]
    if isinstance(betas, str):  # JSON text in `runs`
        betas = json.loads(betas)
    if "warmup" in facts:
        steps_per_epoch = [row["step"] / row["epoch"] for row in losses if row.get("epoch")]
        if not steps_per_epoch:
            return None
        steps = facts["warmup"] * statistics.median(steps_per_epoch)
    elif context.is_contrastive(facts):
        steps = _rising(series.get(("model", "lr"), {}).get("model", {}))
    else:
        return None
    share = float(steps * (1 - betas[1]) / 2)
    return None if math.isnan(share) else share


def _rising(rates: Mapping[int, float]) -> float:
    """The steps in which a learning rate rose, up to the reading that follows; NaN if not known.

    rates: step -> rate, of the steps that were read.
    """
    first, last = min(rates, default=0), max(rates, default=0)
    peak = max(rates.values(), default=0.0)
    top = min((step for step, rate in rates.items() if rate >= PEAK * peak), default=0)
    return math.nan if first == last or top == last else float(top - first)
