"""What evaluates and probes the runs that `pack_kernel` trains: logits of many examples, passes."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from actstudy.health.moments import PASSES, Passes
from actstudy.training.log import Log
from actstudy.training.pack_kernel import PackKernel
from actstudy.training.pack_launch import Begin, launched, rehearse, tried


@dataclass(frozen=True)
class Blocks:
    """How an evaluation is cut: examples of a program, features at a time, stages, threads.

    All runs of a precision have the same, as other ones may sum in another order.
    """

    examples: int
    features: int
    stages: int
    registers: int  # of a thread
    warps: int = 8


BLOCKS = {  # the fastest of those that were tried on an H200 and do not read ahead
    "tf32": Blocks(examples=128, features=32, stages=2, registers=255),
    "bf16": Blocks(examples=128, features=32, stages=2, registers=128),
}


def make(kernel: PackKernel, logs: Sequence[Log]) -> Any:
    """The evaluation by a kernel of packs, tried; None if it does not work: the logs say why."""
    blocks = BLOCKS[kernel.spec.precision]
    return tried(lambda: PackEvaluation(kernel, blocks), logs, "evaluation layer by layer")


def passes(kernel: PackKernel, logs: Sequence[Log]) -> Passes:
    """What probes read sites of a kernel's runs with: passes of its own, tried, else torch's."""

    def build() -> Any:
        from actstudy.training.pack_probes import PackPasses  # leads to Triton

        return PackPasses(kernel.pre[:, :, 0].unbind(1))

    return tried(build, logs, "probes read by torch") or PASSES


class PackEvaluation:
    """Evaluates the runs of a kernel, of the weights that it trains."""

    def __init__(self, kernel: PackKernel, blocks: Blocks) -> None:
        self.kernel = kernel
        self.blocks = blocks
        self.size = dataclasses.replace(
            kernel.size,
            examples=blocks.examples,
            inputs=-(-kernel.features // blocks.features) * blocks.features,
            part_inputs=blocks.features,
            stages=blocks.stages,
        )

    def rehearse(self) -> None:
        """Compile and launch all there is."""
        rehearse(partial(self.logits, self.kernel.x.new_zeros(1, self.kernel.features)))

    @torch.no_grad()
    def logits(self, x: Tensor, begin: Begin = launched) -> Tensor:
        """Logits (R, N, classes) of x (N, features); zeros in rows without a run.

        begin: how its programs do.
        """
        kernel = self.kernel
        blocks = -(-len(x) // self.size.examples)
        filled = kernel.x.new_zeros(blocks * self.size.examples, self.size.inputs)
        filled[: len(x), : x.shape[1]] = x
        logits = kernel.weights.new_zeros(len(kernel.pre), len(x), kernel.classes)
        kernel.for_each_activation(partial(self._launch, begin, filled, logits))
        return logits

    def _launch(self, begin: Begin, x: Tensor, logits: Tensor, name: str, runs: Tensor) -> None:
        """Launch the programs of the runs of an activation."""
        from actstudy.training import pack_formulas, pack_program

        kernel = self.kernel
        options: dict[str, Any] = {"num_warps": self.blocks.warps}
        if x.is_cuda:
            options["maxnreg"] = self.blocks.registers
        grid = (len(x) // self.size.examples, len(runs))
        begin(pack_program.logits_of, grid)(
            runs,
            x,
            kernel.weights,
            kernel.settings,
            logits,
            len(logits),
            kernel.depth,
            logits.shape[1],
            getattr(pack_formulas, name),
            self.size,
            **options,
        )
