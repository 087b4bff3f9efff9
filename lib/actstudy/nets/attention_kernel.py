"""Triton kernels of causal attention for short contexts, forward and backward, packed q, k, v.

Scores stay on the chip (Dao et al. 2022, arXiv:2205.14135). A program of the backward pass has a
block of rows: it sums their gradients as keys and values over queries, then those as queries over
keys, so that no sum runs over programs and its order is fixed.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # rows at once, of queries and of keys
WARPS = 4
STAGES = 2  # blocks on their way while one is computed
LOG2_E = math.log2(math.e)


@triton.jit
def _at(tensor, T, WIDTH: tl.constexpr, HEADS: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr):
    """Pointers (BLOCK, D) to the program's head in the first rows of its example (T, WIDTH)."""
    batch = (tl.program_id(1) // HEADS).to(tl.int64)
    column = tl.program_id(1) % HEADS * D + tl.arange(0, D)
    return tensor + batch * T * WIDTH + tl.arange(0, BLOCK)[:, None] * WIDTH + column[None, :]


@triton.jit
def _forward(
    qkv, y, log_sums, scale, T, HEADS: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr
):
    """A block of queries: its output, and the base-2 logarithms of its sums of exponentials."""
    C: tl.constexpr = HEADS * D
    first = tl.program_id(0) * BLOCK
    rows = tl.arange(0, BLOCK)
    q_at = _at(qkv, T, 3 * C, HEADS, D, BLOCK)
    q = tl.load(q_at + first * 3 * C)
    highest = tl.full([BLOCK], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    out = tl.zeros([BLOCK, D], tl.float32)
    for start in range(0, first + BLOCK, BLOCK):
        k = tl.load(q_at + C + start * 3 * C)
        v = tl.load(q_at + 2 * C + start * 3 * C)
        s = tl.dot(q, tl.trans(k)) * scale
        s = tl.where(first + rows[:, None] >= start + rows[None, :], s, -float("inf"))
        higher = tl.maximum(highest, tl.max(s, 1))
        p = tl.exp2(s - higher[:, None])
        fade = tl.exp2(highest - higher)
        total = total * fade + tl.sum(p, 1)
        out = tl.dot(p.to(v.dtype), v, out * fade[:, None])
        highest = higher
    y_at = _at(y, T, C, HEADS, D, BLOCK) + first * C
    tl.store(y_at, (out / total[:, None]).to(y.dtype.element_ty))
    tl.store(log_sums + tl.program_id(1) * T + first + rows, highest + tl.log2(total))


@triton.jit
def _by_keys(
    q_at, dy_at, y_at, log_sums, k, v, first, scale, T, C: tl.constexpr, BLOCK: tl.constexpr
):
    """Gradients of a block of keys, unscaled, and of values: sums over the queries from it on."""
    rows = tl.arange(0, BLOCK)
    dk = tl.zeros(k.shape, tl.float32)
    dv = tl.zeros(v.shape, tl.float32)
    for start in range(first, T, BLOCK):
        q = tl.load(q_at + start * 3 * C)
        dy = tl.load(dy_at + start * C)
        y = tl.load(y_at + start * C)
        log_sum = tl.load(log_sums + start + rows)
        inner = tl.sum(y.to(tl.float32) * dy.to(tl.float32), 1)
        p = tl.exp2(tl.dot(k, tl.trans(q)) * scale - log_sum[None, :])
        p = tl.where(start + rows[None, :] >= first + rows[:, None], p, 0.0)
        dv = tl.dot(p.to(dy.dtype), dy, dv)
        ds = p * (tl.dot(v, tl.trans(dy)) - inner[None, :])
        dk = tl.dot(ds.to(q.dtype), q, dk)
    return dk, dv


@triton.jit
def _by_queries(q_at, q, dy, y, log_sum, first, scale, C: tl.constexpr, BLOCK: tl.constexpr):
    """Gradients of a block of queries, unscaled: sums over the keys up to it."""
    rows = tl.arange(0, BLOCK)
    inner = tl.sum(y.to(tl.float32) * dy.to(tl.float32), 1)
    dq = tl.zeros(q.shape, tl.float32)
    for start in range(0, first + BLOCK, BLOCK):
        k = tl.load(q_at + C + start * 3 * C)
        v = tl.load(q_at + 2 * C + start * 3 * C)
        p = tl.exp2(tl.dot(q, tl.trans(k)) * scale - log_sum[:, None])
        p = tl.where(first + rows[:, None] >= start + rows[None, :], p, 0.0)
        ds = p * (tl.dot(dy, tl.trans(v)) - inner[:, None])
        dq = tl.dot(ds.to(k.dtype), k, dq)
    return dq


@triton.jit
def _backward(
    dy, qkv, y, log_sums, dqkv, scale, shrink, T,
    HEADS: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A block of rows: its gradients as keys and values, then as queries."""
    C: tl.constexpr = HEADS * D
    first = tl.program_id(0) * BLOCK
    q_at = _at(qkv, T, 3 * C, HEADS, D, BLOCK)
    dy_at = _at(dy, T, C, HEADS, D, BLOCK)
    y_at = _at(y, T, C, HEADS, D, BLOCK)
    to = _at(dqkv, T, 3 * C, HEADS, D, BLOCK) + first * 3 * C
    log_sums += tl.program_id(1) * T
    k = tl.load(q_at + C + first * 3 * C)
    v = tl.load(q_at + 2 * C + first * 3 * C)
    dk, dv = _by_keys(q_at, dy_at, y_at, log_sums, k, v, first, scale, T, C, BLOCK)
    tl.store(to + C, (dk * shrink).to(dqkv.dtype.element_ty))
    tl.store(to + 2 * C, dv.to(dqkv.dtype.element_ty))
    q = tl.load(q_at + first * 3 * C)
    own_dy = tl.load(dy_at + first * C)
    own_y = tl.load(y_at + first * C)
    log_sum = tl.load(log_sums + first + tl.arange(0, BLOCK))
    dq = _by_queries(q_at, q, own_dy, own_y, log_sum, first, scale, C, BLOCK)
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
    options = {"num_warps": WARPS, "num_stages": STAGES}
    _forward[T // BLOCK, B * heads](qkv, y, log_sums, scale, T, *sizes, **options)
    return y, log_sums


def backward(dy: Tensor, qkv: Tensor, y: Tensor, log_sums: Tensor, heads: int) -> Tensor:
    """The gradient (B, T, 3 C) of qkv, from that of the output, of what `forward` was called with
    and of what it returned.
    """
    B, T, C = y.shape  # noqa: N806
    dqkv = torch.empty_like(qkv)
    shrink = 1 / math.sqrt(C // heads)
    sizes = (heads, C // heads, BLOCK)
    options = {"num_warps": WARPS, "num_stages": STAGES}
    of = (dy.contiguous(), qkv, y, log_sums, dqkv, LOG2_E * shrink, shrink, T)
    _backward[T // BLOCK, B * heads](*of, *sizes, **options)
    return dqkv
