"""The training loop: one plain function over an engine, which trains one run or many."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from actstudy.health import probes
from actstudy.training import blame, window
from actstudy.training.batches import batches
from actstudy.training.engine import Engine
from actstudy.training.outcome import Interrupted

MAX_CHECKPOINT_SHARE = 1 / 20  # of the time


def fit(
    engine: Engine,
    stopping: Callable[[], bool],
    save: Callable[[], None],
    checkpoint_seconds: float,
) -> None:
    """Train from the engine's step until all steps are done or all runs have ended.

    save(): writes a checkpoint. checkpoint_seconds: between checkpoints, more if writing them would
    take more than MAX_CHECKPOINT_SHARE of the time. Interrupted, after a checkpoint, if a stop is
    asked for.
    """
    clock = engine.clock
    clock.restart()
    last_save = time.monotonic()
    blame.mark(engine)
    if not engine.running:  # all had ended when the checkpoint was written
        return
    for step, rows in batches(engine, engine.step):
        train_step(engine, step, rows)
        engine.step = step + 1
        if engine.step % engine.eval_every == 0 or engine.step == engine.total_steps:
            with clock("eval"):
                window.close(engine, stopping)
            if not engine.running:
                return
        stop = stopping() and engine.step < engine.total_steps
        if stop or time.monotonic() - last_save >= checkpoint_seconds:
            with clock("checkpoint"):
                window.fetch(engine, stopping)
                if not engine.running:
                    return
                began = time.monotonic()
                save()
            last_save = time.monotonic()
            shortest = (last_save - began) / MAX_CHECKPOINT_SHARE
            checkpoint_seconds = max(checkpoint_seconds, shortest)
        if stop:
            raise Interrupted(f"stopped at step {engine.step}")


def train_step(engine: Engine, step: int, rows: Tensor) -> None:
    """One optimizer step on rows (seeds, B); its scores join the pending ones.

    If probes are due, sites are read on a fixed batch as the step finds them, parameters on the
    step's own update.
    """
    clock = engine.clock
    health = []
    probed = probes.due(step, engine.probe_every, engine.total_steps)
    if probed:
        with clock("compile" if engine.compiles("probe") else "probe"):
            health.append(engine.read_sites())
    part = "watched" if probed else "update"
    if engine.compiles(part):
        with clock("compile"):
            scores = engine.train(step, rows, part)
    else:
        scores = engine.train(step, rows, part)
        engine.timed += 1
    if probed:
        with clock("probe"):
            health.append(scores.pop("health"))
            values = torch.cat(health)[:, : len(engine.specs)]
            engine.health.append((step, values.cpu()))
    engine.pending.append(scores)
