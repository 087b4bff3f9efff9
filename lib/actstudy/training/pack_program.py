"""A training step of plain MLPs as one Triton program per run: forward, backward and update.

A program keeps a layer's tiles on the chip and streams the rest: it reads a weight in the forward
pass, reads and writes it in the backward pass, and stores what each activation is given. It reads
nothing of other runs but the batch of its seed, so its bits do not depend on them. Arithmetic is
that of the layered path (nets/packed.py): products of operands that are rounded to bfloat16 or
TF32, summed in float32; in bf16 what autocast rounds is rounded here, too.

Layers hand their values on through `carry`, two tiles that take turns: a barrier stands between
writing one and reading it.
"""

# mypy: disallow-untyped-defs=False

from dataclasses import dataclass

import triton
import triton.language as tl
from triton.language import constexpr


@dataclass(frozen=True)
class Sizes:
    """What the compiler knows of a step. A tile's sides are powers of two, with room to spare.

    batch, features, width, classes: of the runs; examples, inputs, units, outputs: the same as
    tiles have them. Matrices are worked on in parts of `part` units, that of the features in parts
    of `part_inputs`.
    """

    tf32: bool  # else bf16
    batch: int
    features: int
    width: int
    classes: int
    examples: int
    inputs: int
    units: int
    outputs: int
    part: int
    part_inputs: int
    stages: int  # of loads that are under way
    prefetch: bool


@triton.jit
def low(x, size: constexpr):
    """x (float32) as an operand of a product: tensor cores cut off what TF32 has no bits for."""
    if size.tf32:
        bits = x.to(tl.int32, bitcast=True)
        near = ((bits + 0x1000) & -0x2000).to(tl.float32, bitcast=True)
        y = tl.where(x == x, near, x)  # NaN stays: its bits may overflow
    else:
        y = x.to(tl.bfloat16)
    return y


@triton.jit
def _rounded(x, size: constexpr):
    """x as autocast has it between operations, in float32."""
    if not size.tf32:
        x = x.to(tl.bfloat16).to(tl.float32)
    return x


@triton.jit
def _product(x, y):
    return tl.dot(x, y, input_precision="tf32")


@triton.jit
def _prefetch(at, lines: constexpr, size: constexpr):
    """Bring lines of 128 bytes from the memory into the cache."""
    if size.prefetch:
        places = at.to(tl.int64) + tl.arange(0, lines) * 128
        asm: constexpr = "prefetch.global.L2 [$1]; mov.u32 $0, 0;"
        tl.inline_asm_elementwise(asm, "=r,l", [places], tl.int32, False, 1)


@triton.jit
def _inside(rows, columns, n_rows: constexpr, n_columns: constexpr, whole: constexpr):
    """Which values of a tile belong to a matrix; whole: all do."""
    if whole:
        mask = tl.full((rows.shape[0], columns.shape[0]), 1, tl.int1)
    else:
        mask = (rows[:, None] < n_rows) & (columns[None, :] < n_columns)
    return mask


@triton.jit
def _tile(at, size: constexpr):
    """A tile (examples, units) in float32."""
    rows = tl.arange(0, size.examples)[:, None]
    return tl.load(at + rows * size.units + tl.arange(0, size.units)[None, :]).to(tl.float32)


@triton.jit
def _activate(product, bias, pre, post, units, a, act: constexpr, size: constexpr):
    """Store what an activation is given, of some units of a layer, and what it gives."""
    tile = tl.arange(0, size.examples)[:, None] * size.units + units[None, :]
    b = tl.load(bias + units, mask=units < size.width, other=0.0)
    x = _rounded(_rounded(product, size) + _rounded(b, size)[None, :], size)
    tl.store(pre + tile, x)
    y, _ = act(x, a)
    tl.store(post + tile, y)


@triton.jit
def _update(sgd, at, tile, inside, w, dw):
    """Plain SGD of the values w of a parameter, and their gradient stored: each if asked for.

    at: where the parameter is; tile: where the values are in it.
    """
    weights, gradients, rate, decay, update, keep = sgd
    tl.store(gradients + at + tile, dw, mask=inside & (keep != 0))
    tl.store(weights + at + tile, w - rate * (dw + decay * w), mask=inside & (update != 0))


