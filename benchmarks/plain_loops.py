"""Loops that a user would write, and ours, as steps one by one: same model, same data.

Data are random, of the real shapes.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from actstudy.contract.spec import RunSpec
from actstudy.data import augment
from actstudy.data.prepared import Prepared
from actstudy.nets import kernels
from actstudy.training.batches import batches
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_job, make_model

GPU = torch.device("cuda", 0)
RECIPE = {
    "precision": "bf16",
    "epochs": 100,
    "warmup": 0,
    "clip": 1.0,
    "optimizer": "adamw",
    "weight_decay": 0.05,
}
TEXT = {"vocabulary": 30000, "width": 384, "heads": 6, "depth": 6}
WORKLOADS: dict[str, dict[str, Any]] = {
    "resnet18": {
        "task": "vision",
        "fields": {
            "width": 64,
            "augment": "crop_flip",
            "label_smoothing": 0.1,
            "batch_size": 256,
            "lr": 0.002,
        },
        "manifest": {
            "shape": [3, 64, 64],
            "classes": 200,
            "mean": [[[120.0]]] * 3,
            "sd": [[[70.0]]] * 3,
        },
    },
    "gpt": {
        "task": "lm",
        "fields": {**TEXT, "context": 256, "batch_size": 64, "lr": 0.001},
        "manifest": {"vocabulary": 30000, "context": 256},
    },
    "encoder": {
        "task": "cls",
        "fields": {**TEXT, "context": 128, "batch_size": 256, "lr": 0.001, "dropout": 0.1},
        "manifest": {"vocabulary": 30000, "context": 128, "classes": 4},
    },
}


def random_data(workload: dict[str, Any]) -> Prepared:
    """A prepared data set of random content in the workload's shapes.

    Passages are padded to random lengths.
    """
    rng = np.random.default_rng(0)
    manifest = workload["manifest"]
    arrays = {}
    for split, n in (("train", 64 * workload["fields"]["batch_size"]), ("val", 256), ("test", 256)):
        if workload["task"] == "vision":
            x = rng.integers(0, 256, (n, *manifest["shape"]), np.uint8)
        else:
            x = rng.integers(2, manifest["vocabulary"], (n, manifest["context"]), np.int32)
        if workload["task"] == "cls":
            x[
                np.arange(manifest["context"]) >= rng.integers(20, manifest["context"], n)[:, None]
            ] = 0
        y = rng.integers(2, manifest["vocabulary"], x.shape) if workload["task"] == "lm" else None
        y = rng.integers(0, manifest["classes"], n) if y is None else y
        arrays |= {f"{split}_x": x, f"{split}_y": y}
    counts = {split: len(arrays[f"{split}_x"]) for split in ("train", "val", "test")}
    return Prepared(Path(), {**manifest, "counts": counts}, arrays, "")


class Images(Dataset[tuple[Tensor, int]]):
    """Decoded images, transformed one by one as torchvision's own recipes do."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x = torch.from_numpy(x)
        self.y = y
        scale = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.47] * 3, [0.27] * 3)]
        self.transform = v2.Compose(
            [v2.RandomResizedCrop(x.shape[-1]), v2.RandomHorizontalFlip(), *scale]
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.x[index]), int(self.y[index])


def model_of(spec: RunSpec, data: Prepared) -> nn.Module:
    """The model that the trainer builds for a spec, with its initial weights, on the GPU."""
    model: nn.Module = make_model(spec, data)[0]
    return model.to(GPU)


def first(spec: RunSpec, task: ModuleType, data: Prepared) -> Iterator[None]:
    """Steps of the loop a user would write first."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False  # this and the next one: torch's defaults
    torch.backends.cudnn.allow_tf32 = True
    model = model_of(spec, data)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.lr, weight_decay=spec.weight_decay)
    x = data.arrays["train_x"]
    y = data.arrays["train_y"]
    images = "images" in task.TASK["takes"]
    dataset = Images(x, y) if images else TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    loader = DataLoader(
        dataset, spec.batch_size, shuffle=True, drop_last=True, num_workers=8 if images else 0
    )
    while True:
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = task.loss(model(inputs.to(GPU)), labels.to(GPU), spec.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()
            yield


def careful(
    spec: RunSpec,
    task: ModuleType,
    data: Prepared,
    watch: Callable[[nn.Module], Callable[[], object]] | None = None,
    compiles: bool = False,
) -> Iterator[None]:
    """Steps of a careful loop in mixed precision, eager or with model and loss compiled.

    watch(model) is called first, what it returns after each step.
    """
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    model = model_of(spec, data).to(memory_format=torch.channels_last)
    watched = watch(model) if watch else lambda: None

    def loss_of(inputs: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = task.loss(model(inputs), labels, spec.label_smoothing)
        return value

    if compiles:
        torch.compiler.reset()
        loss_of = torch.compile(loss_of)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=spec.lr, weight_decay=spec.weight_decay, fused=True
    )
    arrays = data.on(GPU, "train")
    standardised = data.inputs(GPU)
    for step in range(10**9):
        rows = torch.randint(len(arrays["x"]), (spec.batch_size,), device=GPU)
        inputs = arrays["x"][rows]
        labels = arrays["y"][rows]
        if spec.augment != "none":
            drawn = augment.draws(spec.augment, 0, step, len(rows), *inputs.shape[-2:])
            inputs = augment.augment(inputs, torch.from_numpy(drawn).to(GPU, non_blocking=True))
        inputs = standardised(inputs).contiguous(
            memory_format=torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
        )
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = loss_of(inputs, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        watched()
        yield


def trained(spec: RunSpec, task: ModuleType, data: Prepared) -> Iterator[None]:
    """Steps of a run, as `python -m actstudy train` makes them, though in this process."""
    torch.compiler.reset()
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(spec, Path(folder), data, GPU, Settings(quiet=True))
        for step, rows in batches(job, 0):
            job.train(step, rows)
            yield


def without_kernels(spec: RunSpec, task: ModuleType, data: Prepared) -> Iterator[None]:
    """Steps of a run whose GPU refuses the kernels of its model."""
    with mock.patch.object(kernels, "refusal", return_value="a benchmark"):
        yield from trained(spec, task, data)
