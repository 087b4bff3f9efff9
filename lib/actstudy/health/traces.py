"""What tensors of a forward pass were made of: norms, features divided by them, scales of logits.

Each function is seen as torch calls it. What is written as an autograd.Function, in TorchScript or
in NumPy is not.
"""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actstudy.health.calls import Seen

# What a tensor is: squares, their sum, a norm, one over a norm, features or their products, a scale
SQUARE, SUM, NORM, INVERSE, FEATURES, SCALE = (
    "square",
    "sum",
    "norm",
    "inverse",
    "features",
    "scale",
)
NORMS = {"norm", "linalg_norm", "linalg_vector_norm"}
SHIFTS = {"add", "radd", "iadd", "clamp", "clamp_min", "clip", "maximum", "mul", "imul", "div"}
DIVISIONS = {"div", "idiv", "itruediv", "truediv", "true_divide", "divide"}
INVERSIONS = {"reciprocal", "rdiv", "rtruediv"}
MULTIPLICATIONS = {"mul", "imul", "multiply"}
PRODUCTS = {"matmul", "rmatmul", "mm", "linear", "einsum", "inner"}
SHAPES = {
    *("get", "getitem", "t", "transpose", "permute", "movedim", "view", "view_as", "reshape"),
    *("expand", "expand_as", "unsqueeze", "squeeze", "flatten", "contiguous", "clone", "cat"),
    *("to", "type", "type_as", "float", "double", "half", "bfloat16"),
}
OF_LOGITS = {"add", "radd", "sub", "masked_fill", "where", "clamp"}  # leave logits logits


class Trace(NamedTuple):
    """What a tensor is, and of norms what stands there for a vector of zeros.

    zero: what the same functions make of a zero vector, in the same precision; root: what stood
    under a root that is written out (its slope is infinite at 0); is_product: features times
    others; scale: the name of the parameter that they were multiplied by.
    """

    role: str
    zero: Tensor | None = None
    root: Tensor | None = None
    is_product: bool = False
    scale: str | None = None
    is_exp: bool = False  # of a scale: whether it passed an exponential


class Division(NamedTuple):
    """A division by a norm: the smallest divisor, and the divisor for a vector of zeros."""

    place: str
    divisor: Tensor
    floor: Tensor


