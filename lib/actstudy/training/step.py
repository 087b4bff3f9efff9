"""One optimizer step: the same lines for eager and compiled code; on a GPU compiled steps are recorded and replayed."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from actstudy.contract.streams import step_seed
from actstudy.data import augment
from actstudy.health import clipping, probes
from actstudy.training.cuda_graphs import Scores
from actstudy.training.job import Job, generator
from actstudy.training.optim import learning_rate, set_rate

NOTHING = torch.empty(0)
BeforeUpdate = Callable[[], None]  # called with unscaled gradients, before clipping
Part = Callable[
    [Job, Tensor, Tensor], Scores
]  # what happens on the device: `update`, or `watched` with its probes


def train_step(job: Job, step: int, batch: Tensor, part: Part | None = None) -> Tensor:
    """One optimizer step on train examples `batch` (B,), whose scores join the pending ones; the probes of its part."""
    spec, x = job.spec, job.splits["train"]["x"]
    set_rate(job.optimizer, learning_rate(spec, step, job.total_steps, job.steps_per_epoch))
    generator(job.device).manual_seed(
        step_seed(spec.seed, step)
    )  # dropout: the same for all activations and resumes
    height, width = x.shape[2:] if spec.augment != "none" else (0, 0)
    drawn = augment.draws(spec.augment, spec.seed, step, len(batch), height, width)
    draws = torch.from_numpy(drawn).to(job.device, non_blocking=True)
    part = part or update
    scores = job.recorder.play(part.__name__, partial(part, job), batch, draws)
    health = scores.pop("health", NOTHING)
    job.pending.append(scores)
    job.updates += 1
    return health


def watched(job: Job, batch: Tensor, draws: Tensor) -> Scores:
    """The same step, with the probes of its parameters under `health`."""
    watch = probes.Update(job.parameters)
    scores = update(job, batch, draws, watch.gradients)
    return {**scores, "health": job.keyed("watched", watch.values())}


def update(
    job: Job, batch: Tensor, draws: Tensor, before_update: BeforeUpdate | None = None
) -> Scores:
    """All that happens on the device in one step."""
    spec, y = job.spec, job.splits["train"]["y"]
    job.optimizer.zero_grad(set_to_none=True)
    scores: Scores = {}
    for rows, drawn in zip(batch.chunk(spec.accumulate), draws.chunk(spec.accumulate), strict=True):
        share = _share(y, rows, batch)
        loss, seen = job.scored(rows, drawn)
        job.scaler.scale(loss * share).backward()
        for name, value in {"loss": loss.detach(), **seen}.items():
            scores[name] = scores.get(name, 0) + value * share
    job.scaler.unscale_(job.optimizer)
    if before_update:
        before_update()
    if spec.clip is not None:
        gradients = [p.grad for p in job.parameters.values() if p.grad is not None]
        share = clip_share(nn.utils.get_total_norm(gradients, foreach=True), spec.clip)
        torch._foreach_mul_(gradients, share)
        scores["clipped"] = (share < 1).float()
    job.scaler.step(job.optimizer)
    job.scaler.update()
    return scores


def clip_share(norm: Tensor, clip: float | Literal["adaptive"]) -> Tensor:
    """What gradients of a global norm are multiplied by; `adaptive` is a clip of 1 where the norm is above 10."""
    return (
        clipping.share(norm, 1.0, clipping.ADAPTIVE_FROM)
        if clip == "adaptive"
        else clipping.share(norm, clip)
    )


def _share(y: Tensor, rows: Tensor, batch: Tensor) -> Tensor | float:
    """The rows' share of their batch's labels: a mean over labels, some of them padding, stays the batch's mean."""
    return 1.0 if len(rows) == len(batch) else (y[rows] >= 0).sum() / (y[batch] >= 0).sum()
