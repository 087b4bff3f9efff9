"""Checkpoints: everything a run needs to go on bit for bit, written by rename, the last two kept."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from actstudy.study import store

KEEP = 2


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `step-<step>.pt` and its checksum, then drop all but the newest two."""
    path = folder / f"step-{step:09d}.pt"
    with store.replacing(path) as draft:
        torch.save(state, draft)
    with store.replacing(path.with_suffix(".sha256")) as draft:
        draft.write_text(store.sha256(path))
    for old in sorted(folder.glob("step-*.pt"))[:-KEEP]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def newest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint that verifies, or None; one that does not verify is passed over."""
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        recorded = path.with_suffix(".sha256")
        if recorded.is_file() and recorded.read_text() == store.sha256(path):
            loaded: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            return loaded
    return None


def drop(folder: Path) -> None:
    """Remove the resume checkpoints of a run that has ended."""
    for path in folder.glob("step-*"):
        path.unlink()


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and bytes of a state dict: equal only for bit-identical weights."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
