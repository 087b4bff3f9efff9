"""The kernel of packs by Triton's interpreter, which needs no GPU; tests/test_pack_kernel.py runs
this file in a process of its own, as Triton asks for its interpreter when it is imported.
"""

import itertools

import numpy as np
import pytest
import torch
import triton.language as tl
from kernels import both, operand
from runs import packed_spec, quiet
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from actstudy.nets.activations import ACTIVATIONS, LEARNT, RANDOM, Sites
from actstudy.nets.mlp import MLP
from actstudy.nets.packed import PackedMLP
from actstudy.tasks import classification
from actstudy.training import pack_formulas, pack_kernel, pack_layers
from actstudy.training.batches import batches
from actstudy.training.pack_kernel import PackKernel, Tiles
from actstudy.training.wiring import make_pack

CPU = torch.device("cpu")
TILES = Tiles(units=16, features=16, stages=1)
ACTIVATIONS_OF_RUNS = ("tanh", "gelu", "elu", "tanh")  # smooth: no slope flips by rounding
SEED_OF = torch.tensor([0, 1, 0, 1])


@pytest.fixture(autouse=True, scope="module")
def bfloat16():
    """The interpreter cuts bfloat16 off and multiplies its bits: here it rounds, and is widened."""
    cast = InterpreterBuilder.cast_impl
    dot = InterpreterBuilder.create_dot

    def rounded(self, source, kind):
        if source.dtype.scalar != tl.float32 or kind.scalar != tl.bfloat16:
            return cast(self, source, kind)
        near = torch.from_numpy(np.ascontiguousarray(source.data)).bfloat16().view(torch.int16)
        return TensorHandle(near.numpy().view(np.uint16), tl.bfloat16)

    def widened(self, a, b, *others):
        return dot(self, *[_wide(self, part) for part in (a, b)], *others)

    def _wide(builder, part):
        if part.dtype.scalar != tl.bfloat16:
            return part
        return cast(builder, part, tl.block_type(tl.float32, list(part.data.shape)))

    with pytest.MonkeyPatch.context() as patch:
        for name in ("create_fp_trunc", "cast_impl"):
            patch.setattr(InterpreterBuilder, name, rounded)
        patch.setattr(InterpreterBuilder, "create_dot", widened)
        yield


def test_the_kernel_has_all_activations_without_weights_or_draws():
    assert set(pack_formulas.NAMES) == set(ACTIVATIONS) - {*LEARNT, *RANDOM}


def values():
    """(4096,) From 1e-12 to 30 on both sides, some beyond, zero, kinks and what is not a number."""
    small = torch.logspace(-12, 0, 500)
    far = torch.tensor([1e2, 1e4, 1e12, 1e18])
    kinks = torch.tensor([0.0, 3.0, -3.0, 6.0])
    some = [torch.linspace(-30, 30, 3000), small, -small, kinks, far, -far]
    x = torch.cat(some)
    return torch.cat([x, torch.full((4096 - len(x),), float("nan"))])


@pytest.mark.parametrize("name", pack_formulas.NAMES)
def test_a_formula_and_its_slope_are_those_of_the_registered_module(name):
    """Relative to the value from 1e-30 on: small signals keep their digits; slopes to 2e-6."""
    x = values()
    args = ACTIVATIONS[name].args
    for a in [*args.values(), 0.7] if args else [0.0]:
        exact = x.double().requires_grad_()
        y = ACTIVATIONS[name].factory(**dict.fromkeys(args, a))(exact)
        slope = torch.autograd.grad(y.sum(), exact)[0].float()
        value = torch.empty_like(x)
        derivative = torch.empty_like(x)
        both[(1,)](x, value, derivative, a, len(x), getattr(pack_formulas, name))
        real = ~x.isnan()
        assert value[~real].isnan().all()
        tail = 1e-6 if name.startswith("gelu") else 1e-30  # 1 + erf, as torch has it
        torch.testing.assert_close(value[real], y[real].float(), rtol=2e-6, atol=tail)
        torch.testing.assert_close(derivative[real], slope[real], rtol=2e-6, atol=2e-6)


def size_of(tf32):
    return pack_layers.Sizes(tf32, *[16] * 9, 16, 1, False)


