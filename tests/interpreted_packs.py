"""The kernel of packs by Triton's interpreter, which needs no GPU; tests/test_pack_kernel.py runs
this file in a process of its own, as Triton asks for its interpreter when it is imported.
"""

import itertools

import numpy as np
import pytest
import torch
import triton.language as tl
from kernels import compare_passes, formulas_of, operand
from runs import packed_spec, quiet
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from actstudy.health.moments import PASSES
from actstudy.nets.activations import ACTIVATIONS, LEARNT, RANDOM, Sites
from actstudy.nets.mlp import MLP
from actstudy.nets.packed import PackedMLP
from actstudy.tasks import classification
from actstudy.training import (
    pack_evaluation,
    pack_formulas,
    pack_kernel,
    pack_layers,
    pack_probes,
)
from actstudy.training.batches import batches
from actstudy.training.pack_evaluation import Blocks, PackEvaluation
from actstudy.training.pack_kernel import PackKernel, Tiles
from actstudy.training.pack_probes import PackPasses
from actstudy.training.wiring import make_pack

CPU = torch.device("cpu")
TILES = Tiles(units=16, features=16, stages=1)
BLOCKS = Blocks(examples=16, features=16, stages=1, registers=255)
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


@pytest.mark.parametrize("name", pack_formulas.NAMES)
def test_a_formula_and_its_slope_are_those_of_the_registered_module(name):
    """Relative to the value from 1e-30 on: small signals keep their digits; slopes to 2e-6."""
    tail = 1e-6 if name.startswith("gelu") else 1e-30  # 1 + erf, as torch has it
    for (y, slope), (value, derivative) in formulas_of(name, CPU):
        torch.testing.assert_close(value, y, rtol=2e-6, atol=tail)
        torch.testing.assert_close(derivative, slope, rtol=2e-6, atol=2e-6)


def size_of(tf32):
    return pack_layers.Sizes(tf32, *[16] * 9, 16, 1)


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
    near = np.sign(mantissa) * np.floor(np.abs(mantissa) * 2**11 + 0.5)  # halves away from zero
    expected = np.ldexp(near / 2**11, exponent)
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
    kernel = PackKernel(model, specs, SEED_OF, TILES)
    got, accuracy = kernel.step(x, y, SCALARS, update=True, keep=True)
    torch.testing.assert_close(got, loss.detach(), rtol=limit / 10, atol=0)
    assert torch.equal(accuracy, (logits.argmax(2) == y[SEED_OF]).float().mean(1))
    for old, new, expected, own in zip(
        before, model.stacked, gradients, kernel.gradients, strict=True
    ):
        assert ((own - expected).norm() / expected.norm()) < limit
        decayed = own + 0.1 * old if old.ndim > 2 else own
        torch.testing.assert_close(new.detach(), old - 0.1 * decayed, rtol=1e-6, atol=1e-7)


