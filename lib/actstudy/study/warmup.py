"""The warm-up of a task's own defaults in runs that are shorter than it."""

import dataclasses
from collections.abc import Callable
from typing import Any

from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec

FIX = "to fix: leave warmup out"  # the task's own is then shortened
SHORT_WARMUP = 0.1  # share of a run for which its task's own warm-up is too long


def with_short_warmup(fields: dict[str, Any], stronger: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of a run; a warm-up of the task's own that is longer than the run is shortened."""
    epochs = fields.get("epochs")
    length = epochs or fields.get("steps")  # an epoch has at least a step
    if not length or fields.get("warmup", 0) <= length or sets_warmup(stronger):
        return fields
    return {**fields, "warmup": SHORT_WARMUP * epochs if epochs else 0.0}


def short_warmup(spec: RunSpec, steps_per_epoch: Callable[[RunSpec], int]) -> RunSpec:
    """The run; its task's own warm-up is shortened if it has fewer steps than that.

    steps_per_epoch: of a run, 0 if it is not known.
    """
    if not spec.steps or not spec.warmup:
        return spec
    epoch = steps_per_epoch(spec)
    if round(spec.warmup * epoch) <= spec.steps:
        return spec
    return dataclasses.replace(spec, warmup=SHORT_WARMUP * spec.steps / epoch)


def steps_per_epoch(spec: RunSpec) -> int:
    """Optimizer steps of a pass over a run's train split; 0 if its data set does not say it."""
    return (registry.train_size(spec.dataset) or 0) // spec.batch_size


def least_steps_per_epoch(spec: RunSpec) -> int:
    """As `steps_per_epoch`; of running text fewer than there are, as a word has a token or more."""
    words = registry.train_size(spec.dataset, "TRAIN_WORDS") or 0
    return steps_per_epoch(spec) or words // ((spec.context or 1) * spec.batch_size)


def check(spec: RunSpec, where: str) -> None:
    """StudyError if the warm-up is surely longer than the run."""
    if spec.epochs and spec.warmup > spec.epochs:
        got = f"got {spec.warmup}; allowed: at most the run's length, {spec.epochs}"
        raise StudyError(f"{where}: warmup: {got}; {FIX}")
    epoch = max(1, least_steps_per_epoch(spec))
    if spec.steps and round(spec.warmup * epoch) > spec.steps:
        got = f"got {spec.warmup:g} epochs, each of {epoch:,} steps or more"
        allowed = f"allowed: at most the run's {spec.steps} steps"
        raise StudyError(f"{where}: warmup: {got}; {allowed}; {FIX}")


def sets_warmup(layers: list[dict[str, Any]]) -> bool:
    """Whether a layer over the task's defaults sets the warm-up."""
    return any("warmup" in layer for layer in layers)
