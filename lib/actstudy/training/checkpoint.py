"""Checkpoints: all that runs need to resume bit for bit, written by rename, the last two kept."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from actstudy.contract import invocation, store

KEEP = 2


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `step-<step>.pt` and its checksum, then remove all but the newest two."""
    write(folder / f"step-{step:09d}.pt", state)
    for old in sorted(folder.glob("step-*.pt"))[:-KEEP]:
        _remove(old)


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state and then its checksum.

    Both are made of the bytes in memory, as torch turns a full disk into a RuntimeError.
    """
    content = io.BytesIO()
    torch.save(state, content)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()
    store.write_all(
        {
            path: lambda draft: draft.write_bytes(content.getbuffer()),
            path.with_suffix(".sha256"): lambda draft: draft.write_text(digest),
        }
    )


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """What `write` wrote to `RUN/checkpoints/NAME.pt`.

    Damaged if file or checksum is missing or the two do not agree.
    """
    content = _verified(path)
    if content is None:
        command = f"{invocation.program()} retry {path.parent.parent}"
        raise store.Damaged(f"{path} does not have its checksum; to fix: {command}")
    return _load(content, device)


def _verified(path: Path) -> bytes | None:
    """A file's bytes; None if file or checksum is missing or the two do not agree."""
    recorded = path.with_suffix(".sha256")
    if not path.is_file() or not recorded.is_file():
        return None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    return content if recorded.read_bytes() == digest else None


def _load(content: bytes, device: torch.device) -> dict[str, Any]:
    """The state that a file's bytes hold."""
    loaded: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return loaded


def newest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint that verifies, or None; newer ones are removed, as they are damaged."""
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        content = _verified(path)
        if content is not None:
            return _load(content, device)
        _remove(path)
    return None


def drop(folder: Path) -> None:
    """Remove the resume checkpoints of a run that has ended."""
    for path in folder.glob("step-*"):
        path.unlink()


def _remove(path: Path) -> None:
    path.unlink()
    path.with_suffix(".sha256").unlink(missing_ok=True)


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and bytes of a state dict: equal only for bit-identical weights."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(
            value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()
