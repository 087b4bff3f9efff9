"""Kernels of the project's own in compiled code: causal attention, and a head with its loss.

A model uses them if `use` has been called on it, while it is being compiled. Compiled code takes
each for one operation; kernels themselves, and Triton with them, are imported when it runs.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn

HEAD_SIZE = 64
ROWS = 64  # a context is a multiple of it
LONGEST = 1024  # beyond, the attention of torch is as fast
MAX_HEADS = 65535  # of all examples: a launch has no more programs along y


def use(model: nn.Module) -> None:
    """Let the parts of a model that have kernels use them in compiled code."""
    for module in model.modules():
        if hasattr(module, "uses_kernels"):
            vars(module)["uses_kernels"] = True


@functools.cache  # asked once per process
def refusal(heads: int, vocabulary: int) -> str:
    """Why the kernels of a model do not work on the present GPU, in a line; empty if they do."""
    on_gpu: dict[str, Any] = {"device": "cuda", "dtype": torch.bfloat16}
    try:
        from actstudy.nets import attention_kernel, loss_kernel

        qkv = torch.zeros(1, ROWS, 3 * heads * HEAD_SIZE, **on_gpu)
        y, log_sums = attention_kernel.forward(qkv, heads)
        attention_kernel.backward(y, qkv, y, log_sums, heads)
        label = torch.zeros(1, device="cuda", dtype=torch.int64)
        loss_kernel.to_gradients(torch.zeros(1, vocabulary, **on_gpu), label, label + 1)
        torch.cuda.synchronize()
    except Exception as error:  # of a Triton that is not there, of compilers, of drivers
        return fault(error)
    return ""


def fault(error: BaseException) -> str:
    """Why a kernel does not work, in a line: the error that a chain of them began with.

    OutOfMemoryError if memory ran out: other runs take it, and the next time it may be there.
    """
    while error.__cause__:  # Triton's first line is a place
        error = error.__cause__
    if isinstance(error, torch.OutOfMemoryError):
        raise error
    if "out of memory" in str(error):  # of a launch: a RuntimeError
        raise torch.OutOfMemoryError(str(error)) from error
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def fits(qkv: Tensor, heads: int) -> bool:
    """Whether `attention` may be used for qkv (B, T, 3 C)."""
    B, T, width = qkv.shape  # noqa: N806
    of_size = width == 3 * heads * HEAD_SIZE and B * heads <= MAX_HEADS
    return of_size and T % ROWS == 0 and T <= LONGEST and qkv.dtype == torch.bfloat16


@torch.library.custom_op("actstudy::attention", mutates_args=())
def _attention(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    from actstudy.nets import attention_kernel

    return attention_kernel.forward(qkv.contiguous(), heads)


@torch.library.custom_op("actstudy::attention_backward", mutates_args=())
def _attention_backward(dy: Tensor, qkv: Tensor, y: Tensor, log_sums: Tensor, heads: int) -> Tensor:
    from actstudy.nets import attention_kernel

    return attention_kernel.backward(dy, qkv.contiguous(), y, log_sums, heads)


@_attention.register_fake
def _(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    B, T, width = qkv.shape  # noqa: N806
    log_sums = qkv.new_empty(B, heads, T, dtype=torch.float32)
    return qkv.new_empty(B, T, width // 3), log_sums


@_attention_backward.register_fake
def _(dy: Tensor, qkv: Tensor, y: Tensor, log_sums: Tensor, heads: int) -> Tensor:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format)


def _keep_attention(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor]) -> None:
    qkv, ctx.heads = inputs
    ctx.save_for_backward(qkv, *output)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _of_attention(ctx: Any, dy: Tensor, _: None) -> tuple[Tensor, None]:
    return _attention_backward(dy, *ctx.saved_tensors, ctx.heads), None


_attention.register_autograd(_of_attention, setup_context=_keep_attention)


def attention(qkv: Tensor, heads: int) -> Tensor:
    """Causal attention of packed queries, keys and values (B, T, 3 C) that fit: (B, T, C)."""
    y: Tensor = _attention(qkv, heads)[0]
    return y


@torch.library.custom_op("actstudy::head_loss", mutates_args=())
def _head_loss(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    from actstudy.nets import loss_kernel

    return loss_kernel.of_head(x, weight, y)


@_head_loss.register_fake
def _(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    loss = x.new_empty((), dtype=torch.float32)
    return loss, torch.empty_like(x), torch.empty_like(weight)


def _keep_gradients(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)


def _of_loss(ctx: Any, share: Tensor, *_: None) -> tuple[Tensor, Tensor, None]:
    by_x, by_weight = ctx.saved_tensors
    return by_x * share, by_weight * share, None


_head_loss.register_autograd(_of_loss, setup_context=_keep_gradients)


def head_loss(x: Tensor, weight: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats, float32, of logits x weight^T, computed in bf16.

    x (N, C), weight (V, C), y (N,): int64, negative where there is no label. Logits exist in the
    forward pass alone, which makes the gradients too.
    """
    loss: Tensor = _head_loss(x.bfloat16(), weight.bfloat16(), y)[0]
    return loss
