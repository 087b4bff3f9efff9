"""The task `contrastive`: towers whose features of one example's views are near to each other."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract import class_names, nets
from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import stream
from actstudy.data import augment
from actstudy.data.prepared import Prepared
from actstudy.nets.towers import Embedded
from actstudy.tasks import pixels, retrieval
from actstudy.tasks.metrics import Evaluation
from actstudy.tasks.retrieval import Retrieved

TASK = {
    "title": "Siamese ResNet-18",
    "takes": ["images"],
    "metric": "recall_at_1",
    "unit": "share of test images",
    "higher_is_better": True,
    "net": "siamese",
    "nets": ["siamese", "dual"],
    "model_fields": ["width", "stem", "norm", "augment", "views", "loss", "loss_args"],
    "predicts": "pairs",
    "x_axis": "step",
    "throughput_unit": "images/s",
    "targets": [0.04, 0.06],
    "margin": 0.01,
    "margin_reason": (
        "about one and a half standard errors, over 2,000 test images, of the difference between "
        "two runs of a seed"
    ),
    "defaults": {
        "dataset": "fashion_mnist_tenth",
        "width": 4,
        "stem": "small",
        "norm": "layer",
        "augment": "crop_flip",
        "views": 2,
        "loss": "clip",
        "optimizer": "adamw",
        "lr": 0.005,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.05,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 0.1,
        "steps": 160,
        "eval_every": 40,
        "batch_size": 32,
    },
}
EVAL_BATCH = 256
SCORED = ("val", "test")
FIXED = 0  # the seed of what is the same for all runs


def build(spec: RunSpec, data: Prepared, make_act: Callable[..., nn.Module]) -> nn.Module:
    """The untrained model of a spec, for images of the manifest's shape and its class names."""
    # a run's code is its own model's file alone, so that no other model is imported
    net = importlib.import_module(f"actstudy.nets.{spec.model or TASK['net']}")
    names = class_names.of(spec.dataset, data.folder) if nets.reads_names(spec) else None
    model: nn.Module = net.build(spec, data.manifest["shape"][0], names, make_act)
    return model