@triton.jit
def _update_bias(sgd, at, units, n: constexpr, g, size: constexpr):
    """The same of a bias, which does not decay; g (examples, units): at what it is added to."""
    weights, gradients, rate, _, update, keep = sgd
    inside = units < n
    b = tl.load(weights + at + units, mask=inside, other=0.0)
    db = _rounded(tl.sum(g, 0), size)
    _update((weights, gradients, rate, 0.0, update, keep), at, units, inside, b, db)


@triton.jit
def _first(x, weight, bias, pre, post, a, act: constexpr, size: constexpr):
    """The first layer, of inputs x (examples, inputs)."""
    examples: constexpr = size.examples
    part: constexpr = size.part
    rows = tl.arange(0, examples)[:, None] * size.inputs
    for begin in tl.range(0, size.units, part, num_stages=1):
        units = begin + tl.arange(0, part)
        product = tl.zeros((examples, part), tl.float32)
        for start in tl.range(0, size.inputs, size.part_inputs, num_stages=size.stages):
            inputs = start + tl.arange(0, size.part_inputs)
            inside = _inside(units, inputs, size.width, size.features, False)
            place = units[:, None] * size.features + inputs[None, :]
            w = low(tl.load(weight + place, mask=inside, other=0.0), size)
            h = low(tl.load(x + rows + inputs[None, :]).to(tl.float32), size)
            product = tl.dot(h, tl.trans(w), product, input_precision="tf32")
        _activate(product, bias, pre, post, units, a, act, size)


@triton.jit
def _hidden(h, weight, bias, pre, post, a, act: constexpr, size: constexpr):
    """A further layer, of h (examples, units)."""
    inputs = tl.arange(0, size.units)
    h = low(h, size)
    for begin in tl.range(0, size.units, size.part, num_stages=size.stages):
        units = begin + tl.arange(0, size.part)
        inside = _inside(units, inputs, size.width, size.width, size.width == size.units)
        place = units[:, None] * size.width + inputs[None, :]
        w = low(tl.load(weight + place, mask=inside, other=0.0), size)
        _activate(_product(h, tl.trans(w)), bias, pre, post, units, a, act, size)


@triton.jit
def _logits(h, weight, bias, size: constexpr):
    """The last layer, of h (examples, units)."""
    classes = tl.arange(0, size.outputs)
    inputs = tl.arange(0, size.units)
    inside = _inside(classes, inputs, size.classes, size.width, False)
    place = classes[:, None] * size.width + inputs[None, :]
    w = low(tl.load(weight + place, mask=inside, other=0.0), size)
    b = tl.load(bias + classes, mask=classes < size.classes, other=0.0)
    product = _rounded(_product(low(h, size), tl.trans(w)), size)
    return _rounded(product + _rounded(b, size)[None, :], size)


@triton.jit
def _scored(logits, labels, smoothing, size: constexpr):
    """The mean cross-entropy, the share of right guesses, and the gradient at the logits."""
    rows = tl.arange(0, size.examples)
    classes = tl.arange(0, size.outputs)[None, :]
    label = tl.load(labels + rows, mask=rows < size.batch, other=0)
    z = tl.where(classes < size.classes, logits, float("-inf"))
    top = tl.max(z, 1)[:, None]
    e = tl.exp(z - top)
    total = tl.sum(e, 1)[:, None]
    target = tl.where(classes == label[:, None], 1 - smoothing, 0.0) + smoothing / size.classes
    inside = (rows[:, None] < size.batch) & (classes < size.classes)
    each = tl.where(inside, target * (z - top - tl.log(total)), 0.0)
    guess = tl.min(tl.where(z == top, classes, size.outputs), 1)
    hits = tl.where((guess == label) & (rows < size.batch), 1.0, 0.0)
    g = tl.where(inside, (e / total - target) / size.batch, 0.0)
    return -tl.sum(tl.sum(each, 1), 0) / size.batch, tl.sum(hits, 0) / size.batch, g


@triton.jit
def _back(g, sgd, at, n: constexpr, outputs, pre, post, a, act: constexpr, size: constexpr):
    """From g (examples, outputs) at a layer's n outputs to that at what the layer before adds up.

    at: where the layer's matrix is, which is updated; pre: what the activation before is given.
    """
    weights, _, _, _, _, _ = sgd
    rows = tl.arange(0, size.examples)[:, None] * size.units
    whole: constexpr = n == outputs.shape[0] and size.width == size.units
    g = low(g, size)
    for begin in tl.range(0, size.units, size.part, num_stages=size.stages):
        units = begin + tl.arange(0, size.part)
        inside = _inside(outputs, units, n, size.width, whole)
        place = outputs[:, None] * size.width + units[None, :]
        w = tl.load(weights + at + place, mask=inside, other=0.0)
        x = tl.load(pre + rows + units[None, :]).to(tl.float32)
        back = _rounded(_product(g, low(w, size)), size)
        y, slope = act(x, a)
        tl.store(post + rows + units[None, :], back * slope)
        dw = _rounded(_product(tl.trans(g), low(y, size)), size)
        _update(sgd, at, place, inside, w, dw)


