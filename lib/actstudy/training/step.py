"""One optimizer step: the same lines for eager and compiled code; on a GPU compiled steps are recorded and replayed."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actstudy.data import augment
from actstudy.health import clipping
from actstudy.study.streams import step_seed
from actstudy.training.job import Job, generator
from actstudy.training.optim import learning_rate, set_rate

Scores = dict[str, Tensor]  # scalars of a batch, on the device
BeforeUpdate = Callable[[], None]  # called with unscaled gradients, before clipping


def train_step(job: Job, step: int, batch: Tensor, before_update: BeforeUpdate | None = None) -> None:
    """One optimizer step on train examples `batch` (B,); its scores join the pending ones."""
    spec, x = job.spec, job.splits["train"]["x"]
    set_rate(job.optimizer, learning_rate(spec, step, job.total_steps, job.steps_per_epoch))
    generator(job.device).manual_seed(step_seed(spec.seed, step))  # dropout: the same for all activations and resumes
    height, width = x.shape[2:] if spec.augment != "none" else (0, 0)
    drawn = augment.draws(spec.augment, spec.seed, step, len(batch), height, width)
    draws = torch.from_numpy(drawn).to(job.device, non_blocking=True)
    if job.replays and job.updates and not before_update:
        job.replay = job.replay or Replay(partial(update, job), batch, draws)
        job.pending.append(job.replay(batch, draws))
    else:
        job.pending.append(update(job, batch, draws, before_update))
    job.updates += 1


def update(job: Job, batch: Tensor, draws: Tensor, before_update: BeforeUpdate | None = None) -> Scores:
    """All that happens on the device in one step."""
    spec, y = job.spec, job.splits["train"]["y"]
    job.optimizer.zero_grad(set_to_none=True)
    scores: Scores = {}
    for rows, drawn in zip(batch.chunk(spec.accumulate), draws.chunk(spec.accumulate), strict=True):
        share = _share(y, rows, batch)
        loss, watched = job.scored(rows, drawn)
        job.scaler.scale(loss * share).backward()
        for name, value in {"loss": loss.detach(), **watched}.items():
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
    return clipping.share(norm, 1.0, clipping.ADAPTIVE_FROM) if clip == "adaptive" else clipping.share(norm, clip)


def _share(y: Tensor, rows: Tensor, batch: Tensor) -> Tensor | float:
    """The rows' share of their batch's labels: a mean over labels, some of them padding, stays the batch's mean."""
    return 1.0 if len(rows) == len(batch) else (y[rows] >= 0).sum() / (y[batch] >= 0).sum()


class Replay:
    """A step recorded once as a CUDA graph, then one launch a step, of the same kernels.

    pool: memory that other records may use as well: what a step returns is copied before the next one begins.
    """

    def __init__(self, step: Callable[..., Scores], *inputs: Tensor, pool: Any = None) -> None:
        self.inputs, self.graph = [value.clone() for value in inputs], torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            self.scores = step(*self.inputs)

    def __call__(self, *inputs: Tensor) -> Scores:
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value)
        self.graph.replay()
        return {name: value.clone() for name, value in self.scores.items()}
