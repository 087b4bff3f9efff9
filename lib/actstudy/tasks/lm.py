"""The task `lm`: a small GPT that predicts the next token."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.nets import kernels
from actstudy.nets.gpt import GPT, Head
from actstudy.tasks.metrics import Evaluation

TASK = {
    "title": "GPT",
    "takes": ["text"],
    "metric": "word_perplexity",
    "unit": "exp of the mean nats per word of the test text",
    "higher_is_better": False,
    "net": "transformer",
    "model_fields": ["vocabulary", "context", "depth", "width", "heads", "dropout"],
    "predicts": "tokens",
    "x_axis": "step",
    "throughput_unit": "tokens/s",
    "targets": [3000.0, 2000.0],
    "log_unit": "nats per word",
    "margin": 0.01,
    "margin_reason": (
        "one percent of the perplexity: twice the standard error, over test addresses, "
        "between two runs"
    ),
    "defaults": {
        "dataset": "sotu_text",
        "vocabulary": 4096,
        "context": 64,
        "depth": 2,
        "width": 32,
        "heads": 4,
        "dropout": 0.0,
        "optimizer": "adamw",
        "lr": 0.01,
        "betas": [0.9, 0.95],
        "eps": 1e-8,
        "weight_decay": 0.1,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 0.02,
        "steps": 800,
        "eval_every": 100,
        "batch_size": 6,
    },
}
EVAL_BATCH = 16


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's vocabulary and context."""
    return GPT(
        vocabulary=data.manifest["vocabulary"],
        context=data.manifest["context"],
        depth=spec.depth or 0,
        width=spec.width or 0,
        heads=spec.heads,
        dropout=spec.dropout,
        make_act=make_act,
    )


def loss(logits: Tensor | Head, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats per token; logits (B, T, V), y (B, T), negative if no token.

    Of a `Head` without label smoothing.
    """
    if isinstance(logits, Head):
        return kernels.head_loss(logits.features.flatten(0, 1), logits.weight, y.flatten())
    return functional.cross_entropy(
        logits.float().flatten(0, 1), y.flatten(), label_smoothing=label_smoothing
    )


def train_scores(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Nothing: counting right tokens would cost a pass over the logits."""
    return {}


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], data: Mapping[str, Tensor]) -> Evaluation:
    """Loss (nats per token) and perplexities on a whole split.

    forward: (B, T) -> logits (B, T, V); data: x and y (N, T), the document (N,) of each window, the
    number of words (D,) of each document.
    """
    y = data["y"]
    document = data["document"]
    words = data["words"].tolist()
    nll = torch.zeros(len(words), dtype=torch.float64, device=y.device)
    tokens = torch.zeros(len(words), dtype=torch.int64, device=y.device)
    tokens.index_add_(0, document, (y >= 0).sum(1))
    for rows in torch.arange(len(y), device=y.device).split(EVAL_BATCH):
        labels = y[rows]
        logits = forward(data["x"][rows]).float().flatten(0, 1)
        each = functional.cross_entropy(logits, labels.flatten(), reduction="none").view_as(labels)
        nll.index_add_(0, document[rows], each.sum(1, dtype=torch.float64))
    scores = perplexities(math.fsum(nll.tolist()), int(tokens.sum()), sum(words))
    columns = {
        "example": range(len(words)),
        "nll": nll.tolist(),
        "tokens": tokens.tolist(),
        "words": words,
    }
    return Evaluation(scores, columns)


def perplexities(nll: float, tokens: int, words: int) -> dict[str, float]:
    """Nats per token, and exp of nats per token and per word; nll in nats.

    The perplexity per word compares across vocabularies.
    """
    with np.errstate(over="ignore"):  # a diverging run's perplexity is infinite
        return {
            "loss": nll / tokens,
            "perplexity": float(np.exp(nll / tokens)),
            "word_perplexity": float(np.exp(nll / words)),
        }


def reference(data: Prepared) -> dict[str, Any]:
    """An add-one bigram model of train's tokens: p(b | a) = (count(a b) + 1) / (count(a) + V)."""
    vocabulary = int(data.manifest["vocabulary"])

    def pairs(split: str) -> np.ndarray:
        x = data.arrays[f"{split}_x"]
        y = data.arrays[f"{split}_y"]
        return (x.astype(np.int64) * vocabulary + y)[y >= 0]

    known, counts = np.unique(pairs("train"), return_counts=True)
    totals = np.bincount(known // vocabulary, counts, minlength=vocabulary)

    def word_perplexity(split: str) -> float:
        scored = pairs(split)
        place = np.searchsorted(known, scored).clip(max=len(known) - 1)
        in_train = np.where(known[place] == scored, counts[place], 0)
        nll = -np.log((in_train + 1) / (totals[scored // vocabulary] + vocabulary)).sum()
        words = int(data.arrays[f"{split}_words"].sum())
        return perplexities(float(nll), len(scored), words)["word_perplexity"]

    return {
        "name": "add-one bigram",
        "metric": "word_perplexity",
        "val": word_perplexity("val"),
        "test": word_perplexity("test"),
    }
