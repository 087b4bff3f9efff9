"""What a training step of plain MLPs as one Triton program per run consists of.

Arithmetic is that of the layered path (nets/packed.py): products of operands that are rounded to
bfloat16 or TF32, summed in float32; in bf16 what autocast rounds is rounded here, too.
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
def rounded(x, size: constexpr):
    """x as autocast has it between operations, in float32."""
    if not size.tf32:
        x = x.to(tl.bfloat16).to(tl.float32)
    return x


@triton.jit
def _product(x, y):
    return tl.dot(x, y, input_precision="tf32")


@triton.jit
def _inside(rows, columns, n_rows: constexpr, n_columns: constexpr, whole: constexpr):
    """Which values of a tile belong to a matrix; whole: all do."""
    if whole:
        mask = tl.full((rows.shape[0], columns.shape[0]), 1, tl.int1)
    else:
        mask = (rows[:, None] < n_rows) & (columns[None, :] < n_columns)
    return mask


@triton.jit
def tile_at(at, size: constexpr):
    """A tile (examples, units) in float32."""
    rows = tl.arange(0, size.examples)[:, None]
    return tl.load(at + rows * size.units + tl.arange(0, size.units)[None, :]).to(tl.float32)


@triton.jit
def activated(product, bias, pre, a, act: constexpr, size: constexpr):
    """What a layer hands on, of its product (examples, units), as an operand.

    pre: where what its activation is given is stored; None: nowhere.
    """
    units = tl.arange(0, size.units)
    b = tl.load(bias + units, mask=units < size.width, other=0.0)
    x = rounded(rounded(product, size) + rounded(b, size)[None, :], size)
    if pre is not None:
        tl.store(pre + tl.arange(0, size.examples)[:, None] * size.units + units[None, :], x)
    y, _ = act(x, a)
    return low(y, size)


@triton.jit
def _update(sgd, at, tile, inside, w, dw):
    """Plain SGD of the values w of a parameter, and their gradient stored: each if asked for.

    at: where the parameter is; tile: where the values are in it.
    """
    weights, gradients, rate, decay, update, keep = sgd
    tl.store(gradients + at + tile, dw, mask=inside & (keep != 0))
    tl.store(weights + at + tile, w - rate * (dw + decay * w), mask=inside & (update != 0))


@triton.jit
def update_bias(sgd, at, units, n: constexpr, g, size: constexpr):
    """The same of a bias, which does not decay; g (examples, units): at what it is added to."""
    weights, gradients, rate, _, update, keep = sgd
    inside = units < n
    b = tl.load(weights + at + units, mask=inside, other=0.0)
    db = rounded(tl.sum(g, 0), size)
    _update((weights, gradients, rate, 0.0, update, keep), at, units, inside, b, db)


@triton.jit
def first_product(x, weight, size: constexpr):
    """Inputs x (examples, inputs) times the weights of the first layer."""
    examples: constexpr = size.examples
    n: constexpr = size.units
    units = tl.arange(0, n)
    rows = tl.arange(0, examples)[:, None] * size.inputs
    product = tl.zeros((examples, n), tl.float32)
    for start in tl.range(0, size.inputs, size.part_inputs, num_stages=size.stages):
        inputs = start + tl.arange(0, size.part_inputs)
        inside = _inside(units, inputs, size.width, size.features, False)
        place = units[:, None] * size.features + inputs[None, :]
        w = low(tl.load(weight + place, mask=inside, other=0.0), size)
        h = low(tl.load(x + rows + inputs[None, :]).to(tl.float32), size)
        product = tl.dot(h, tl.trans(w), product, input_precision="tf32")
    return product


@triton.jit
def hidden_product(h, weight, size: constexpr):
    """An operand h (examples, units) times the weights of a further layer."""
    units = tl.arange(0, size.units)
    inside = _inside(units, units, size.width, size.width, size.width == size.units)
    place = units[:, None] * size.width + units[None, :]
    w = low(tl.load(weight + place, mask=inside, other=0.0), size)
    return _product(h, tl.trans(w))


@triton.jit
def last_layer(h, weight, bias, size: constexpr):
    """The last layer, of an operand h (examples, units)."""
    classes = tl.arange(0, size.outputs)
    inputs = tl.arange(0, size.units)
    inside = _inside(classes, inputs, size.classes, size.width, False)
    place = classes[:, None] * size.width + inputs[None, :]
    w = low(tl.load(weight + place, mask=inside, other=0.0), size)
    b = tl.load(bias + classes, mask=classes < size.classes, other=0.0)
    product = rounded(_product(h, tl.trans(w)), size)
    return rounded(product + rounded(b, size)[None, :], size)


@triton.jit
def scored(logits, labels, smoothing, size: constexpr):
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
def back_layer(g, sgd, at, n: constexpr, outputs, pre, post, a, act: constexpr, size: constexpr):
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
        back = rounded(_product(g, low(w, size)), size)
        y, slope = act(x, a)
        tl.store(post + rows + units[None, :], back * slope)
        dw = rounded(_product(tl.trans(g), low(y, size)), size)
        _update(sgd, at, place, inside, w, dw)


@triton.jit
def back_first(g, x, sgd, at, size: constexpr):
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
        dw = rounded(_product(tl.trans(g), h), size)
        _update(sgd, at, place, inside, w, dw)
