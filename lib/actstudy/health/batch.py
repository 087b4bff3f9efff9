"""The batch of a user's own model: x and y of a file, and what must hold of both."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.errors import StudyError

ALLOWED = "allowed: one tensor x, or x and y"


def read(file: Path) -> tuple[Tensor, Tensor | None]:
    """x and y (None if there is none) of a file: .npz with x and y, or .pt with tensors.

    A .pt holds a tensor, a pair or a dict. StudyError if the file holds anything else, no example,
    or an x that is not finite.
    """
    parts = _load(file)
    if isinstance(parts, Mapping):
        names = [str(name) for name in parts]
        if "x" not in names or set(names) - {"x", "y"}:
            raise StudyError(
                f"doctor: --batch {file}: holds {', '.join(names) or 'nothing'}; {ALLOWED}"
                f"{_wrapping(names)}"
            )
        x, y = parts["x"], parts.get("y")
    elif isinstance(parts, list | tuple):
        if len(parts) not in (1, 2):
            raise StudyError(
                f"doctor: --batch {file}: holds {len(parts)} parts; {ALLOWED}{_wrapping(parts)}"
            )
        x, y = [*parts, None][:2]
    else:
        x, y = parts, None
    x = _tensor(f"doctor: --batch {file}: x", x)
    if y is not None:
        y = _tensor(f"doctor: --batch {file}: y", y)
    if not x.ndim or not x.numel():
        raise StudyError(
            f"doctor: --batch {file}: x of shape {tuple(x.shape)} holds no examples; {ALLOWED}"
        )
    check_finite(f"doctor: --batch {file}: x", x)
    return x, y


def _wrapping(parts: Any) -> str:
    """What to do with a batch of more than two parts."""
    if len(parts) < 3:
        return ""
    return "; a model of several inputs needs a factory whose model takes them as one x"


def _load(file: Path) -> Any:
    """What a .npz or .pt file holds; StudyError if it cannot be read."""
    try:
        if file.suffix == ".npz":
            return dict(np.load(file, allow_pickle=False))
        return torch.load(file, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise StudyError(f"doctor: --batch {file}: no such file") from None
    except pickle.UnpicklingError:
        raise StudyError(
            f"doctor: --batch {file}: holds other things than tensors, or is damaged; allowed: "
            "what torch.save((x, y), FILE) writes"
        ) from None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StudyError(
            f"doctor: --batch {file}: {reason}; allowed: .npz or .pt of tensors"
        ) from None


def _tensor(name: str, part: Any) -> Tensor:
    """A part of a batch as a dense tensor without gradient; StudyError if it is none."""
    if isinstance(part, list | tuple) and any(isinstance(value, Tensor) for value in part):
        raise StudyError(f"{name}: got {len(part)} tensors; {ALLOWED}{_wrapping([*part, None])}")
    try:
        tensor = torch.as_tensor(part).detach()
    except (TypeError, ValueError, RuntimeError):
        kind = getattr(part, "dtype", type(part).__name__)
        raise StudyError(f"{name}: got {kind}; allowed: a tensor of numbers") from None
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
        raise StudyError(f"{name}: got a sparse, nested or quantized tensor; allowed: a dense one")
    return tensor


def check_finite(name: str, values: Tensor) -> None:
    """StudyError with the number and the first place of values that are NaN or infinite."""
    bad = ~torch.isfinite(values)
    if bad.any():
        place = tuple(bad.nonzero()[0].tolist())
        raise StudyError(
            f"{name}: {int(bad.sum())} of {values.numel()} values are NaN or infinite, "
            f"the first at {place}; allowed: finite numbers"
        )


def describe(name: str, values: Tensor) -> str:
    """A tensor in words: `x (32, 10) float32`."""
    return f"{name} {tuple(values.shape)} {str(values.dtype).removeprefix('torch.')}"