def test_an_operand_is_rounded_to_nearest():
    """Of TF32 to 10 bits, by numpy in float64; not cut off; NaN and infinities stay."""
    x = torch.randn(1024) * 10.0 ** torch.randint(-30, 30, (1024,))
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0])
    x[:4] = special
    x[4] = torch.tensor([0x7FFFFFFF], dtype=torch.int32).view(torch.float32)[0]  # a GPU's NaN
    y = torch.empty_like(x)
    operand[(1,)](x, y, 1024, size_of(tf32=True))
    assert torch.equal(y[1:4], special[1:])
    assert y[[0, 4]].isnan().all()
    mantissa, exponent = np.frexp(x[5:].double().numpy())
    expected = np.ldexp(np.round(mantissa * 2**11) / 2**11, exponent)
    assert np.array_equal(y[5:].double().numpy(), expected)
    short = torch.empty(1024, dtype=torch.bfloat16)
    operand[(1,)](x, short, 1024, size_of(tf32=False))
    assert torch.equal(short[5:], x[5:].bfloat16())


def small_model(shape, activations=ACTIVATIONS_OF_RUNS, **fields):
    """Specs and a packed model of width, depth, features, classes."""
    width, depth, features, classes = shape
    recipe = {"optimizer": "sgd", "clip": None, "lr": 0.2, "weight_decay": 0.1, "batch_size": 20}
    sizes = {"width": width, "depth": depth, "pack_width": len(activations)}
    specs = [packed_spec(name, **{**recipe, **sizes, **fields}) for name in activations]
    torch.manual_seed(0)
    members = []
    for spec in specs:
        sites = Sites(spec.activation, spec.activation_args)
        members.append((MLP(features, [width] * depth, classes, sites), sites))
    return specs, PackedMLP(members)


def batch(features, classes, n=20):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, n, features, generator=generator)
    return x, torch.randint(0, classes, (2, n), generator=generator)


SHAPES = [(16, 3, 40, 10), (48, 1, 13, 3)]  # the latter: masks on all sides
SCALARS = torch.tensor([0.5, 1.0, 1.0])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("precision", "limit"), [("tf32", 2e-3), ("bf16", 3e-2)])
def test_a_step_is_that_of_the_layers(precision, limit, shape):
    """Loss, accuracy, gradients by norm, and the update that follows from them."""
    specs, model = small_model(shape, precision=precision, label_smoothing=0.1)
    x, y = batch(*shape[2:])
    before = [parameter.detach().clone() for parameter in model.stacked]
    with torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
        logits = model(x[SEED_OF])
    loss = classification.losses(logits, y[SEED_OF], 0.1)
    gradients = torch.autograd.grad(loss.sum(), list(model.stacked))
    kernel = PackKernel(model, specs, range(4), SEED_OF, TILES)
    got, accuracy = kernel.step(x, y, SCALARS, update=True, keep=True)
    torch.testing.assert_close(got, loss.detach(), rtol=limit / 10, atol=0)
    assert torch.equal(accuracy, (logits.argmax(2) == y[SEED_OF]).float().mean(1))
    for old, new, expected, own in zip(
        before, model.stacked, gradients, kernel.gradients, strict=True
    ):
        assert ((own - expected).norm() / expected.norm()) < limit
        decayed = own + 0.1 * old if old.ndim > 2 else own
        torch.testing.assert_close(new.detach(), old - 0.1 * decayed, rtol=1e-6, atol=1e-7)


def test_a_step_does_what_it_is_asked_for_and_leaves_other_runs_alone():
    specs, model = small_model(SHAPES[0], precision="tf32")
    x, y = batch(*SHAPES[0][2:])
    before = [parameter.detach().clone() for parameter in model.stacked]
    kernel = PackKernel(model, specs, [1, 2], SEED_OF, TILES)
    kernel.step(x, y, SCALARS, update=False, keep=True)
    assert all(map(torch.equal, model.stacked, before))
    assert all(
        gradient[[1, 2]].any() and not gradient[[0, 3]].any() for gradient in kernel.gradients
    )
    gradients = [gradient.clone() for gradient in kernel.gradients]
    kernel.step(x, y, SCALARS, update=True, keep=False)
    kernel.step(x, y, SCALARS, update=True, keep=False)
    assert all(map(torch.equal, kernel.gradients, gradients))
    for old, new in zip(before, model.stacked, strict=True):
        assert torch.equal(old[[0, 3]], new[[0, 3]])
        assert not torch.equal(old[1], new[1])


