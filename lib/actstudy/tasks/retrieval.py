"""How well embeddings find what belongs together; pure functions of tensors.

Similarities are cosines in float32, whatever the loss and the precision of the training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 1024  # rows of similarities at a time
NEIGHBOURS = 20  # of k-NN
TEMPERATURE = 0.07  # of the neighbours' votes, as in Wu et al. 2018, arXiv:1805.01978


class Retrieved(NamedTuple):
    """Of each of N queries the rank of the right answer from 0 on, and the label that is first."""

    ranks: Tensor
    predicted: Tensor

    def recall(self, k: int) -> float:
        """Share of queries with a right answer among the k nearest."""
        return (self.ranks < k).double().mean().item()


def unit(x: Tensor) -> Tensor:
    """x (N, D) at length 1, float32; a zero vector stays one, NaN stays NaN."""
    x = x.float()
    return x / x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Products of float32 matrices neither under autocast nor in TF32; what was set is put back.

    Of what runs meanwhile alone: a backward pass after it follows what was set.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def cosines(x: Tensor, y: Tensor) -> Tensor:
    """The cosines (N, M) of unit vectors x (N, D) and y (M, D), in float32 whatever is set."""
    with full_float32(x.device):
        return x @ y.T


def retrieve(queries: Tensor, sought: Tensor, gallery: Tensor, labels: Tensor) -> Retrieved:
    """The rank of the nearest of the gallery that has a query's label; ties count against it.

    So equal embeddings find nothing. queries: (N, D), sought: (N,) their labels; gallery: (M, D),
    labels: (M,), each sought one among them. All of unit length.
    """
    ranks = []
    predicted = []
    for rows in torch.arange(len(queries), device=queries.device).split(CHUNK):
        near = cosines(queries[rows], gallery)
        is_right = sought[rows, None] == labels
        right = near.masked_fill(~is_right, -torch.inf).amax(1)
        first = near.masked_fill(is_right, -torch.inf).argmax(1)
        before = ~(near < right[:, None]) & ~is_right  # NaN is not below either
        rank = before.sum(1)
        ranks.append(rank)
        predicted.append(torch.where(rank == 0, sought[rows], labels[first]))
    return Retrieved(torch.cat(ranks), torch.cat(predicted))


def alignment(x: Tensor, y: Tensor) -> float:
    """Mean of |x - y|^2 over pairs of unit vectors (N, D), from 0 to 4.

    Wang and Isola 2020, arXiv:2005.10242, with alpha 2.
    """
    return (x - y).square().sum(1).double().mean().item()


def uniformity(x: Tensor) -> float:
    """Log of the mean of exp(-2 |x - y|^2) over distinct pairs of unit vectors (N, D).

    From -8 to 0, which is a collapse; Wang and Isola 2020, arXiv:2005.10242, with t 2.
    """
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for part in x.split(CHUNK):
        squares = 2 - 2 * cosines(part, x)
        total += torch.exp(-2 * squares.clamp(min=0)).sum(dtype=torch.float64)
    n = len(x)
    itself = torch.exp(-2 * (2 - 2 * x.square().sum(1)).clamp(min=0)).sum(dtype=torch.float64)
    return ((total - itself) / (n * (n - 1))).log().item()


def knn_accuracy(bank: Tensor, bank_labels: Tensor, x: Tensor, labels: Tensor) -> float:
    """Share of x (N, F) whose label has most of the votes of its nearest in the bank (M, F).

    The NEIGHBOURS nearest vote with exp(cosine / TEMPERATURE); Wu et al. 2018, arXiv:1805.01978.
    All of unit length.
    """
    k = min(NEIGHBOURS, len(bank))
    classes = int(bank_labels.max()) + 1
    hits = torch.zeros((), dtype=torch.int64, device=x.device)
    for rows in torch.arange(len(x), device=x.device).split(CHUNK):
        near, index = cosines(x[rows], bank).topk(k)
        of_class = functional.one_hot(bank_labels[index], classes)  # (rows, k, classes)
        votes = ((near / TEMPERATURE).exp()[:, :, None] * of_class).sum(1)
        hits += (votes.argmax(1) == labels[rows]).sum()
    return int(hits) / len(x)
