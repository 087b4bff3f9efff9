"""A Triton kernel of cross-entropy: it reads a row of logits and leaves its gradient there.

A row is read twice, the second time from the cache, and written once. The sum of exponentials is
kept relative to the highest logit so far (Milakov and Gimelshein 2018, arXiv:1805.02867).
"""

# mypy: disable-error-code="no-untyped-def"

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 16384  # logits at once
WARPS = 16
LOG2_E = math.log2(math.e)


@triton.jit
def _row(logits, labels, losses, count, n, block: tl.constexpr, log2_e: tl.constexpr):
    """One row of n logits: its loss, and its gradient of the mean over `count` labels."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * n
    columns = tl.arange(0, block)
    label = tl.load(labels + row)
    is_label = label >= 0
    # before the first reduction, whose barrier keeps it before every write
    own = tl.load(logits + tl.where(is_label, label, 0)).to(tl.float32)
    highest = -float("inf")
    total = 0.0
    for start in range(0, n, block):
        inside = start + columns < n
        x = tl.load(logits + start + columns, mask=inside, other=-float("inf"))
        x = x.to(tl.float32) * log2_e
        higher = tl.maximum(highest, tl.max(x, 0))
        total = total * tl.exp2(highest - higher) + tl.sum(tl.exp2(x - higher), 0)
        highest = higher
    log_sum = highest + tl.log2(total)
    tl.store(losses + row, tl.where(is_label, log_sum / log2_e - own, 0.0))
    share = tl.where(is_label, 1.0 / tl.load(count).to(tl.float32), 0.0)
    for start in range(0, n, block):
        inside = start + columns < n
        x = tl.load(logits + start + columns, mask=inside, other=-float("inf"))
        p = tl.exp2(x.to(tl.float32) * log2_e - log_sum)
        gradient = tl.where(start + columns == label, p - 1.0, p) * share
        tl.store(logits + start + columns, gradient.to(logits.dtype.element_ty), mask=inside)


def to_gradients(logits: Tensor, labels: Tensor, count: Tensor) -> Tensor:
    """Losses (N,) in nats, float32, of logits (N, V), which become the gradients of their mean.

    logits: contiguous; labels (N,), int64: negative if a row has none, then its loss and gradient
    are 0; count: the number of labels that the mean is over, a tensor of one value.
    """
    losses = torch.empty(len(logits), dtype=torch.float32, device=logits.device)
    grid = (len(logits),)
    _row[grid](logits, labels, losses, count, logits.shape[1], BLOCK, LOG2_E, num_warps=WARPS)
    return losses


def of_head(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean loss of logits x weight^T, and its gradients by x (N, C) and by weight (V, C).

    y (N,): labels, as in `to_gradients`.
    """
    count = (y >= 0).sum()
    logits = x @ weight.T
    losses = to_gradients(logits, y, count)
    return losses.sum() / count, logits @ weight, logits.T @ x