def test_a_step_does_what_it_is_asked_for_and_leaves_further_rows_alone():
    specs, model = small_model(SHAPES[0], precision="tf32")
    x, y = batch(*SHAPES[0][2:])
    before = [parameter.detach().clone() for parameter in model.stacked]
    kernel = PackKernel(model, specs[:2], SEED_OF, TILES)
    kernel.step(x, y, SCALARS, update=False, keep=True)
    assert all(map(torch.equal, model.stacked, before))
    assert all(gradient[:2].any() and not gradient[2:].any() for gradient in kernel.gradients)
    gradients = [gradient.clone() for gradient in kernel.gradients]
    kernel.step(x, y, SCALARS, update=True, keep=False)
    kernel.step(x, y, SCALARS, update=True, keep=False)
    assert all(map(torch.equal, kernel.gradients, gradients))
    for old, new in zip(before, model.stacked, strict=True):
        assert torch.equal(old[2:], new[2:])
        assert not torch.equal(old[1], new[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("precision", "limit"), [("tf32", 2e-3), ("bf16", 3e-2)])
def test_logits_are_those_of_the_layers(precision, limit, shape):
    """Of more examples than a block has, and of one; rows without a run are zero."""
    specs, model = small_model(shape, precision=precision)
    x = batch(*shape[2:], n=37)[0][0]
    with torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
        expected = model(x).float()
    evaluation = PackEvaluation(PackKernel(model, specs[:3], SEED_OF, TILES), BLOCKS)
    got = evaluation.logits(x)
    assert got.shape == expected.shape
    assert ((got - expected)[:3].norm() / expected[:3].norm()) < limit
    assert not got[3].any()
    assert torch.equal(evaluation.logits(x[20:21]), got[:, 20:21])


def test_a_run_has_its_bits_in_any_company():
    x, y = batch(*SHAPES[0][2:])
    trained = []
    for n in (1, 4):
        specs, model = small_model(SHAPES[0], precision="bf16")
        kernel = PackKernel(model, specs[:n], SEED_OF, TILES)
        kernel.step(x, y, SCALARS, True, True)
        logits = PackEvaluation(kernel, BLOCKS).logits(x[0])
        trained.append([logits[0], *(parameter[0].detach().clone() for parameter in model.stacked)])
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
            patch.setattr(pack_evaluation, "BLOCKS", {"tf32": BLOCKS, "bf16": BLOCKS})
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
    """Its steps, and its evaluation of more examples than a block has."""
    names = ["relu", "tanh"]
    runs = [packed(names, data, tmp_path, on, monkeypatch, **fields) for on in (False, True)]
    (layers, expected), (kernel, got) = runs
    assert layers.kernel is None
    assert kernel.kernel.fused == (fields is FUSED)
    assert (layers.execution, kernel.execution) == ("pack, TF32 off", "pack by kernel, TF32 off")
    for old, new in zip(expected, got, strict=True):
        assert old.keys() == new.keys()
        torch.testing.assert_close(new["loss"][:2], old["loss"][:2], rtol=1e-3, atol=0)
    for old, new in zip(layers.weights(), kernel.weights(), strict=True):
        for name, value in old.items():
            assert (new[name] - value).norm() < 2e-2 * value.norm() + 1e-3
    assert kernel.evaluation
    for split in ("val", "test"):
        pairs = zip(layers.evaluate(split, [1, 0]), kernel.evaluate(split, [1, 0]), strict=True)
        for old, new in pairs:
            assert new.scores == pytest.approx(old.scores, abs=2e-2)
    read = kernel.read_sites()
    assert isinstance(kernel.passes, PackPasses)
    kernel.passes = PASSES
    torch.testing.assert_close(read, kernel.read_sites(), rtol=1e-3, atol=1e-4, equal_nan=True)
    log = (tmp_path / "tanh/log.txt").read_text()
    assert "kernel: not used: device cpu" in log
    assert "kernel: used" in log


def test_passes_of_probes_are_those_of_torch_and_each_rows_own():
    """Of values of more than a block, large and small, NaN and infinite, of one sign, vanishing."""
    scales = torch.tensor([1.0, 1e-3, 1e3, 1.0, 1.0, 1.0, 1.0, 1e-40])[:, None]
    x = torch.randn(8, 9000, generator=torch.Generator().manual_seed(1)) * scales
    x[3, 17] = float("nan")
    x[4, 3] = float("inf")
    x[5] = x[5].abs() + 1
    x[6] = -x[6].abs() - 1
    got = compare_passes(x, slice(1, 3))
    torch.testing.assert_close(got["sd"][0, 7], x[7].double().std(), rtol=1e-3, atol=0)


def test_passes_of_probes_read_their_own_rows_of_any_view():
    x = torch.randn(3, 200, generator=torch.Generator().manual_seed(1))
    own = PackPasses([x])
    about = torch.tensor([[0.0, 1.0], [0.5, 2.0], [1.0, 3.0]])
    places = (x[:, ::2], about[:, :1], about[:, 1:])
    copies = [place.clone(memory_format=torch.contiguous_format) for place in places]
    assert all(map(torch.equal, own.ends(places[0]), own.ends(copies[0])))
    assert torch.equal(own.powers(*places), own.powers(*copies))


def variants(monkeypatch):
    """The program of each launch of passes, with what Triton compiles it by."""
    launches = []

    def variant(value):
        if isinstance(value, int):
            return value == 1, value % 16 == 0
        return value.dtype, value.data_ptr() % 16 == 0

    class Recorded:
        def __init__(self, name):
            self.name = name
            self.program = getattr(pack_probes, name)

        def __getitem__(self, grid):
            def launch(*arguments, **options):
                launches.append((self.name, *map(variant, arguments)))
                self.program[grid](*arguments, **options)

            return launch

    for name in ("ends", "powers"):
        monkeypatch.setattr(pack_probes, name, Recorded(name))
    return launches


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("runs", [2, 16])
def test_sites_are_read_by_the_programs_that_were_rehearsed(
    data, tmp_path, monkeypatch, precision, runs
):
    """Values of 2 runs begin elsewhere at each site."""
    launches = variants(monkeypatch)
    fields = {**FUSED, "precision": precision, "pack_width": runs, "depth": 3}
    pack, _ = packed(["relu", "tanh"], data, tmp_path, True, monkeypatch, **fields)
    rehearsed = set(launches)
    assert len(rehearsed) == (2 if runs == 16 else 3)
    launches.clear()
    pack.read_sites()
    assert [name for name, *_ in launches] == (["ends"] * 3 + ["powers"] * 3) * 2
    assert set(launches) == rehearsed


def test_one_run_that_the_kernel_does_not_train_is_enough(data, tmp_path, monkeypatch):
    pack, _ = packed(["prelu", "relu"], data, tmp_path, True, monkeypatch, **FUSED)
    assert pack.kernel is None
    log = (tmp_path / "relu/log.txt").read_text()
    assert "kernel: not used: activation prelu, which it has not" in log


def test_evaluation_and_probes_that_do_not_compile_are_lines_of_the_log(
    data, tmp_path, monkeypatch
):
    def broken(*_):
        raise RuntimeError("no such instruction\nand more")

    monkeypatch.setattr(PackEvaluation, "rehearse", broken)
    monkeypatch.setattr(PackPasses, "rehearse", broken)
    pack, _ = packed(["tanh"], data, tmp_path, True, monkeypatch, **FUSED)
    assert pack.kernel
    assert pack.evaluation is None
    assert pack.evaluate("val", [0])[0].scores["loss"] > 0
    assert pack.passes is PASSES
    log = (tmp_path / "tanh/log.txt").read_text()
    for otherwise in ("evaluation layer by layer", "probes read by torch"):
        assert f"kernel: {otherwise}: RuntimeError: no such instruction\n" in log


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
