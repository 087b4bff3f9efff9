"""What a checkpoint holds of a run, and a run brought back to where its checkpoint stands."""

import secrets
from pathlib import Path
from typing import Any

import torch

from actstudy.contract import schema
from actstudy.training import checkpoint
from actstudy.training.job import Job, Progress
from actstudy.training.optim import restore


def save(job: Job, progress: Progress, folder: Path) -> None:
    """Write a run's checkpoint; there is no generator's state in it: every draw is a function of seed and step."""
    state = {
        "progress": vars(progress),
        "model": job.model.state_dict(),
        "best": job.best_weights,
        "optimizer": job.optimizer.state_dict(),
        "scaler": job.scaler.state_dict(),
    }
    checkpoint.save(folder / "checkpoints", progress.step, state)


def load(job: Job, state: dict[str, Any]) -> Progress:
    """Put what `save` wrote into a job."""
    progress = Progress(**state["progress"])
    progress.seconds = dict.fromkeys(schema.BUCKETS, 0.0) | progress.seconds
    job.model.load_state_dict(state["model"])
    restore(job.optimizer, state["optimizer"])
    job.scaler.load_state_dict(state["scaler"])
    job.best_weights = state["best"]
    return progress


def resumed(job: Job, folder: Path, device: torch.device) -> Progress:
    """Where the newest checkpoint stands, loaded into the job; a new start where there is none."""
    state, seen = checkpoint.newest(folder / "checkpoints", device), job.report.train_seconds_seen()
    if state is None:
        progress = Progress(
            order_seed=job.spec.seed if job.spec.deterministic_shuffle else secrets.randbits(63)
        )
        progress.seconds["wasted"] = seen
        return progress
    progress = load(job, state)
    progress.n_resumes += 1
    progress.seconds["wasted"] += max(0.0, seen - progress.seconds["train"])
    job.report.line(f"resumed at step {progress.step} of {job.total_steps}")
    return progress
