"""The training loop: one plain function over a job and its progress."""

import copy
import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from actstudy.contract.streams import epoch_order, stream
from actstudy.health import probes, values
from actstudy.training.cuda_graphs import Scores
from actstudy.training.job import Clock, Diverged, Interrupted, Job, Progress
from actstudy.training.optim import learning_rate
from actstudy.training.step import train_step, watched

# At most so many examples of the probe batch, and of their tokens or other values: they cost what a step's cost.
PROBE_EXAMPLES, PROBE_TOKENS, PROBE_VALUES = 256, 2**11, 2**19


def fit(job: Job, progress: Progress) -> None:
    """Train to the end, from wherever `progress` stands; raises Diverged or Interrupted."""
    spec, clock, last_save = job.spec, Clock(progress.seconds, job.device), time.monotonic()
    timed, window_seconds = 0, progress.seconds["train"]
    for batch in batches(job, progress.order_seed, progress.step):
        probed = probes.due(progress.step, job.probe_every, job.total_steps)
        if clock.stepping != (stepping := "compile" if job.compiles(probed) else "train"):
            clock.stepping = stepping
            clock.to(stepping)
        timed += stepping == "train"
        if probed:
            probed_step(job, progress, batch, clock)
        else:
            train_step(job, progress.step, batch)
        progress.step += 1
        if progress.step % job.eval_every == 0 or progress.step == job.total_steps:
            clock.to("eval")
            close_window(job, progress, timed, progress.seconds["train"] - window_seconds)
            clock.to(clock.stepping)
            timed, window_seconds = 0, progress.seconds["train"]
            if spec.patience and progress.evaluations_since_best >= spec.patience:
                return
        stop = job.stopping() and progress.step < job.total_steps
        if stop or time.monotonic() - last_save >= job.checkpoint_seconds:
            clock.to("checkpoint")
            fetch_window(job, progress)
            job.save(job, progress)
            clock.to(clock.stepping)
            last_save = time.monotonic()
        if stop:
            raise Interrupted(f"stopped at step {progress.step}")


def batches(job: Job, order_seed: int, start: int) -> Iterator[Tensor]:
    """Train indices (B,) of every step from `start` on; a batch is a slice of its epoch's order, none is replayed."""
    n_train, size = len(job.splits["train"]["y"]), job.spec.batch_size
    for step in range(start, job.total_steps):
        epoch, index = divmod(step, job.steps_per_epoch)
        if step == start or index == 0:
            order = torch.from_numpy(epoch_order(order_seed, epoch, n_train)).to(job.device)
        yield order[index * size : (index + 1) * size]


def probed_step(job: Job, progress: Progress, batch: Tensor, clock: Clock) -> None:
    """A train step with probes: sites on a fixed batch as the step is entered, parameters on the step's own update."""
    if job.probe_rows is None:
        job.probe_rows = probe_batch(job.splits["train"]["x"])
    clock.to("compile" if job.recorder.prepares("probe") else "probe")
    read = [job.recorder.play("probe", partial(probe, job), job.probe_rows)["health"]]
    clock.to(clock.stepping)
    read.append(train_step(job, progress.step, batch, watched))
    clock.to("probe")
    keys = [key for part in ("probe", "watched") for key in job.health_keys[part]]
    progress.health += values.rows(progress.step, keys, torch.cat(read))
    clock.to(clock.stepping)


def probe(job: Job, rows: Tensor) -> Scores:
    """The probes of all sites, from one forward and backward pass over train examples `rows`."""
    x, y = (job.splits["train"][name][rows] for name in ("x", "y"))

    def batch_loss() -> Tensor:
        with job.autocast():
            loss: Tensor = job.task.loss(job.forward(x), y)
        return loss

    found = probes.at_sites(job.model, job.sites.modules, job.sites.names, batch_loss)
    return {"health": job.keyed("probe", found)}


