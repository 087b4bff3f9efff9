"""What raw pixels reach, without a network, in what contrastive models are scored by."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actstudy.data.augment import views as views_of
from actstudy.data.prepared import Prepared
from actstudy.tasks import retrieval

CHUNK = 4096  # train images at a time
OF_BYTES = ("crop_flip_jitter",)  # kinds of `augment` that change colours
KINDS = ("none", "crop_flip", *OF_BYTES)
VIEW_TO_VIEW = (None, "siamese")  # models; None is the task's own
TO_NAMES = ("dual",)
CPU = torch.device("cpu")
Draws = Callable[[str, int, str, tuple[int, ...]], np.ndarray]


def references(
    data: Prepared, metric: str, splits: Sequence[str], draws: Draws
) -> list[dict[str, Any]]:
    """Recall at 1 of each split, a row per kind of augmentation and per thing to retrieve.

    draws: what a run draws of a kind, for a number of views, a split and its shape; `fields` of a
    row: the run field -> values of the runs that it is of. Equal views would be no task.
    """
    means = class_means(data)
    rows = []
    for kind in KINDS:
        if kind in OF_BYTES and data.arrays["train_x"].dtype != np.uint8:
            continue
        pixels = {split: units(data, split, kind, draws) for split in splits}
        if kind != "none":
            scores = {split: view_to_view(own) for split, own in pixels.items()}
            rows.append(row(f"raw pixels, view to view ({kind})", kind, VIEW_TO_VIEW, scores))
        scores = {}
        for split, own in pixels.items():
            scores[split] = to_class(own, data.on(CPU, split)["y"], means)
        rows.append(row(f"raw pixels, nearest class mean ({kind})", kind, TO_NAMES, scores))
    return [{"metric": metric, **entry} for entry in rows]


def row(
    name: str, kind: str, models: Sequence[str | None], scores: dict[str, float]
) -> dict[str, Any]:
    """A row of the runs of some models with a kind of augmentation."""
    return {"name": name, "fields": {"augment": [kind], "model": [*models]}, **scores}


def units(data: Prepared, split: str, kind: str, draws: Draws) -> Tensor:
    """Two views of a split's images, as a run sees them, as unit vectors (N, 2, pixels)."""
    x = data.on(CPU, split)["x"]
    drawn = torch.from_numpy(draws(kind, 2, split, x.shape))
    return retrieval.unit(data.inputs(CPU)(views_of(x, drawn, 2)).flatten(2))


def view_to_view(pixels: Tensor) -> float:
    """How many first views (N, 2, pixels) find their second by the cosine of their pixels."""
    first, second = pixels.unbind(1)
    labels = torch.arange(len(pixels))
    return retrieval.retrieve(first, labels, second, labels).recall(1)


def to_class(pixels: Tensor, y: Tensor, means: Tensor) -> float:
    """How many first views (N, 2, pixels) are nearest to the mean of their class, by the cosine."""
    classes = torch.arange(len(means))
    return retrieval.retrieve(pixels[:, 0], y, means, classes).recall(1)


def class_means(data: Prepared) -> Tensor:
    """The mean train image of each class, standardised, as unit vectors (K, pixels)."""
    train = data.on(CPU, "train")
    inputs = data.inputs(CPU)
    y = train["y"]
    sums = torch.zeros(int(data.manifest["classes"]), train["x"][0].numel(), dtype=torch.float64)
    for rows in torch.arange(len(y)).split(CHUNK):
        sums.index_add_(0, y[rows], inputs(train["x"][rows]).flatten(1).double())
    return retrieval.unit(sums / y.bincount(minlength=len(sums))[:, None].clamp(min=1))
