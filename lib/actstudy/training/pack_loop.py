"""The training loop of a pack: the steps of loop.py for all of its runs at once, what is scored kept run by run."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from actstudy.health import probes
from actstudy.tasks import classification
from actstudy.training import pack_blame
from actstudy.training.job import Clock, Interrupted
from actstudy.training.optim import learning_rate
from actstudy.training.pack import Pack, batches

BUSY = 20  # a checkpoint takes at most one part in so many of the time


def fit(
    pack: Pack, stopping: Callable[[], bool], save: Callable[[], None], checkpoint_seconds: float
) -> None:
    """Train to the end, from wherever the pack stands; raises Interrupted."""
    clock, last_save = Clock(pack.seconds, pack.device), time.monotonic()
    pack_blame.mark(pack)
    for step, rows, scalars in batches(pack, pack.step):
        one_step(pack, step, rows, scalars, clock)
        pack.step = step + 1
        if pack.step % pack.eval_every == 0 or pack.step == pack.total_steps:
            fetch_window(pack, clock, stopping)
            clock.to("compile" if pack.compiles(pack.validated) else "eval")
            close_window(pack)
            clock.to(clock.stepping)
            if not pack.running:
                return
        stop = stopping() and pack.step < pack.total_steps
        if stop or time.monotonic() - last_save >= checkpoint_seconds:
            fetch_window(pack, clock, stopping)
            clock.to("checkpoint")
            began = time.monotonic()
            save()
            clock.to(clock.stepping)
            last_save = time.monotonic()
            checkpoint_seconds = max(checkpoint_seconds, BUSY * (last_save - began))
        if stop:
            raise Interrupted(f"stopped at step {pack.step}")


def one_step(pack: Pack, step: int, rows: Tensor, scalars: Tensor, clock: Clock) -> None:
    """A train step on rows (R, B), with probes where they are due, in the order of loop.probed_step."""
    probed, health = probes.due(step, pack.probe_every, pack.total_steps), []
    if probed:
        clock.to("compile" if pack.compiles(pack.probe) else "probe")
        health.append(pack.play(pack.probe)["health"])
    part = pack.watched if probed else pack.update
    stepping = "compile" if pack.compiles(part) else "train"
    if probed or clock.stepping != stepping:
        clock.stepping = stepping
        clock.to(stepping)
    pack.timed += stepping == "train"
    scores = pack.play(part, rows, scalars)
    if probed:
        health.append(scores.pop("health"))
        pack.health.append((step, torch.cat(health)[:, : pack.n].cpu()))
    pack.pending.append(scores)


def fetch_window(pack: Pack, clock: Clock, stopping: Callable[[], bool]) -> None:
    """Move the pending scores to the host; a run whose loss was not finite has ended, and its rows are left alone."""
    if not pack.pending:
        return
    first = pack.step - len(pack.pending)
    scores = {
        name: torch.stack([each[name] for each in pack.pending], 1).tolist()
        for name in pack.pending[0]
    }
    pack.pending.clear()
    bad: dict[int, int] = {}
    for run in pack.running:
        for name, values in scores.items():
            pack.progress[run].window.setdefault(name, []).extend(values[run])
        steps = [
            first + k for k, value in enumerate(scores["loss"][run]) if not math.isfinite(value)
        ]
        bad |= {run: steps[0]} if steps else {}
    if bad:
        clock.to("probe")
        sites = pack_blame.sites(pack, bad, lambda: pack_blame.in_training(pack, bad, stopping))
        clock.to(clock.stepping)
    for run, step in bad.items():
        reason = f"loss is {scores['loss'][run][step - first]} at step {step}{sites.get(run, '')}"
        diverged(pack, run, reason, step + 1)
    pack_blame.mark(pack)


def diverged(pack: Pack, run: int, reason: str, steps: int) -> None:
    """A run has ended after so many steps, wherever the pack is by now: from here on nothing of it is read."""
    pack.ended[run], pack.progress[run].step = ("diverged", reason), steps


def close_window(pack: Pack) -> None:
    """End a window that was fetched: train means, validation scores and best weights so far of every run."""
    running, improved = pack.running, []
    if not running:
        return
    evaluations = classification.evaluate_runs(
        pack.play(pack.validated)["logits"], pack.splits["val"]["y"], running
    )
    share = learning_rate(
        pack.optimizer.unit, pack.step - 1, pack.total_steps, pack.steps_per_epoch
    )
    bad = [
        run
        for run, one in zip(running, evaluations, strict=True)
        if not math.isfinite(one.scores["loss"])
    ]
    sites = pack_blame.sites(pack, bad, lambda: pack_blame.in_validation(pack, bad)) if bad else {}
    steps, seconds = pack.timed, pack.window_seconds()
    pack.timed = 0
    paced = {"epoch_seconds": seconds * pack.steps_per_epoch / steps} if steps else {}
    rate = steps * pack.spec.batch_size / max(seconds, 1e-9) if steps else None
    for run, evaluation in zip(running, evaluations, strict=True):
        progress, at = pack.progress[run], curve_point(pack, run)
        train = {name: math.fsum(values) / len(values) for name, values in progress.window.items()}
        val = evaluation.scores
        train |= {"lr": share * pack.specs[run].lr, **paced}
        for split, scores in (("train", train), ("val", val)):
            progress.curves += [
                {**at, "split": split, "metric": m, "value": v} for m, v in scores.items()
            ]
        progress.window.clear()
        progress.step = pack.step
        if run in bad:
            reason = (
                f"validation loss is {val['loss']} after step {pack.step - 1}{sites.get(run, '')}"
            )
            diverged(pack, run, reason, pack.step)
        elif (
            progress.best_step < 0 or val["accuracy"] > progress.best_value
        ):  # ties keep the earlier step
            progress.best_step, progress.best_value = pack.step, val["accuracy"]
            improved.append(run)
        shown = {
            "train loss": train["loss"],
            "val loss": val["loss"],
            "val accuracy": val["accuracy"],
        }
        pack.reports[run].evaluated(
            pack.step, at["epoch"], shown, rate, "examples/s", at["train_seconds"]
        )
    for kept, parameter in zip(pack.best, pack.parameters, strict=True):
        kept[improved] = parameter.detach()[improved]


def curve_point(pack: Pack, run: int) -> dict[str, Any]:
    """The columns that place a curve value; seconds are the run's share of the pack's."""
    return {
        "step": pack.step,
        "epoch": pack.step / pack.steps_per_epoch,
        "samples": pack.step * pack.spec.batch_size,
        "train_seconds": pack.share(run, "train"),
    }