def probe_batch(x: Tensor) -> Tensor:
    """Indices of the train examples x (N, ...) that all probes of all runs read, drawn once over the whole split."""
    most = PROBE_TOKENS if x.dtype == torch.int32 else PROBE_VALUES
    n = max(1, min(PROBE_EXAMPLES, most // x[0].numel()))
    return torch.from_numpy(stream(0, "probes").permutation(len(x))[:n].copy()).to(x.device)


def fetch_window(job: Job, progress: Progress) -> None:
    """Move the pending train scores to the host; Diverged, with the step, where a loss was not finite."""
    if not job.pending:
        return
    first = progress.step - len(job.pending)
    for name in job.pending[0]:
        values = torch.stack([scores[name] for scores in job.pending]).tolist()
        progress.window.setdefault(name, []).extend(values)
        bad = [
            offset
            for offset, value in enumerate(values)
            if name == "loss" and not math.isfinite(value)
        ]
        if bad:
            job.pending.clear()
            progress.step = first + bad[0] + 1  # wherever the loop was when it saw
            progress.health = [row for row in progress.health if row["step"] < progress.step]
            raise Diverged(f"loss is {values[bad[0]]} at step {first + bad[0]}", first + bad[0])
    job.pending.clear()


def close_window(job: Job, progress: Progress, steps: int, seconds: float) -> None:
    """End an evaluation window: train means, validation scores, best weights so far, one line in the log.

    steps, seconds: those that were timed; a window of compilation alone has none, and no rate.
    """
    fetch_window(job, progress)
    rate = (
        steps * job.spec.batch_size * job.labels_per_example / max(seconds, 1e-9) if steps else None
    )
    progress.rates += [rate] if rate else []
    at = curve_point(job, progress)
    train = {name: math.fsum(values) / len(values) for name, values in progress.window.items()}
    lr = learning_rate(job.spec, progress.step - 1, job.total_steps, job.steps_per_epoch)
    epoch_seconds = {"epoch_seconds": seconds * job.steps_per_epoch / steps} if steps else {}
    for metric, value in {**train, "lr": lr, **epoch_seconds}.items():
        progress.curves.append({**at, "split": "train", "metric": metric, "value": value})
    val = evaluate(job, "val").scores
    progress.curves += [
        {**at, "split": "val", "metric": metric, "value": value} for metric, value in val.items()
    ]
    if not math.isfinite(val["loss"]):
        raise Diverged(f"validation loss is {val['loss']} after step {progress.step - 1}")
    metric, sign = job.task.TASK["metric"], 1 if job.task.TASK["higher_is_better"] else -1
    if (
        progress.best_step < 0 or sign * val[metric] > sign * progress.best_value
    ):  # ties keep the earlier step
        progress.best_step, progress.best_value, progress.evaluations_since_best = (
            progress.step,
            val[metric],
            0,
        )
        job.best_weights = copy.deepcopy(job.model.state_dict())
    else:
        progress.evaluations_since_best += 1
    progress.window.clear()
    job.report.mirror(point for point in progress.curves if point["step"] == progress.step)
    shown = {"train loss": train["loss"], "val loss": val["loss"], f"val {metric}": val[metric]}
    unit = job.task.TASK["throughput_unit"]
    job.report.evaluated(progress.step, at["epoch"], shown, rate, unit, progress.seconds["train"])


def curve_point(job: Job, progress: Progress) -> dict[str, Any]:
    """The columns that place a curve value: step, epoch, samples, train seconds."""
    return {
        "step": progress.step,
        "epoch": progress.step / job.steps_per_epoch,
        "samples": progress.step * job.spec.batch_size,
        "train_seconds": progress.seconds["train"],
    }


def evaluate(job: Job, split: str) -> Any:
    """The task's evaluation of a whole split, in evaluation mode."""
    job.model.eval()
    with job.autocast():
        result = job.task.evaluate(job.forward, job.splits[split])
    job.model.train()
    return result
