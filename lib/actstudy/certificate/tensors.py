"""Checks of what goes in and what comes out: shape, dtype, layout, input, device."""

import torch
from torch import Tensor, nn

from actstudy.certificate.outcome import Finding, NotMeasured
from actstudy.certificate.subject import SHAPE, Subject, call, normal, seeded
from actstudy.contract import own_import

SHAPES = ((6, 8), (2, 5, 8), (2, 8, 4, 4), (1, 1), (5,))
LOW = (torch.float16, torch.bfloat16)


def shape(subject: Subject) -> Finding | None:
    """A finding if the output has another shape than the input, or if it fails on one."""
    fix = "return a tensor of the input's shape, whatever that is; do not split or reduce it"
    failures = []
    for size in SHAPES:
        try:
            y = call(subject.fresh(), normal(*size))
        except Exception as error:
            failures.append(f"an input of shape {list(size)}: {own_import.blame(error)}")
            continue
        if tuple(y.shape) != size:
            text = f"an input of shape {list(size)} gives an output of shape {list(y.shape)}"
            return Finding(text, fix)
    return Finding(failures[0], fix) if failures else None


def dtype(subject: Subject) -> Finding | None:
    """A finding if the output has another dtype than input and module, or is no float."""
    for kind in (torch.float32, torch.float64, *LOW):
        try:
            y = call(subject.fresh(kind), normal(*SHAPE).to(kind))
        except RuntimeError:
            if kind not in LOW:
                raise
            continue  # half precision has a check of its own
        if y.dtype != kind:
            constants = _constants(subject.fresh())
            text = f"an input of {kind} gives an output of {y.dtype}{_with(constants)}"
            fix = (
                "register_buffer for constant tensors, so that .to converts them; or y.to(x.dtype)"
            )
            return Finding(text, fix)
    return None


def layout(subject: Subject) -> Finding | None:
    """A finding if tensors that are not contiguous give other values; in evaluation."""
    x = normal(4, 8, 6, 6)
    laid_out = {
        "transposed": x.transpose(1, 2),
        "channels last": x.to(memory_format=torch.channels_last),
        "a slice": x[:, ::2],
    }
    for words, view in laid_out.items():
        with seeded():
            expected = subject.fresh().eval()(view.contiguous())
        with seeded():
            y = subject.fresh().eval()(view.clone())
        if not torch.allclose(y, expected, rtol=1e-5, atol=1e-6, equal_nan=True):
            text = f"a tensor that is not contiguous ({words}) gives other values than its copy"
            return Finding(text, "use reshape instead of view, and no data_ptr or as_strided")
    return None


def untouched(subject: Subject) -> Finding | None:
    """A finding if the input's values are changed in place."""
    for size in SHAPES:
        x = normal(*size) * 3
        before = x.clone()
        with seeded(), torch.no_grad():
            subject.fresh()(x)
        if not torch.equal(x, before):
            n = int((x != before).sum())
            text = f"the call changes its input in place: {n} of {x.numel()} values"
            return Finding(
                text, "return a new tensor: torch.relu(x) and x * 2, not x.relu_() or x *= 2"
            )
    return None


def device(subject: Subject) -> Finding | None:
    """A finding if a tensor stays on the CPU when module and input are on another device."""
    if torch.cuda.is_available():
        y = subject.fresh().to("cuda")(normal(*SHAPE).to("cuda"))
        fault = "" if y.is_cuda else f"an input on cuda gives an output on {y.device}"
    else:
        fault = _fault_on_fake_device(subject.fresh())
    if not fault:
        return None
    fix = "self.register_buffer('NAME', tensor) in __init__, and device=x.device for new tensors"
    return Finding(f"{fault}{_with(_constants(subject.fresh()))}", fix)


def _fault_on_fake_device(module: nn.Module) -> str:
    """What goes wrong on a GPU that is only imitated: shapes and devices without values."""
    from torch._subclasses import fake_tensor

    by_values = (
        fake_tensor.DataDependentOutputException,
        fake_tensor.DynamicOutputShapeException,
        fake_tensor.UnsupportedFakeTensorException,
        fake_tensor.UnsupportedOperatorException,
    )
    mode = fake_tensor.FakeTensorMode(allow_non_fake_inputs=True)
    try:
        with mode:
            tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
            moved = {name: mode.from_tensor(part).to("cuda") for name, part in tensors.items()}
            x = torch.empty(SHAPE, device="cuda")
            y = torch.func.functional_call(module, moved, (x,))
    except by_values as error:
        reason = f"no GPU, and without one: {type(error).__name__}"
        raise NotMeasured(reason) from None
    except RuntimeError as error:
        if "device" not in str(error):
            raise NotMeasured(f"no GPU, and without one: {own_import.blame(error)}") from None
        return own_import.blame(error)
    return "" if y.device.type == "cuda" else f"an input on cuda gives an output on {y.device}"


def _constants(module: nn.Module) -> list[str]:
    """Names of tensors with an axis that are plain attributes: .to() does not convert them."""
    names = []
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.ndim:
                names.append(f"{prefix}.{name}".lstrip("."))
    return names


def _with(constants: list[str]) -> str:
    if not constants:
        return ""
    return f"; neither parameter nor buffer: {', '.join(f'self.{name}' for name in constants)}"
