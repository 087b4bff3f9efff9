"""Triton kernels of causal attention for short contexts, forward and backward, packed q, k, v.

Scores stay on the chip (Dao et al. 2022, arXiv:2205.14135). A program of the backward pass has a
block of rows: it sums their gradients as keys and values over queries, then those as queries over
keys, so that no sum runs over programs and its order is fixed.
"""

# mypy: disable-error-code="no-untyped-def"

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # rows at once, of queries and of keys
# num_stages: blocks on their way while one is computed
FORWARD = {"num_warps": 4, "num_stages": 3}
BACKWARD = {"num_warps": 4, "num_stages": 3}
LOG2_E = math.log2(math.e)


@triton.jit
def _at(tensor, length, step: tl.constexpr, heads: tl.constexpr, size: tl.constexpr, rows):
    """Pointers (rows, size) to the program's head in rows of its example (length, step)."""
    batch = (tl.program_id(1) // heads).to(tl.int64)
    column = tl.program_id(1) % heads * size + tl.arange(0, size)
    return tensor + batch * length * step + rows[:, None] * step + column[None, :]


@triton.jit
def _forward(
    qkv, y, log_sums, scale, length, heads: tl.constexpr, size: tl.constexpr, block: tl.constexpr
):
    """A block of queries: its output, and the base-2 logarithms of its sums of exponentials."""
    width: tl.constexpr = heads * size
    first = tl.program_id(0) * block
    rows = tl.arange(0, block)
    q_at = _at(qkv, length, 3 * width, heads, size, rows)
    q = tl.load(q_at + first * 3 * width)
    highest = tl.full([block], -float("inf"), tl.float32)
    total = tl.zeros([block], tl.float32)
    out = tl.zeros([block, size], tl.float32)
    for start in range(0, first + block, block):
        k = tl.load(q_at + width + start * 3 * width)
        v = tl.load(q_at + 2 * width + start * 3 * width)
        s = tl.dot(q, tl.trans(k)) * scale
        s = tl.where(first + rows[:, None] >= start + rows[None, :], s, -float("inf"))
        higher = tl.maximum(highest, tl.max(s, 1))
        p = tl.exp2(s - higher[:, None])
        fade = tl.exp2(highest - higher)
        total = total * fade + tl.sum(p, 1)
        out = tl.dot(p.to(v.dtype), v, out * fade[:, None])
        highest = higher
    y_at = _at(y, length, width, heads, size, rows) + first * width
    tl.store(y_at, (out / total[:, None]).to(y.dtype.element_ty))
    tl.store(log_sums + tl.program_id(1) * length + first + rows, highest + tl.log2(total))


@triton.jit
def _by_keys(
    q_at,
    dy_at,
    y_at,
    log_sums,
    k,
    v,
    first,
    scale,
    length,
    width: tl.constexpr,
    block: tl.constexpr,
):
    """Gradients of a block of keys, unscaled, and of values: sums over the queries from it on."""
    rows = tl.arange(0, block)
    dk = tl.zeros(k.shape, tl.float32)
    dv = tl.zeros(v.shape, tl.float32)
    for start in range(first, length, block):
        q = tl.load(q_at + start * 3 * width)
        dy = tl.load(dy_at + start * width)
        y = tl.load(y_at + start * width)
        log_sum = tl.load(log_sums + start + rows)
        inner = tl.sum(y.to(tl.float32) * dy.to(tl.float32), 1)
        p = tl.exp2(tl.dot(k, tl.trans(q)) * scale - log_sum[None, :])
        p = tl.where(start + rows[None, :] >= first + rows[:, None], p, 0.0)
        dv = tl.dot(p.to(dy.dtype), dy, dv)
        ds = p * (tl.dot(v, tl.trans(dy)) - inner[None, :])
        dk = tl.dot(ds.to(q.dtype), q, dk)
    return dk, dv


@triton.jit
def _by_queries(q_at, q, dy, y, log_sum, first, scale, width: tl.constexpr, block: tl.constexpr):
    """Gradients of a block of queries, unscaled: sums over the keys up to it."""
    rows = tl.arange(0, block)
    inner = tl.sum(y.to(tl.float32) * dy.to(tl.float32), 1)
    dq = tl.zeros(q.shape, tl.float32)
    for start in range(0, first + block, block):
        k = tl.load(q_at + width + start * 3 * width)
        v = tl.load(q_at + 2 * width + start * 3 * width)
        p = tl.exp2(tl.dot(q, tl.trans(k)) * scale - log_sum[:, None])
        p = tl.where(first + rows[:, None] >= start + rows[None, :], p, 0.0)
        ds = p * (tl.dot(dy, tl.trans(v)) - inner[:, None])
        dq = tl.dot(ds.to(k.dtype), k, dq)
    return dq


@triton.jit
def _backward(
    dy, qkv, y, log_sums, dqkv, scale, shrink, length,
    heads: tl.constexpr, size: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of rows: its gradients as keys and values, then as queries."""
    width: tl.constexpr = heads * size
    first = tl.program_id(0) * block
    rows = tl.arange(0, block)
    q_at = _at(qkv, length, 3 * width, heads, size, rows)
    dy_at = _at(dy, length, width, heads, size, rows)
    y_at = _at(y, length, width, heads, size, rows)
    to = _at(dqkv, length, 3 * width, heads, size, rows) + first * 3 * width
    log_sums += tl.program_id(1) * length
    k = tl.load(q_at + width + first * 3 * width)
    v = tl.load(q_at + 2 * width + first * 3 * width)
    dk, dv = _by_keys(q_at, dy_at, y_at, log_sums, k, v, first, scale, length, width, block)
    tl.store(to + width, (dk * shrink).to(dqkv.dtype.element_ty))
    tl.store(to + 2 * width, dv.to(dqkv.dtype.element_ty))
    q = tl.load(q_at + first * 3 * width)
    own_dy = tl.load(dy_at + first * width)
    own_y = tl.load(y_at + first * width)
    log_sum = tl.load(log_sums + first + rows)
    dq = _by_queries(q_at, q, own_dy, own_y, log_sum, first, scale, width, block)
    tl.store(to, (dq * shrink).to(dqkv.dtype.element_ty))


def forward(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """The output (B, T, C) of causal attention, and log-sums (B, heads, T) for its gradient.

    qkv: contiguous (B, T, 3 C); T: a multiple of BLOCK.
    """
    B, T, width = qkv.shape  # noqa: N806
    C = width // 3  # noqa: N806
    y = qkv.new_empty(B, T, C)
    log_sums = torch.empty(B, heads, T, dtype=torch.float32, device=qkv.device)
    scale = LOG2_E / math.sqrt(C // heads)
    sizes = (heads, C // heads, BLOCK)
    _forward[T // BLOCK, B * heads](qkv, y, log_sums, scale, T, *sizes, **FORWARD)
    return y, log_sums


def backward(dy: Tensor, qkv: Tensor, y: Tensor, log_sums: Tensor, heads: int) -> Tensor:
    """The gradient (B, T, 3 C) of qkv, from that of the output, of what `forward` was called with
    and of what it returned.
    """
    B, T, C = y.shape  # noqa: N806
    dqkv = torch.empty_like(qkv)
    shrink = 1 / math.sqrt(C // heads)
    sizes = (heads, C // heads, BLOCK)
    of = (dy.contiguous(), qkv, y, log_sums, dqkv, LOG2_E * shrink, shrink, T)
    _backward[T // BLOCK, B * heads](*of, *sizes, **BACKWARD)
    return dqkv
