"""What a checkpoint holds of a pack, and runs brought back to where the checkpoint of their pack stands."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from actstudy.contract import schema
from actstudy.training import checkpoint
from actstudy.training.job import Progress
from actstudy.training.pack import Pack


def stacks(pack: Pack) -> dict[str, Sequence[Tensor]]:
    """What a checkpoint holds of every run: tensors of which row r is run r's."""
    moments = {f"state{k}": part for k, part in enumerate(pack.optimizer.state)}
    return {"parameters": pack.parameters, "best": pack.best, **moments}


def save(pack: Pack, folders: Sequence[Path], state: Path) -> None:
    """Write the pack's checkpoint, of the rows that are runs."""
    progress = [dict(vars(one)) for one in pack.progress]
    for run, saved in enumerate(progress):
        saved["seconds"] = {bucket: pack.share(run, bucket) for bucket in schema.BUCKETS}
    content = {
        "ids": [folder.name for folder in folders],
        "step": pack.step,
        "ended": pack.ended,
        "progress": progress,
        "health_keys": pack.health_keys,
        "health": pack.health,
        "rows": {
            name: [tensor.detach()[: pack.n] for tensor in part]
            for name, part in stacks(pack).items()
        },
    }
    checkpoint.save(state, pack.step, content)


def resume(pack: Pack, folders: Sequence[Path], state: Path) -> None:
    """Load the newest checkpoint where it holds all of these runs, in whatever order and company they were then."""
    loaded, seen = (
        checkpoint.newest(state, torch.device("cpu")),
        pack.reports[0].train_seconds_seen(),
    )
    if loaded is None or not {folder.name for folder in folders} <= set(loaded["ids"]):
        checkpoint.drop(state)  # of other runs, and of later steps than those to come
        for progress in pack.progress:
            progress.seconds["wasted"] = seen
        return
    mine = [loaded["ids"].index(folder.name) for folder in folders]
    filled = [*mine, *[mine[-1]] * (len(pack.specs) - pack.n)]
    with torch.no_grad():
        for name, tensors in stacks(pack).items():
            for tensor, saved in zip(tensors, loaded["rows"][name], strict=True):
                tensor.copy_(saved[filled])
    wasted = max(0.0, seen - loaded["progress"][mine[0]]["seconds"]["train"])
    pack.step, pack.health_keys = loaded["step"], loaded["health_keys"]
    pack.health = [(step, values[:, mine]) for step, values in loaded["health"]]
    pack.ended = {
        run: loaded["ended"][row] for run, row in enumerate(mine) if row in loaded["ended"]
    }
    for run, row in enumerate(mine):
        pack.progress[run] = progress = Progress(**loaded["progress"][row])
        progress.n_resumes += 1
        progress.seconds["wasted"] += wasted
        pack.reports[run].line(f"resumed at step {pack.step} of {pack.total_steps}")
