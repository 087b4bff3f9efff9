"""What each run leaves: its tables, and the findings about its health in its log."""

import statistics
from typing import Any

import numpy as np
import pyarrow as pa

from actstudy.advice import rules
from actstudy.contract import schema
from actstudy.contract.streams import order_hash
from actstudy.health.values import Key
from actstudy.nets.activations import entry
from actstudy.training.engine import Engine
from actstudy.training.score import Result

HEALTH_KEY = ("kind", "name", "index", "probe")


def run_tables(
    engine: Engine | None, run: int, run_id: str, row: dict[str, Any], result: Result
) -> dict[str, pa.Table]:
    """The tables of a run; row: its row of `runs`, the only one if its engine was never made."""
    parts: dict[str, Any] = {
        "runs": [row],
        "curves": engine.progress[run].curves if engine else [],
        "health": health_columns(engine, run) if engine else {},
        "calibration": result.calibration,
        "predictions": result.predictions,
    }
    return {name: schema.table(name, run_id, part) for name, part in parts.items()}


def accounting(
    engine: Engine, run: int, slots_per_gpu: int, gpu_in_use: bool | None = None
) -> dict[str, Any]:
    """Columns of `runs` that say how far a run got and what it cost.

    Seconds are its share, so that the seconds of runs that train together add up; the throughput is
    that of its share, in labels per second, without the first window, which warms up. gpu_in_use:
    by another process; None if that is not known.
    """
    progress = engine.progress[run]
    rates = progress.rates[1:] or progress.rates
    packed = engine.spec.engine == "pack"
    slots = slots_per_gpu if engine.device.type == "cuda" else None
    alone = slots in (None, 1) and not packed and not gpu_in_use
    return {
        "n_params": engine.n_params[run],
        "total_steps": engine.total_steps,
        "steps_done": progress.step,
        "best_step": progress.best_step if progress.best_step >= 0 else None,
        "skipped_steps": progress.skipped if engine.spec.precision == "fp16" else None,
        "execution": engine.execution,
        "order_hash": order_hash(progress.order_seed, len(engine.splits["train"]["y"])),
        **{f"{bucket}_seconds": engine.share(run, bucket) for bucket in schema.BUCKETS},
        "n_resumes": progress.n_resumes,
        "throughput": statistics.median(rates) if rates else None,
        "throughput_unit": engine.task.TASK["throughput_unit"],
        "slots_per_gpu": slots,
        "packed_with": len(engine.specs) if packed else None,
        "timing_clean": progress.n_resumes == 0 and alone,
    }


def health_columns(engine: Engine, run: int) -> dict[str, Any]:
    """A run's columns of `health`: the steps that count for it, the probes of its activations."""
    keys = [*engine.health_keys.get("probe", []), *engine.health_keys.get("watched", [])]
    places = []
    own_keys = []
    for place, key in enumerate(keys):
        own = _own_key(engine, run, key)
        if own:
            places.append(place)
            own_keys.append(own)
    steps = []
    values = []
    for step, read in engine.health:
        if step < engine.progress[run].step:
            steps.append(step)
            values.append(read[places, run].numpy())
    if not steps:
        return {}
    columns: dict[str, Any] = {"step": np.repeat(steps, len(places))}
    for position, name in enumerate(HEALTH_KEY):
        columns[name] = [key[position] for key in own_keys] * len(steps)
    return {**columns, "value": np.concatenate(values)}


def _own_key(engine: Engine, run: int, key: Key) -> Key | None:
    """The key of a probe as a run's table has it; None if the run has no such probe."""
    kind, name, index, probe = key
    if probe == "saturated_fraction":
        return key if _saturates(engine.activations[name][run]) else None
    if kind == "learnt":
        site, activation, _ = name.split(" ")
        return key if engine.activations[site][run] == activation else None
    own_index = engine.index_of(run, index) if kind == "parameter" else index
    return None if own_index is None else (kind, name, own_index, probe)


def _saturates(activation: str) -> bool:
    """Whether an activation has a rule for saturated values."""
    return entry(activation).saturated is not None


def log_findings(engine: Engine, run: int, row: dict[str, Any]) -> None:
    """Write what a run's health means into its log: causes, each with its consequences.

    Notes are left out.
    """
    columns = health_columns(engine, run)
    health = [
        {"step": step, "kind": kind, "name": name, "probe": probe, "value": value}
        for step, kind, name, _, probe, value in zip(*columns.values(), strict=True)
        if probe in rules.read_by_rules()
    ]
    findings = rules.advise(health, engine.progress[run].curves, row)
    serious = [finding for finding in findings if finding.severity != "note"]
    for finding in serious:
        words = f"likely from {finding.cause.replace('_', ' ')}: " if finding.cause else ""
        engine.logs[run].line(f"health: {finding.severity}: {words}{finding.text}")
