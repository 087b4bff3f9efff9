"""Tracing of a step's tensors, call by call: what each is, from what it was made of."""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.health.calls import Seen
from actstudy.health.traces import (
    DIVISIONS,
    FEATURES,
    INDEX,
    INVERSE,
    INVERSIONS,
    MULTIPLICATIONS,
    NORM,
    NORMS,
    OF_LOGITS,
    PRODUCTS,
    SCALE,
    SHAPES,
    SHIFTS,
    SQUARE,
    SUM,
    SUMS,
    Division,
    Trace,
    is_a_square_table,
    is_number,
    is_square,
    of_dtype,
    of_sum,
    product,
)


class Traces:
    """Traces of the tensors of a step.

    divisions: those by norms of what has a gradient; scales: name of a parameter, or "" of a
    number without such a name -> what logits were multiplied by; learns_number: whether that has
    a gradient; exponentials: name -> the last number that an exponential made of it; n_pairs: rows
    of the largest square of products that are normalised or scaled, or of logits whose right
    answers are 0, 1, 2, ..
    """

    def __init__(self, scales: Mapping[str, nn.Parameter]) -> None:
        self.divisions: list[Division] = []
        self.scales: dict[str, Tensor] = {}
        self.exponentials: dict[str, Tensor] = {}
        self.n_pairs = 0
        self.learns_number = False
        self._number: Tensor | None = None  # whose square is that of the scale ""
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
        if call.name == "arange":
            return Trace(INDEX)
        if call.name in NORMS and call.result.requires_grad:
            return Trace(NORM, call.result.detach().new_zeros(1))
        if call.name in ("normalize", "cosine_similarity"):
            return self._normalized(call)
        if is_square(call.name, operands):
            return Trace(SQUARE)
        traces = [trace for trace in map(self.of, operands) if trace]
        if not traces:
            return None
        first = traces[0]
        if call.name in SHAPES and first.role != SCALE:
            return of_dtype(self.of(operands[0]), call.result.dtype)
        if first.role == INDEX or traces[-1].role == INDEX:
            self._note_targets(call)
            return None
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
        """What becomes of features and their products."""
        first = traces[0]
        factors = [trace.factor for trace in traces]
        if call.name in PRODUCTS:
            scale = next((trace.scale for trace in traces if trace.scale is not None), None)
            if len(traces) == 1 and scale is None:
                return None
            whole = Trace(FEATURES, None, None, True, scale, product(factors))
            return self._read(call, traces, whole)
        if call.name in SUMS and len(traces) > 1 and len({x.scale for x in traces}) == 1:
            whole = first._replace(factor=of_sum(traces, call.result))
            return self._read(call, traces, whole) if product(factors) is not None else whole
        is_division = call.name in DIVISIONS
        is_factor = is_division or call.name in MULTIPLICATIONS
        number = next((x for x in call.operands if is_number(x)), None)
        if is_factor and len(traces) == 1 and number is not None:
            self.learns_number |= isinstance(number, Tensor) and number.requires_grad
            value = torch.as_tensor(number, dtype=torch.float64, device=call.result.device)
            power = value.detach() ** (-1 if is_division else 1)
            return self._read(call, traces, first._replace(factor=product([first.factor, power])))
        return first if call.name in OF_LOGITS else None

    def _read(self, call: Seen, traces: list[Trace], trace: Trace) -> Trace:
        """Note the factor of a result that was made of traced ones, which it goes on from.

        A number is a scale if it multiplies a square of products; the first such square counts.
        """
        if trace.factor is None:
            return trace
        if trace.scale is not None:
            self.scales[trace.scale] = trace.factor
            return trace
        counts = self._number is None or any(of.factor is self._number for of in traces)
        if counts and trace.is_product and is_a_square_table(call.result):
            self._number = trace.factor
            self.scales[""] = trace.factor.abs()
        return trace

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
            value = factor.detach()
        elif call.name in DIVISIONS and factor is not call.args[0]:
            value = factor.detach().reciprocal()
        else:
            return None
        others = [trace for trace in traces if trace.role == FEATURES]
        is_product = any(trace.is_product for trace in others)
        whole = product([value, *(trace.factor for trace in others)])
        return self._read(call, traces, Trace(FEATURES, None, None, is_product, name, whole))

    def _normalized(self, call: Seen) -> Trace:
        """Note the divisions that torch's own normalisation and cosine make."""
        is_cosine = call.name == "cosine_similarity"
        values = [x for x in call.operands if isinstance(x, Tensor)]
        names = ("x1", "x2", "dim", "eps") if is_cosine else ("input", "p", "dim", "eps")
        arguments = dict(zip(names, call.args, strict=False)) | dict(call.named)
        eps = arguments.get("eps", 1e-8 if is_cosine else 1e-12)
        for x in values:
            if x.requires_grad:
                norms = x.detach().norm(arguments.get("p", 2.0), arguments.get("dim", 1))
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
        """What a call returns if every norm in it is that of a zero vector, (1,).

        It is made of copies, as it may write into its arguments.
        """

        def at_zero(x: Any) -> Any:
            trace = self.of(x)
            if trace and trace.zero is not None:
                return trace.zero.clone()
            if not isinstance(x, Tensor):
                return x
            copy = x.detach().clone()
            return copy.view(1) if copy.numel() == 1 else copy

        named = {name: at_zero(x) for name, x in call.named.items() if name != "out"}
        value: Tensor = call.function(*map(at_zero, call.args), **named)
        return value.detach().amin().view(1)

    def _note_targets(self, call: Seen) -> None:
        """Note logits (B, B) whose right answers are 0, 1, 2, .."""
        is_of_pairs = call.name == "cross_entropy" and is_a_square_table(call.operands[0])
        if is_of_pairs and self.of(call.operands[1]):
            self.n_pairs = max(self.n_pairs, len(call.operands[0]))

    def _note_pairs(self, x: Tensor, trace: Trace) -> None:
        is_logits = trace.role == FEATURES and (trace.is_product or trace.scale is not None)
        if is_logits and is_a_square_table(x):
            self.n_pairs = max(self.n_pairs, len(x))
