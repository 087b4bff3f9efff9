"""What a Monitor takes of a due step of a contrastive loss, and what of that its tracing takes.

    python benchmarks/health_contrast.py --out benchmarks/results

A step: forward, backward, AdamW, on a CPU, one thread. Each is trained without a Monitor, with one
whose every step is due and which traces nothing, and with a whole one, in turns; seconds are the
process's own, ratios those of a round, so that what else runs on the machine changes both sides.
"""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from contrastive_towers import Towers
from torch import Tensor, nn
from torch.nn import functional
from windows import seconds_of

from actstudy.health import Monitor
from actstudy.health.contrast import Contrast
from actstudy.health.values import Values
from actstudy.losses import ContrastiveLoss

BATCH = 64
TOKENS = 16
WIDTH = 128
DEPTH = 4
ROUNDS = 25
WINDOW_SECONDS = 0.2
WARM_UP = 3
SCALE = 1 / 0.07


class Untraced(Contrast):
    """Sees nothing of a contrastive loss."""

    def enter(self, *_: object) -> None:
        """Note nothing."""

    def see(self, *_: object) -> None:
        """Trace nothing."""

    def values(self) -> Values:
        """None."""
        return {}


class Encoder(nn.Module):
    """(B, T, F) -> (B, WIDTH): a Transformer's mean output."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(features, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.0, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.inputs(x)).mean(1)


class Clip(nn.Module):
    """Two encoders; loss: None is CLIP's written out, with a learnt scale."""

    def __init__(self, loss: nn.Module | None) -> None:
        super().__init__()
        self.image = Encoder(48)
        self.text = Encoder(32)
        self.loss = loss
        if loss is None:
            self.logit_scale = nn.Parameter(torch.tensor(SCALE).log())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        views = [self.image(x), self.text(y)]
        if self.loss is not None:
            return self.loss(*views)
        p, q = (functional.normalize(view, dim=-1) for view in views)
        logits = self.logit_scale.exp() * p @ q.T
        right = torch.arange(len(logits))
        losses = [functional.cross_entropy(part, right) for part in (logits, logits.T)]
        return (losses[0] + losses[1]) / 2


def small() -> tuple[nn.Module, list[Tensor]]:
    """Towers of one and two linear layers, where all that a step does is short."""
    return Towers(SCALE), [torch.randn(BATCH, 12), torch.randn(BATCH, 9)]


def encoders(loss: nn.Module | None) -> tuple[nn.Module, list[Tensor]]:
    """Two Transformers of DEPTH blocks."""
    return Clip(loss), [torch.randn(BATCH, TOKENS, 48), torch.randn(BATCH, TOKENS, 32)]


MODELS: dict[str, Callable[[], tuple[nn.Module, list[Tensor]]]] = {
    "two small towers, CLIP written out": small,
    "two Transformers, CLIP written out": lambda: encoders(None),
    "two Transformers, ContrastiveLoss": lambda: encoders(ContrastiveLoss("clip")),
}
KINDS = ("plain", "untraced", "whole")


def stepper(make: Callable[[], tuple[nn.Module, list[Tensor]]], kind: str) -> Callable[[], None]:
    """A step of a fresh model, watched as `kind` says."""
    torch.manual_seed(0)
    model, inputs = make()
    optimizer = torch.optim.AdamW(model.parameters())
    health = None if kind == "plain" else Monitor(model, every=1)
    if health and kind == "untraced":
        health._passes.contrast = Untraced()
    (health or nullcontext()).__enter__()

    def step() -> None:
        loss = model(*inputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if health:
            health.step(loss)

    return step


def measured(name: str) -> dict[str, object]:
    """The row of a model: medians over rounds, and quartiles of what tracing alone takes."""
    steps = {kind: stepper(MODELS[name], kind) for kind in KINDS}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind, step in steps.items():
            seconds[kind].append(seconds_of(step, WINDOW_SECONDS))
    plain, untraced, whole = (np.array(seconds[kind]) for kind in KINDS)
    row: dict[str, object] = {"model": name, "ms": 1000 * float(np.median(plain)), "n": ROUNDS}
    for kind, ratios in (
        ("untraced", untraced / plain),
        ("whole", whole / plain),
        ("tracing", whole / untraced),
    ):
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        row |= {kind: middle, f"{kind}_low": low, f"{kind}_high": high}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frame = pd.DataFrame([measured(name) for name in MODELS]).assign(torch=torch.__version__)
    frame.to_parquet(arguments.out / "health_contrast.parquet", index=False)
    print(frame.to_string())


if __name__ == "__main__":
    main()