class Traces:
    """Traces of the tensors of a step.

    divisions: those by norms of what has a gradient; scales: name of a parameter, or "" of a
    number in the code -> what logits were multiplied by; exponentials: name -> the last number made
    from it by an exponential; n_pairs: rows of the largest square of scaled or normalised products.
    """

    def __init__(self, scales: Mapping[str, nn.Parameter]) -> None:
        self.divisions: list[Division] = []
        self.scales: dict[str, Tensor] = {}
        self.exponentials: dict[str, Tensor] = {}
        self.n_pairs = 0
        self._of: dict[int, tuple[weakref.ref[Tensor], Trace]] = {}
        for name, parameter in scales.items():
            self._put(parameter, Trace(SCALE, scale=name))

    def see(self, place: str, call: Seen) -> None:
        """Note what the result of a call at a place is, a tensor of numbers, and what it shows."""
        self._place = place
        trace = self._trace(call)
        if trace:
            self._put(call.result, trace)
            self._note_pairs(call.result, trace)
        else:
            self._of.pop(id(call.result), None)

    def of(self, x: Any) -> Trace | None:
        """What a tensor is; None if nothing is known of it."""
        entry = self._of.get(id(x))
        return entry[1] if entry and entry[0]() is x else None

    def _put(self, x: Tensor, trace: Trace) -> None:
        self._of[id(x)] = (weakref.ref(x), trace)

    def _trace(self, call: Seen) -> Trace | None:
        """What the result of a call is."""
        operands = call.operands
        if call.name in NORMS and call.result.requires_grad:
            return Trace(NORM, call.result.detach().new_zeros(1))
        if call.name in ("normalize", "cosine_similarity"):
            return self._normalized(call)
        if _is_square(call.name, operands):
            return Trace(SQUARE)
        traces = [trace for trace in map(self.of, operands) if trace]
        if not traces:
            return None
        first = traces[0]
        if call.name in SHAPES and first.role != SCALE:
            return _of_dtype(self.of(operands[0]), call.result.dtype)
        if any(trace.role == SCALE for trace in traces):
            return self._scaled(call, traces)
        if any(trace.role in (SQUARE, SUM, NORM, INVERSE) for trace in traces):
            return self._of_norm(call, traces)
        return self._of_features(call, traces)

    def _of_norm(self, call: Seen, traces: list[Trace]) -> Trace | None:
        """What becomes of squares, sums and norms."""
        first = traces[0]
        name = call.name
        exponent = call.args[1] if name == "pow" and len(call.args) > 1 else None
        if first.role == SQUARE:
            return Trace(SUM, call.result.detach().new_zeros(1)) if name == "sum" else None
        if any(trace.role == INVERSE for trace in traces):
            return Trace(FEATURES) if name in MULTIPLICATIONS else None
        if first.role == SUM and (name == "sqrt" or exponent == 0.5):
            return Trace(NORM, self._for_zero(call), first.zero)
        if first.role == SUM and (name == "rsqrt" or exponent == -0.5):
            self._divide(call, call.result.reciprocal(), self._for_zero(call).reciprocal())
            return Trace(INVERSE)
        of_divisor = self.of(call.args[1]) if name in DIVISIONS and len(call.args) > 1 else None
        if of_divisor and of_divisor.role == NORM:
            self._divide(call, call.args[1], of_divisor.zero, of_divisor.root)
            return Trace(FEATURES)
        if first.role == NORM and name in INVERSIONS:
            self._divide(call, call.args[0], first.zero, first.root)
            return Trace(INVERSE)
        if name in SHIFTS and self._is_of_norms(call):
            return Trace(first.role, self._for_zero(call), first.root)
        return None

    def _of_features(self, call: Seen, traces: list[Trace]) -> Trace | None:
        """What becomes of features and their products; a number that divides logits is a scale."""
        first = traces[0]
        scale = next((trace.scale for trace in traces if trace.scale is not None), None)
        if call.name in PRODUCTS:
            both = len(traces) > 1
            return Trace(FEATURES, is_product=True, scale=scale) if both or scale else None
        number = next((x for x in call.operands if isinstance(x, float | int)), None)
        if call.name in DIVISIONS | MULTIPLICATIONS and number and len(traces) == 1:
            if first.is_product and _is_a_square_table(call.result) and scale is None:
                factor = number if call.name in MULTIPLICATIONS else 1 / number
                self.scales.setdefault("", call.result.new_tensor(abs(factor)))
            return first
        return first if call.name in OF_LOGITS else None

    def _scaled(self, call: Seen, traces: list[Trace]) -> Trace | None:
        """What becomes of a scale: another number, or what it multiplies or divides."""
        scale = next(trace for trace in traces if trace.role == SCALE)
        name = scale.scale or ""
        if call.result.numel() == 1:
            is_exp = scale.is_exp or call.name in ("exp", "exp2")
            if is_exp:
                self.exponentials[name] = call.result.detach()
            return scale._replace(is_exp=is_exp)
        factor = next(x for x in call.operands if self.of(x) is scale)
        if call.name in MULTIPLICATIONS:
            self.scales[name] = factor.detach()
        elif call.name in DIVISIONS and factor is not call.args[0]:
            self.scales[name] = factor.detach().reciprocal()
        else:
            return None
        others = [trace for trace in traces if trace.role == FEATURES]
        return Trace(FEATURES, is_product=any(x.is_product for x in others), scale=name)

    def _normalized(self, call: Seen) -> Trace:
        """Note the divisions that torch's own normalisation and cosine make."""
        is_cosine = call.name == "cosine_similarity"
        values = [x for x in call.operands if isinstance(x, Tensor)]
        names = ("x1", "x2", "dim", "eps") if is_cosine else ("input", "p", "dim", "eps")
        given = dict(zip(names, call.args, strict=False)) | dict(call.named)
        eps = given.get("eps", 1e-8 if is_cosine else 1e-12)
        for x in values:
            if x.requires_grad:
                norms = x.detach().norm(given.get("p", 2.0), given.get("dim", 1))
                zero = x.detach().new_zeros(1, 1).norm(dim=1)
                self._divide(call, norms.clamp_min(eps), zero.clamp_min(eps))
        return Trace(FEATURES, is_product=is_cosine)

    def _divide(
        self, call: Seen, divisor: Tensor, zero: Tensor | None, root: Tensor | None = None
    ) -> None:
        """Note a division by a norm; a root of zero has no slope, whatever is added behind it."""
        if zero is None or not divisor.numel():
            return
        floor = zero.detach().amin()
        if root is not None:
            floor = torch.where(root.amin() == 0, torch.zeros_like(floor), floor)
        site = f"{self._place}({call.name})"
        self.divisions.append(Division(site, divisor.detach().abs().amin(), floor))

    def _is_of_norms(self, call: Seen) -> bool:
        """Whether a call has numbers and norms alone."""
        tensors = [x for x in call.operands if isinstance(x, Tensor)]
        return all(x.numel() == 1 or self.of(x) for x in tensors)

    def _for_zero(self, call: Seen) -> Tensor:
        """What a call returns if every norm in it is that of a zero vector, (1,)."""

        def at_zero(x: Any) -> Any:
            trace = self.of(x)
            return trace.zero.clone() if trace and trace.zero is not None else x

        named = {name: at_zero(x) for name, x in call.named.items()}
        value: Tensor = call.function(*map(at_zero, call.args), **named)
        return value.detach().amin().view(1)

    def _note_pairs(self, x: Tensor, trace: Trace) -> None:
        is_logits = trace.role == FEATURES and (trace.is_product or trace.scale is not None)
        if is_logits and _is_a_square_table(x):
            self.n_pairs = max(self.n_pairs, len(x))


def _is_a_square_table(x: Tensor) -> bool:
    return x.ndim == 2 and x.shape[0] == x.shape[1]


def _is_square(name: str, operands: Sequence[Any]) -> bool:
    """Whether a call returns the squares of a tensor."""
    if name == "square":
        return True
    if len(operands) < 2 or not isinstance(operands[0], Tensor) or operands[0].numel() == 1:
        return False
    return (name == "pow" and _is_two(operands[1])) or (
        name in MULTIPLICATIONS and operands[0] is operands[1]
    )


def _of_dtype(trace: Trace | None, dtype: torch.dtype) -> Trace | None:
    """A trace of what was cast or shaped."""
    if trace is None or trace.zero is None:
        return trace
    return trace._replace(zero=trace.zero.to(dtype))


def _is_two(x: Any) -> bool:
    return isinstance(x, float | int) and x == 2