@triton.jit
def _back_first(g, x, sgd, at, size: constexpr):
    """The update of the first layer, from g (examples, units) at its output."""
    weights, _, _, _, _, _ = sgd
    rows = tl.arange(0, size.examples)[:, None] * size.inputs
    units = tl.arange(0, size.units)
    g = low(g, size)
    for start in tl.range(0, size.inputs, size.part_inputs, num_stages=size.stages):
        inputs = start + tl.arange(0, size.part_inputs)
        inside = _inside(units, inputs, size.width, size.features, False)
        place = units[:, None] * size.features + inputs[None, :]
        w = tl.load(weights + at + place, mask=inside, other=0.0)
        h = low(tl.load(x + rows + inputs[None, :]).to(tl.float32), size)
        dw = _rounded(_product(tl.trans(g), h), size)
        _update(sgd, at, place, inside, w, dw)


@triton.jit(do_not_specialize=["n", "depth", "update", "keep"])
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
    values: constexpr = size.examples * size.units
    lines: constexpr = values // (32 if size.tf32 else 64)
    pre = pres + run * depth * values
    carry = carries + run * 2 * values
    # where parameters are, all runs' of a layer together; `hidden` is of layer 0, as it were
    layer_size = n.to(tl.int64) * size.width * size.width
    first = run * size.width * size.features
    hidden = n.to(tl.int64) * size.width * size.features - layer_size
    head = hidden + depth * layer_size
    biases = head + n * size.classes * size.width
    head_bias = biases + depth * n * size.width + run * size.classes
    hidden += run * size.width * size.width
    head += run * size.classes * size.width
    biases += run * size.width

    _first(x, weights + first, weights + biases, pre, carry, a, act, size)
    for layer in tl.range(1, depth, num_stages=1):
        after = tl.minimum(layer + 1, depth - 1)
        _prefetch(weights + hidden + after * layer_size, size.width * size.units // 32, size)
        tl.debug_barrier()
        h = _tile(carry + (layer + 1) % 2 * values, size)
        weight = weights + hidden + layer * layer_size
        bias = weights + biases + layer * n * size.width
        post = carry + layer % 2 * values
        _hidden(h, weight, bias, pre + layer * values, post, a, act, size)
    tl.debug_barrier()
    last = _tile(carry + (depth + 1) % 2 * values, size)
    logits = _logits(last, weights + head, weights + head_bias, size)
    loss, accuracy, at_logits = _scored(logits, labels + seed * size.batch, smoothing, size)
    tl.store(scores + run, loss)
    tl.store(scores + n + run, accuracy)
    at_logits = _rounded(at_logits, size)
    classes = tl.arange(0, size.outputs)
    _update_bias(sgd, head_bias, classes, size.classes, at_logits, size)
    post = carry + depth % 2 * values
    _back(
        at_logits, sgd, head, size.classes, classes, pre + (depth - 1) * values, post, a, act, size
    )
    units = tl.arange(0, size.units)
    for back in tl.range(1, depth, num_stages=1):
        layer = depth - back
        before = hidden + tl.maximum(layer - 1, 1) * layer_size
        _prefetch(weights + before, size.width * size.units // 32, size)
        _prefetch(pre + tl.maximum(layer - 2, 0) * values, lines, size)
        tl.debug_barrier()
        g = _tile(carry + (layer + 1) % 2 * values, size)
        _update_bias(sgd, biases + layer * n * size.width, units, size.width, g, size)
        at = hidden + layer * layer_size
        x_before = pre + (layer - 1) * values
        _back(g, sgd, at, size.width, units, x_before, carry + layer % 2 * values, a, act, size)
    tl.debug_barrier()
    at_first = _tile(carry + values, size)
    _update_bias(sgd, biases, units, size.width, at_first, size)
    _back_first(at_first, x, sgd, first, size)