def test_a_run_has_its_bits_in_any_company():
    x, y = batch(*SHAPES[0][2:])
    trained = []
    for runs in (range(4), [3]):
        specs, model = small_model(SHAPES[0], precision="bf16")
        PackKernel(model, specs, runs, SEED_OF, TILES).step(x, y, SCALARS, True, True)
        trained.append([parameter[3].detach().clone() for parameter in model.stacked])
    assert all(map(torch.equal, *trained))


FUSED = {"optimizer": "sgd", "lr": 0.05, "clip": None}


def packed(names, data, folder, by_kernel, monkeypatch, **fields):
    """Four steps of a pack, watched and not: its scores and its weights."""
    recipe = {"precision": "tf32", "width": 16, "batch_size": 32, "pack_width": 16, "dropout": 0.0}
    specs = [packed_spec(name, **{**recipe, **fields}) for name in names]
    with monkeypatch.context() as patch:
        if by_kernel:
            patch.setattr(pack_kernel, "_why_not_there", lambda model: None)
            patch.setattr(pack_kernel, "TILES", {"tf32": TILES, "bf16": TILES})
        pack = make_pack(specs, [folder / name for name in names], data, CPU, quiet())
    scores = []
    parts = itertools.cycle(["update", "watched"])
    for (step, rows), part in zip(itertools.islice(batches(pack, 0), 4), parts, strict=False):
        scores.append(pack.train(step, rows, part))
    return pack, scores


@pytest.mark.parametrize(
    "fields", [FUSED, {"optimizer": "adamw", "lr": 0.01}], ids=["sgd", "adamw"]
)
def test_a_pack_by_kernel_is_near_the_layers(data, tmp_path, monkeypatch, fields):
    """An activation that the kernel has not keeps the bits that it has without it."""
    names = ["prelu", "relu", "tanh"]
    runs = [packed(names, data, tmp_path, on, monkeypatch, **fields) for on in (False, True)]
    (layers, expected), (kernel, got) = runs
    assert layers.kernel is None
    assert kernel.kernel.trains.tolist() == [False, True, True, *[False] * 13]
    assert kernel.kernel.fused == (fields is FUSED)
    assert (layers.execution, kernel.execution) == ("pack, TF32 off", "pack by kernel, TF32 off")
    for old, new in zip(expected, got, strict=True):
        assert old.keys() == new.keys()
        for name in old:
            assert torch.equal(new[name][..., 0], old[name][..., 0]) or old[name].isnan().any()
        torch.testing.assert_close(new["loss"][:3], old["loss"][:3], rtol=1e-3, atol=0)
    for old, new in zip(layers.weights(), kernel.weights(), strict=True):
        for name, value in old.items():
            assert (new[name] - value).norm() < 2e-2 * value.norm() + 1e-3
    log = (tmp_path / "prelu/log.txt").read_text()
    assert "kernel: not used: activation prelu, which it has not" in log
    assert "kernel: used" in (tmp_path / "tanh/log.txt").read_text()


def test_in_company_of_another_path_a_run_has_the_bits_of_a_pack_by_kernel(
    data, tmp_path, monkeypatch
):
    alone, _ = packed(["tanh"], data, tmp_path / "a", True, monkeypatch, **FUSED)
    mixed, _ = packed(["prelu", "tanh"], data, tmp_path / "b", True, monkeypatch, **FUSED)
    assert alone.kernel.moves_all
    assert not mixed.kernel.moves_all
    first, second = alone.weights()[0], mixed.weights()[1]
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_kernel_that_does_not_compile_is_a_line_of_the_log(data, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no such instruction\nand more")

    monkeypatch.setattr(PackKernel, "rehearse", broken)
    pack, scores = packed(["tanh"], data, tmp_path, True, monkeypatch, **FUSED)
    _, expected = packed(["tanh"], data, tmp_path / "layers", False, monkeypatch, **FUSED)
    assert pack.kernel is None
    assert (
        "kernel: not used: RuntimeError: no such instruction\n"
        in (tmp_path / "tanh/log.txt").read_text()
    )
    assert torch.equal(scores[-1]["loss"], expected[-1]["loss"])


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("planted"), RuntimeError("Triton Error [CUDA]: out of memory")]
)
def test_memory_that_other_runs_take_is_no_reason_for_other_bits(
    data, tmp_path, monkeypatch, error
):
    def full(*_):
        raise error

    monkeypatch.setattr(PackKernel, "rehearse", full)
    with pytest.raises(type(error), match=r"planted|out of memory"):
        packed(["tanh"], data, tmp_path, True, monkeypatch, **FUSED)