def loss(output: Embedded, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The contrastive loss of the run, in nats; y (B,) picks the text of each example.

    label_smoothing is of classes and has no meaning here.
    """
    value: Tensor = output.loss(*compared(output.features, output.texts, y))
    return value


def loss_and_scores(
    output: Embedded, y: Tensor, label_smoothing: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """`loss` and `train_scores` at once: both need the logits, which are computed once."""
    views = compared(output.features, output.texts, y)
    value, clamped = output.loss(*views, with_share=True)
    return value, {"logit_scale": output.loss.logit_scale.detach(), "clamped": clamped}


def compared(features: Tensor, texts: Tensor | None, y: Tensor) -> list[Tensor]:
    """What a loss compares, each (B, D): features (B, V, D) by view, then the text of each y."""
    views = list(features.unbind(1))
    return views if texts is None else [*views, texts[y]]


def train_scores(output: Embedded, y: Tensor) -> dict[str, Tensor]:
    """Scalars of one batch: the logit scale in use, and the share of logits beyond `clamp`."""
    return loss_and_scores(output, y)[1]


def with_views(spec: RunSpec, splits: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """The splits, val and test with what `evaluate` reads besides x and y.

    drawn: (N, draws), what happens to each image in each view, the same for all runs; sizes: the
    numbers of views and of examples in a batch; order: (N,), in which batches take them. Of test
    also bank_x, bank_y, the train split, whose embedding at each validation would take long.
    """
    sizes = torch.tensor([spec.views or 1, spec.batch_size])
    extended = dict(splits)
    for split in SCORED:
        own = splits[split]
        drawn = fixed_draws(spec.augment, spec.views or 1, split, own["x"].shape)
        order = stream(FIXED, f"order of {split}").permutation(len(own["x"]))
        extra = {"drawn": torch.from_numpy(drawn), "order": torch.from_numpy(order)}
        on_device = {name: part.to(own["x"].device) for name, part in extra.items()}
        extended[split] = {**own, **on_device, "sizes": sizes}
    train = splits["train"]
    extended["test"] |= {"bank_x": train["x"], "bank_y": train["y"]}
    return extended


def fixed_draws(kind: str, views: int, split: str, shape: tuple[int, ...]) -> np.ndarray:
    """What happens to each image of val or test in each view, whatever the run: (N, draws)."""
    n, _, height, width = shape
    name = f"views of {split}"
    return augment.view_draws(kind, FIXED, 0, (n, height, width), views, name)


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Embedded], data: Mapping[str, Tensor]) -> Evaluation:
    """Loss, retrieval, alignment, uniformity, scale, clamping on a whole split; of test k-NN too.

    forward: views (B, V, C, H, W) -> Embedded; data: of `with_views`.
    """
    n_views, batch_size = data["sizes"].tolist()
    y = data["y"]
    parts = []
    for rows in torch.arange(len(y), device=y.device).split(EVAL_BATCH):
        parts.append(forward(augment.views(data["x"][rows], data["drawn"][rows], n_views)))
    features = torch.cat([part.features.float() for part in parts])
    whole = parts[-1]._replace(features=features)
    there, back = retrieved(whole, y)
    image = retrieval.unit(features[:, 0])
    partner = whole.texts[y] if whole.texts is not None else features[:, 1]
    scores = {
        **batch_scores(whole, y, data["order"], batch_size),
        "recall_at_1": there.recall(1),
        "recall_at_5": there.recall(5),
        "recall_at_1_back": back.recall(1),
        "recall_at_5_back": back.recall(5),
        "alignment": retrieval.alignment(image, retrieval.unit(partner)),
        "uniformity": retrieval.uniformity(image),
    }
    if "bank_x" in data:
        scores["knn_accuracy"] = knn(forward, data)
    label = y if whole.texts is not None else torch.arange(len(y))
    columns = {
        "example": np.arange(len(y)),
        "label": label.cpu().numpy(),
        "predicted": there.predicted.cpu().numpy(),
    }
    return Evaluation(scores, columns)


def retrieved(output: Embedded, y: Tensor) -> tuple[Retrieved, Retrieved]:
    """From each image's first view to its second and back, or to the name of its class and back.

    Back from a name any image of the class is right.
    """
    image = retrieval.unit(output.features[:, 0])
    labels = torch.arange(len(y), device=y.device)
    if output.texts is None:
        second = retrieval.unit(output.features[:, 1])
        there = retrieval.retrieve(image, labels, second, labels)
        return there, retrieval.retrieve(second, labels, image, labels)
    names = retrieval.unit(output.texts)
    classes = labels.new_tensor(range(len(names)))
    there = retrieval.retrieve(image, y, names, classes)
    return there, retrieval.retrieve(names, classes, image, y)


def batch_scores(output: Embedded, y: Tensor, order: Tensor, batch_size: int) -> dict[str, float]:
    """Means over whole batches as training has them, of a small split over all of it as one.

    output: of all N examples; order: (N,). Logits are products in float32, never in TF32.
    """
    batches = [rows for rows in order.split(batch_size) if len(rows) == batch_size] or [order]
    losses = []
    shares = []
    with retrieval.full_float32(y.device):
        for rows in batches:
            part = output._replace(features=output.features[rows])
            value, of_batch = loss_and_scores(part, y[rows])
            losses.append(value.double())
            shares.append(of_batch["clamped"].double())
    # read at once, as each reading waits for the device
    values = torch.stack([torch.stack(losses), torch.stack(shares)]).tolist()
    return {
        "loss": float(np.mean(values[0])),
        "logit_scale": output.loss.logit_scale.item(),
        "clamped": float(np.mean(values[1])),
    }


def knn(forward: Callable[[Tensor], Embedded], data: Mapping[str, Tensor]) -> float:
    """k-NN accuracy of the image tower, before its projection, on images as they are."""
    embedded = []
    for name in ("bank_x", "x"):
        parts = [forward(x).pooled[:, 0] for x in data[name].split(EVAL_BATCH)]
        embedded.append(retrieval.unit(torch.cat(parts)))
    return retrieval.knn_accuracy(embedded[0], data["bank_y"], embedded[1], data["y"])


def reference(data: Prepared) -> list[dict[str, Any]]:
    """Raw pixels, by augmentation: views by the cosine of their pixels, names by class means."""
    return pixels.references(data, str(TASK["metric"]), SCORED, fixed_draws)
