"""What a checkpoint holds, and how an engine resumes from its newest one."""

from collections.abc import Sequence
from pathlib import Path

import torch

from actstudy.contract.schema import BUCKETS
from actstudy.training import checkpoint
from actstudy.training.engine import Engine, Progress

LAYOUT = 2  # raise it when what a checkpoint holds changes: those of other layouts are not used


def save(engine: Engine, folder: Path, names: Sequence[str]) -> None:
    """Write the engine's checkpoint into a folder; names: of its runs' folders."""
    progress = []
    for run, own in enumerate(engine.progress):
        seconds = {bucket: engine.share(run, bucket) for bucket in BUCKETS}
        progress.append({**vars(own), "seconds": seconds})
    content = {
        "layout": LAYOUT,
        "ids": list(names),
        "step": engine.step,
        "ended": engine.ended,
        "progress": progress,
        "health_keys": engine.health_keys,
        "health": engine.health,
        "engine": engine.state(),
    }
    checkpoint.save(folder, engine.step, content)


def resume(engine: Engine, folder: Path, names: Sequence[str]) -> None:
    """Load the newest checkpoint if it holds all of the engine's runs, in any order and company.

    Else the engine starts anew, and checkpoints of other runs or of another layout are removed.
    """
    seconds_before = engine.logs[0].train_seconds_seen()
    content = checkpoint.newest(folder, torch.device("cpu"))
    usable = content is not None and content.get("layout") == LAYOUT
    if content is None or not usable or not set(names) <= set(content["ids"]):
        checkpoint.drop(folder)
        for progress in engine.progress:
            progress.seconds["wasted"] = seconds_before
        return
    rows = [content["ids"].index(name) for name in names]
    engine.restore(content["engine"], rows)
    engine.step = content["step"]
    engine.health_keys = content["health_keys"]
    engine.health = [(step, values[:, rows]) for step, values in content["health"]]
    for run, row in enumerate(rows):
        if row in content["ended"]:
            engine.ended[run] = content["ended"][row]
        progress = Progress(**content["progress"][row])
        engine.progress[run] = progress
        progress.seconds = {**dict.fromkeys(BUCKETS, 0.0), **progress.seconds}
        progress.n_resumes += 1
        engine.logs[run].line(f"resumed at step {engine.step} of {engine.total_steps}")
    wasted = max(0.0, seconds_before - engine.progress[0].seconds["train"])
    for progress in engine.progress:
        progress.seconds["wasted"] += wasted
