"""The checks of a certificate, in their order: the table CHECKS."""

from collections.abc import Callable
from typing import NamedTuple

from actstudy.certificate import derivatives, instances, precision, tensors, tracing
from actstudy.certificate.outcome import Finding
from actstudy.certificate.subject import Subject

SHAPE = "shape"
REPEATS = "deterministic"


class Check(NamedTuple):
    """A check: what holds if it passes, what tests that, and what to change if that raises.

    run: a finding, or None; NotMeasured if this machine or activation does not allow it.
    needs: checks without whose passing its outcome would only repeat theirs.
    """

    title: str
    run: Callable[[Subject], Finding | None]
    fix: str
    needs: tuple[str, ...] = (SHAPE,)


CHECKS: dict[str, Check] = {
    SHAPE: Check(
        "the output has the input's shape, for 1 to 4 axes",
        tensors.shape,
        "take a tensor of any number of axes and any size",
        needs=(),
    ),
    "dtype": Check(
        "the output has the input's dtype",
        tensors.dtype,
        "no fixed dtype in forward: y.to(x.dtype)",
    ),
    "input": Check(
        "the input is not changed in place",
        tensors.untouched,
        "return a new tensor",
    ),
    REPEATS: Check(
        "one seed gives one output; evaluation is not random",
        instances.deterministic,
        "draw random numbers by torch alone, and only `if self.training:`",
    ),
    "layout": Check(
        "inputs that are not contiguous give the same values",
        tensors.layout,
        "use reshape instead of view",
        needs=(SHAPE, REPEATS),
    ),
    "flow": Check(
        "a gradient reaches the input",
        derivatives.flow,
        "no .detach(), .data or torch.no_grad() in forward",
    ),
    "parameters": Check(
        "what learns is a parameter, and each parameter gets a gradient",
        derivatives.parameters,
        "self.NAME = nn.Parameter(...) in __init__, used in forward as it is",
        needs=(SHAPE, "flow"),
    ),
    "backward": Check(
        "gradient by input and parameters against differences, float64 (gradcheck)",
        derivatives.backward,
        "make backward the derivative of forward; or drop the custom one, autograd makes it",
        needs=(SHAPE, REPEATS, "flow", "parameters"),
    ),
    "double_backward": Check(
        "the gradient's own gradient against differences, float64 (gradgradcheck)",
        derivatives.double_backward,
        "write backward in torch operations on saved tensors, without @once_differentiable",
        needs=(SHAPE, REPEATS, "flow", "parameters"),
    ),
    "finite": Check(
        "output and gradient are finite at 0 and to |x| = 1e4, float32",
        precision.finite,
        "take care of divisors and of arguments of log, sqrt and exp",
    ),
    "fp16": Check(
        "fp16 is finite and near float64 to |x| = 1e4",
        precision.fp16,
        "y = f(x.float()).to(x.dtype)",
        needs=(SHAPE, REPEATS),
    ),
    "bf16": Check(
        "bf16 is finite and near float64 to |x| = 1e4",
        precision.bf16,
        "y = f(x.float()).to(x.dtype)",
        needs=(SHAPE, REPEATS),
    ),
    "device": Check(
        "no tensor stays behind when the module moves to a GPU",
        tensors.device,
        "self.register_buffer('NAME', tensor) in __init__, and device=x.device for new tensors",
        needs=(SHAPE, "flow", "parameters"),
    ),
    "autocast": Check(
        "a small model trains under autocast as in float32",
        precision.autocast,
        "bring parameters and constants to the input's dtype: self.scale.to(x.dtype)",
        needs=(SHAPE, "dtype", REPEATS, "flow", "parameters", "device"),
    ),
    "pickle": Check(
        "pickle gives the same activation back",
        instances.picklable,
        "name functions and classes at the top of the module (def, no lambda)",
        needs=(SHAPE, REPEATS),
    ),
    "deepcopy": Check(
        "copy.deepcopy gives the same activation, with tensors of its own",
        instances.copyable,
        "keep no computed tensor with a gradient in self",
        needs=(SHAPE, REPEATS),
    ),
    "state_dict": Check(
        "a state_dict brings the activation back, also after calls",
        instances.restorable,
        "register_buffer for tensors that calls change",
        needs=(SHAPE, REPEATS),
    ),
    "instance": Check(
        "each site has a fresh instance, with parameters of its own",
        instances.fresh,
        "make the module and its nn.Parameters anew in each call, in __init__",
    ),
    "state": Check(
        "calls of one instance do not change another",
        instances.apart,
        "keep state in self, not in globals, class attributes or default arguments",
        needs=(SHAPE, REPEATS),
    ),
    "compile": Check(
        "torch.compile takes it in one piece, with the same numbers",
        tracing.compiled,
        tracing.COMPILE_FIX,
        needs=(SHAPE, REPEATS),
    ),
    "cuda_graph": Check(
        "forward and backward are recorded as a CUDA graph and replayed",
        tracing.recorded,
        tracing.RECORD_FIX,
        needs=(SHAPE, REPEATS, "flow", "parameters", "device"),
    ),
}
