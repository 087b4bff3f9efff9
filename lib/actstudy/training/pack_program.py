"""A training step of plain MLPs as one Triton program per run: forward, backward and update;
and their logits, by one program per run and block of examples.

A program keeps a layer's tiles on the chip and streams the rest: it reads a weight in the forward
pass, reads and writes it in the backward pass, and stores what each activation is given. It reads
nothing of other runs but the batch of its seed, so its bits do not depend on them.

Layers hand their values on through `carry`, two tiles that take turns: a barrier stands between
writing one and reading it. The programs of logits keep these values on the chip.
"""

# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl
from triton.language import constexpr

from actstudy.training.pack_layers import (
    activated,
    back_first,
    back_layer,
    first_product,
    hidden_product,
    last_layer,
    rounded,
    scored,
    tile_at,
    update_bias,
)


@triton.jit
def _places(run, n, depth, size: constexpr):
    """Where a run's parameters are: all runs' of a layer together, matrices before biases.

    Of the first matrix, of the hidden ones (of layer 0, as it were, and from one to the next), of
    the last; of the first bias, from one to the next, of the last.
    """
    matrix = size.width * size.width
    head_matrix = size.classes * size.width
    to_next = n.to(tl.int64) * matrix
    hidden = n.to(tl.int64) * size.width * size.features - to_next
    head = hidden + depth * to_next
    bias = head + n * head_matrix
    head_bias = bias + depth * n * size.width + run * size.classes
    first = run * size.width * size.features
    own = (hidden + run * matrix, to_next, head + run * head_matrix)
    return first, own[0], own[1], own[2], bias + run * size.width, n * size.width, head_bias


@triton.jit
def _forward(x, weights, places, pre, depth, a, act: constexpr, size: constexpr):
    """The logits (examples, outputs); pre: None, or where activations' inputs are stored."""
    first, hidden, to_next, head, bias, to_next_bias, head_bias = places
    values: constexpr = size.examples * size.units
    product = first_product(x, weights + first, size)
    h = activated(product, weights + bias, pre, a, act, size)
    for layer in tl.range(1, depth, num_stages=1):
        product = hidden_product(h, weights + hidden + layer * to_next, size)
        b = weights + bias + layer * to_next_bias
        if pre is None:
            h = activated(product, b, pre, a, act, size)
        else:
            h = activated(product, b, pre + layer * values, a, act, size)
    return last_layer(h, weights + head, weights + head_bias, size)


@triton.jit
def _backward(at_logits, x, sgd, places, pre, carry, depth, a, act: constexpr, size: constexpr):
    """All updates, from the gradient at the logits (examples, outputs)."""
    first, hidden, to_next, head, bias, to_next_bias, head_bias = places
    values: constexpr = size.examples * size.units
    classes = tl.arange(0, size.outputs)
    units = tl.arange(0, size.units)
    at_logits = rounded(at_logits, size)
    update_bias(sgd, head_bias, classes, size.classes, at_logits, size)
    x_before = pre + (depth - 1) * values
    post = carry + depth % 2 * values
    back_layer(at_logits, sgd, head, size.classes, classes, x_before, post, a, act, size)
    for back in tl.range(1, depth, num_stages=1):
        layer = depth - back
        tl.debug_barrier()
        g = tile_at(carry + (layer + 1) % 2 * values, size)
        update_bias(sgd, bias + layer * to_next_bias, units, size.width, g, size)
        at = hidden + layer * to_next
        x_before = pre + (layer - 1) * values
        post = carry + layer % 2 * values
        back_layer(g, sgd, at, size.width, units, x_before, post, a, act, size)
    tl.debug_barrier()
    at_first = tile_at(carry + values, size)
    update_bias(sgd, bias, units, size.width, at_first, size)
    back_first(at_first, x, sgd, first, size)


# one compilation whatever the values: scalars may lie anywhere
@triton.jit(do_not_specialize=["labels", "scalars", "n", "depth", "update", "keep"])
def step(
    runs, seed_of, x, labels, weights, gradients, pres, carries, settings, scalars, scores,
    n, depth, smoothing, update, keep, act: constexpr, size: constexpr,
):  # fmt: skip
    """A step of the runs (programs,) of n, which share an activation; arguments: PackKernel's."""
    run = tl.load(runs + tl.program_id(0)).to(tl.int64)
    seed = tl.load(seed_of + run)
    settings += run * 3
    a = tl.load(settings)
    rate = tl.load(settings + 1) * tl.load(scalars)
    sgd = (weights, gradients, rate, tl.load(settings + 2), update, keep)
    x += seed * size.examples * size.inputs
    pre = pres + run * depth * size.examples * size.units
    carry = carries + run * 2 * size.examples * size.units
    places = _places(run, n, depth, size)
    logits = _forward(x, weights, places, pre, depth, a, act, size)
    loss, accuracy, at_logits = scored(logits, labels + seed * size.batch, smoothing, size)
    tl.store(scores + run, loss)
    tl.store(scores + n + run, accuracy)
    tl.debug_barrier()
    _backward(at_logits, x, sgd, places, pre, carry, depth, a, act, size)


@triton.jit(do_not_specialize=["n", "depth", "total"])
def logits_of(runs, x, weights, settings, logits, n, depth, total, act: constexpr, size: constexpr):
    """Logits (n, total, classes) of the runs, which share an activation; programs (blocks, runs).

    x (blocks, size.examples, inputs): the `total` examples and rows that fill the last block.
    """
    run = tl.load(runs + tl.program_id(1)).to(tl.int64)
    block = tl.program_id(0).to(tl.int64) * size.examples
    rows = tl.arange(0, size.examples)[:, None]
    a = tl.load(settings + run * 3)
    places = _places(run, n, depth, size)
    z = _forward(x + block * size.inputs, weights, places, None, depth, a, act, size)
    classes = tl.arange(0, size.outputs)[None, :]
    place = (run * total + block + rows) * size.classes + classes
    tl.store(logits + place, z, mask=(block + rows < total) & (classes < size.classes))
