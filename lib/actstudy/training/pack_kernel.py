"""The runs of a pack that `pack_program` trains: which ones, their tensors, its launches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from actstudy.contract.pack_kernels import why_not
from actstudy.contract.spec import RunSpec
from actstudy.nets.activations import ACTIVATIONS
from actstudy.nets.packed import PackedMLP
from actstudy.training.log import Log
from actstudy.training.pack_launch import Begin, launched, rehearse, tried

MAX_CLASSES = 128


@dataclass(frozen=True)
class Tiles:
    """How a program is cut: units of the backward pass and features at a time, loads, threads.

    All runs of a precision have the same, as other tiles may sum in another order.
    """

    units: int
    features: int
    stages: int
    warps: int = 8
    registers: int = 255  # of a thread
    parallel: bool = True  # the launches of different activations


TILES = {  # the fastest of those that were tried on an H200; in bf16 two share a multiprocessor
    "tf32": Tiles(units=32, features=32, stages=3),
    "bf16": Tiles(units=32, features=32, stages=3, registers=128),
}


def make(model: PackedMLP, specs: Sequence[RunSpec], seed_of: Tensor, logs: Sequence[Log]) -> Any:
    """The kernel of a pack, tried; None if it does not train the runs, whose logs say why not.

    specs, logs: of the first rows of the model; seed_of: each row's place among the seeds (R,).
    """
    reason = next(filter(None, map(why_not, specs)), None) or _why_not_there(model)
    if reason:
        for log in logs:
            log.line(f"kernel: not used: {reason}")
        return None
    tiles = TILES[specs[0].precision]
    kernel = tried(lambda: PackKernel(model, specs, seed_of, tiles), logs, "not used")
    if kernel:
        for log in logs:
            log.line("kernel: used")
    return kernel


def _why_not_there(model: PackedMLP) -> str | None:
    """The reason for which a model cannot be trained by the kernel at its place."""
    head = model.stacked[model.n_of_layers - 1]
    if head.device.type != "cuda":
        return f"device {head.device.type}"
    if head.shape[1] > MAX_CLASSES:
        return f"{head.shape[1]} classes, above {MAX_CLASSES}"
    return None


class PackKernel:
    """Trains the first rows of a packed model, plain MLPs, in its stacked parameters.

    fused: plain SGD is part of the kernel; else an optimizer takes `gradients`, each (R, ...).
    Further rows are left alone; their gradients and scores are zero.
    """

    def __init__(
        self,
        model: PackedMLP,
        specs: Sequence[RunSpec],
        seed_of: Tensor,
        tiles: Tiles,
    ) -> None:
        self.spec = specs[0]
        self.tiles = tiles
        self.fused = self.spec.optimizer == "sgd" and not (self.spec.momentum or self.spec.clip)
        self.seed_of = seed_of
        device = seed_of.device
        settings = [(_argument(spec), spec.lr, spec.weight_decay) for spec in specs]
        self.settings = torch.tensor(settings, device=device)
        self.by_activation: dict[str, Tensor] = {}
        for name in dict.fromkeys(str(spec.activation) for spec in specs):
            alike = [run for run, spec in enumerate(specs) if spec.activation == name]
            self.by_activation[name] = torch.tensor(alike, device=device)
        self.streams: list[Any] = []
        if tiles.parallel and device.type == "cuda":
            self.streams = [torch.cuda.Stream() for _ in list(self.by_activation)[1:]]
        self._join(model)
        self._allot(model.runs, int(seed_of.max()) + 1)

    def _join(self, model: PackedMLP) -> None:
        """Put the parameters into one piece of memory, and make the like for gradients."""
        stacks = list(model.stacked[: model.n_of_layers])
        self.depth = len(stacks) // 2 - 1
        self.width, self.features = stacks[0].shape[1:]
        self.classes = stacks[-1].shape[1]
        self.weights, parts = _joined([stack.detach() for stack in stacks])
        for stack, part in zip(stacks, parts, strict=True):
            stack.data = part
        self.flat_gradients, self.gradients = _joined([torch.zeros_like(part) for part in parts])

    def _allot(self, n: int, seeds: int) -> None:
        """Make the memory that n programs write, and that of the seeds' batches."""
        from actstudy.training import pack_layers  # leads to Triton, which is not everywhere

        tiles = self.tiles
        examples = _padded(self.spec.batch_size)
        units = _padded(self.width)
        inputs = -(-self.features // tiles.features) * tiles.features
        dtype = torch.float32 if self.spec.precision == "tf32" else torch.bfloat16
        of_values: dict[str, Any] = {"dtype": dtype, "device": self.seed_of.device}
        self.pre = torch.zeros(n, self.depth, examples, units, **of_values)
        self.carry = torch.zeros(n, 2, examples, units, **of_values)
        self.x = torch.zeros(seeds, examples, inputs, **of_values)
        self.scores = torch.zeros(2, n, device=self.seed_of.device)
        self.size = pack_layers.Sizes(
            tf32=dtype == torch.float32,
            batch=self.spec.batch_size,
            features=self.features,
            width=self.width,
            classes=self.classes,
            examples=examples,
            inputs=inputs,
            units=units,
            outputs=_padded(self.classes),
            part=min(tiles.units, units),
            part_inputs=tiles.features,
            stages=tiles.stages,
        )

    def rehearse(self) -> None:
        """Compile and launch all there is, and change nothing that counts."""
        y = torch.zeros(len(self.x), self.spec.batch_size, dtype=torch.long, device=self.x.device)
        x = self.x[:, : self.spec.batch_size, : self.features]
        rehearse(partial(self.step, x, y, self.scores.new_zeros(3), False, False))

    @torch.no_grad()
    def step(
        self,
        x: Tensor,
        y: Tensor,
        scalars: Tensor,
        update: bool,
        keep: bool,
        begin: Begin = launched,
    ) -> tuple[Tensor, Tensor]:
        """Loss and accuracy (R,) on the seeds' batches x (S, B, features) and y (S, B).

        update: the weights as well, at the share scalars[0] of the runs' rates; keep: gradients
        are written; begin: how its programs do.
        """
        self.x[:, : x.shape[1], : x.shape[2]] = x
        self.for_each_activation(partial(self._launch, begin, y, scalars, update, keep))
        loss, accuracy = self.scores.clone()
        return loss, accuracy

    def for_each_activation(self, launch: Callable[[str, Tensor], None]) -> None:
        """Launch what each activation's runs need, by its name and theirs, next to each other."""
        (first, runs), *others = self.by_activation.items()
        for stream, other in zip(self.streams, others, strict=False):
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                launch(*other)
        launch(first, runs)
        for other in others[len(self.streams) :]:
            launch(*other)
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)

    def _launch(
        self,
        begin: Begin,
        y: Tensor,
        scalars: Tensor,
        update: bool,
        keep: bool,
        name: str,
        runs: Tensor,
    ) -> None:
        """Launch the programs of the runs of an activation."""
        from actstudy.training import pack_formulas, pack_program

        options: dict[str, Any] = {"num_warps": self.tiles.warps, "num_stages": self.tiles.stages}
        if self.x.is_cuda:
            options["maxnreg"] = self.tiles.registers
        begin(pack_program.step, (len(runs),))(
            runs,
            self.seed_of,
            self.x,
            y,
            self.weights,
            self.flat_gradients,
            self.pre,
            self.carry,
            self.settings,
            scalars,
            self.scores,
            len(self.pre),
            self.depth,
            self.spec.label_smoothing,
            int(update),
            int(keep),
            getattr(pack_formulas, name),
            self.size,
            **options,
        )


def _joined(stacks: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Tensors in one piece of memory, first all matrices, then all biases; and each, in it."""
    order = [*range(0, len(stacks), 2), *range(1, len(stacks), 2)]
    flat = torch.cat([stacks[k].flatten() for k in order])
    parts = dict(zip(order, flat.split([stacks[k].numel() for k in order]), strict=True))
    return flat, [parts[k].view_as(stack) for k, stack in enumerate(stacks)]


def _padded(size: int) -> int:
    """The side of a tile that holds so many: a power of two, at least what products take."""
    return max(16, 1 << (size - 1).bit_length())


def _argument(spec: RunSpec) -> float:
    """The argument of a run's activation, zero if it has none."""
    args = ACTIVATIONS[str(spec.activation)].args if spec.activation in ACTIVATIONS else {}
    return next((spec.activation_args.get(name, value) for name, value in args.items()), 0.0)
