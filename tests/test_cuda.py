"""What only a GPU can show: recorded steps are the steps that they record.

Skipped where there is none.
"""

import copy
import dataclasses
import functools
import gc
import json
import subprocess
import sys
import weakref

import exact
import pytest
import torch
from exact import relative_error
from runs import (
    PACKABLE,
    company,
    packed_spec,
    plain_mlp,
    quiet,
    run,
    run_row,
    run_tables,
    same_tables,
    small,
    stop_after,
    tiny,
    train_together,
)

from actstudy.contract import registry, store
from actstudy.contract.pack_kernels import why_not
from actstudy.contract.spec import data_name, run_id
from actstudy.data import prepared
from actstudy.health import Monitor
from actstudy.losses import ContrastiveLoss
from actstudy.nets import kernels
from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP
from actstudy.nets.packed import PackedMLP
from actstudy.nets.towers import Embedded
from actstudy.study import packs
from actstudy.tasks import contrastive, retrieval
from actstudy.training import devices, leases, outcome, pack_evaluation, pack_kernel, seat
from actstudy.training.cuda_graphs import Replay
from actstudy.training.in_turn import complete_each

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
OPTIMIZERS = [
    {"optimizer": "adamw"},
    {"optimizer": "adam"},
    {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9},
    {"optimizer": "rmsprop"},
]


@pytest.fixture(autouse=True)
def company_on_the_gpu(tmp_path, monkeypatch):
    """Runs of other workers are neither waited for, as `stop_after` counts each second of that, nor
    expected to leave.
    """
    monkeypatch.setattr(leases, "LEASES", tmp_path / "leases")
    monkeypatch.setattr(devices, "SETTLING", 1)


def recorded(**fields):
    return tiny(**{"engine": "compiled", "strict": True, "epochs": 6, "warmup": 2, **fields})


def gpu(**settings):
    return quiet(device="cuda", **settings)


def weights(folder):
    """The weights' checksum of a run that has been trained to its end."""
    found = run_row(folder)
    assert found["status"] == "completed", found["reason"]
    return found["weights_sha256"]


@pytest.mark.parametrize("fields", OPTIMIZERS, ids=lambda fields: fields["optimizer"])
def test_a_recorded_step_is_the_step_itself(tmp_path, data_folder, fields):
    """Probed at each step none is replayed, else nearly all are: dropout, rate and update agree in
    each bit.
    """
    for name, every in (("each", 1), ("few", 10**6)):
        run(recorded(**fields), tmp_path / name, data_folder, gpu(probe_every=every))
    assert weights(tmp_path / "each") == weights(tmp_path / "few")
    assert run_row(tmp_path / "few")["throughput"] > 0


@pytest.mark.parametrize("fields", OPTIMIZERS, ids=lambda fields: fields["optimizer"])
def test_a_recorded_run_resumes_to_the_same_bits(tmp_path, data_folder, fields):
    run(recorded(**fields), tmp_path / "whole", data_folder, gpu())
    for stop in (3, 9):
        with pytest.raises(outcome.Interrupted):
            run(recorded(**fields), tmp_path / "parts", data_folder, gpu(stopping=stop_after(stop)))
    run(recorded(**fields), tmp_path / "parts", data_folder, gpu())
    assert run_row(tmp_path / "parts")["n_resumes"] == 2
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_recorded_run_is_near_the_cpus(tmp_path, data_folder):
    """Without dropout, whose draws differ by device."""
    run(recorded(dropout=0.0), tmp_path / "gpu", data_folder, gpu())
    run(recorded(dropout=0.0, engine="eager"), tmp_path / "cpu", data_folder, quiet())
    assert run_row(tmp_path / "gpu")["last_loss"] == pytest.approx(
        run_row(tmp_path / "cpu")["last_loss"], rel=1e-2
    )


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_every_precision_trains(tmp_path, data_folder, precision, engine):
    run(tiny(precision=precision, engine=engine, epochs=4), tmp_path / "a", data_folder, gpu())
    assert run_row(tmp_path / "a")["status"] == "completed", run_row(tmp_path / "a")["reason"]


@pytest.mark.parametrize("mix", ["none", "cutmix"])
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_augmented_images_pair_over_activations_and_resume(tmp_path, engine, mix):
    prepared.prepare("fashion_mnist_tenth", tmp_path / "data")
    fields = {
        "engine": engine,
        "strict": True,
        "augment": "crop_flip_jitter",
        "mix": mix,
        "steps": 12,
        "precision": "bf16",
    }
    for activation in ("relu", "gelu"):
        run(small("vision", activation, **fields), tmp_path / activation, tmp_path / "data", gpu())
    assert run_row(tmp_path / "relu")["order_hash"] == run_row(tmp_path / "gelu")["order_hash"]
    with pytest.raises(outcome.Interrupted):
        run(
            small("vision", "gelu", **fields),
            tmp_path / "parts",
            tmp_path / "data",
            gpu(stopping=stop_after(5)),
        )
    run(small("vision", "gelu", **fields), tmp_path / "parts", tmp_path / "data", gpu())
    assert weights(tmp_path / "parts") == weights(tmp_path / "gelu")


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("task", ["cls", "contrastive", "lm", "mlp", "vision"])
def test_probes_change_nothing(tmp_path, task, engine):
    """Strict: probed at each of 20 steps, or at the first and the last alone: weights and curves
    agree in each bit.
    """
    spec = small(task, "gelu", engine=engine, strict=True, steps=20)
    prepared.prepare(data_name(spec), tmp_path / "data")
    for name, every in (("each", 1), ("few", 10**6)):
        run(spec, tmp_path / name, tmp_path / "data", gpu(probe_every=every))
    assert same_tables(
        tmp_path / "each", tmp_path / "few", names=("curves", "predictions", "calibration")
    )
    assert weights(tmp_path / "each") == weights(tmp_path / "few")
    assert (
        len(run_tables(tmp_path / "each")["health"])
        > len(run_tables(tmp_path / "few")["health"])
        > 0
    )


def unit_vectors(n, width=128):
    """Pairs of unit vectors (N, D) on the GPU, in float64: the second is the first with noise."""
    x = torch.randn(n, width, dtype=torch.float64, device="cuda")
    y = x + 2 * torch.randn_like(x)
    return [view / view.norm(dim=1, keepdim=True) for view in (x, y)]


@pytest.fixture
def tf32():
    """What a run in bf16 sets beside autocast."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


def test_cosines_of_an_evaluation_are_no_products_in_tf32(tf32):
    """Such a product is 30 times as far from the exact one, so that the card has TF32."""
    torch.manual_seed(0)
    x, y = unit_vectors(1024)
    exact = x @ y.T
    plain = x.float() @ y.float().T
    with torch.autocast("cuda", dtype=torch.bfloat16):
        own = retrieval.cosines(x.float(), y.float())
    errors = [float((near - exact).abs().max()) for near in (own, plain)]
    assert errors[0] < 1e-6
    assert errors[1] > 30 * errors[0]
    assert torch.get_float32_matmul_precision() == "high"


def test_a_contrastive_evaluation_is_the_same_with_tf32_and_without(tf32):
    """The loss of its batches agrees in each bit; that of a training step follows torch's setting,
    within 0.01 nats.
    """
    torch.manual_seed(0)
    x, y = unit_vectors(2048)
    features = torch.stack([x.float(), y.float()], dim=1)
    loss = ContrastiveLoss("clip", check=False).cuda()
    output = Embedded(features, features, None, loss)
    order = torch.arange(len(x), device="cuda")
    steps = []
    scored = []
    for precision in ("high", "highest"):
        torch.set_float32_matmul_precision(precision)
        scored.append(contrastive.batch_scores(output, order, order, 512)["loss"])
        steps.append(loss(x[:512].float(), y[:512].float()).item())
    assert scored[0] == scored[1]
    assert steps[0] != steps[1]
    assert steps[0] == pytest.approx(steps[1], abs=0.01)


def test_runs_name_their_gpu(tmp_path, data_folder):
    run(tiny(), tmp_path / "a", data_folder, gpu(slots_per_gpu=2))
    found = run_row(tmp_path / "a")
    assert (found["slots_per_gpu"], found["timing_clean"], found["peak_memory_kind"]) == (
        2,
        False,
        "cuda allocated",
    )
    assert found["device_id"] == str(torch.cuda.get_device_properties(0).uuid)
    assert json.loads((tmp_path / "a/environment.json").read_text())["cuda"]
    assert store.verifies(tmp_path / "a/checkpoints/final")


@pytest.mark.parametrize("compiled", [False, True])
def test_a_monitor_reads_a_gpu_as_a_cpu(compiled):
    read = []
    for device in ("cpu", "cuda"):
        model = plain_mlp(torch.nn.GELU).to(device)
        model = torch.compile(model) if compiled and device == "cuda" else model
        x = torch.randn(64, 10, generator=torch.Generator().manual_seed(0)).to(device)
        with Monitor(model, every=2) as health:
            for _ in range(3):
                loss = model(x).square().mean()
                loss.backward()
                health.step(loss)
        read.append({(row["step"], row["name"], row["probe"]): row["value"] for row in health.rows})
    assert read[0].keys() == read[1].keys()
    assert list(read[1].values()) == pytest.approx(
        list(read[0].values()), rel=1e-3, abs=1e-5, nan_ok=True
    )


class Unrecorded:
    """Stands for Replay: the step itself, each time."""

    def __init__(self, step, *_, pool):
        self.step = step

    def __call__(self, *inputs):
        return self.step(*inputs)


NORMED = [
    {"optimizer": "adamw", "norm": "batch", "dropout": 0.3},
    {"optimizer": "sgd", "lr": 0.05, "norm": "layer", "dropout": 0.1},
]
KERNEL = {"batch_size": 100, "dropout": 0.0, "clip": None}  # what the kernel trains
BY_KERNEL = [
    {**KERNEL, "optimizer": "sgd", "lr": 0.05, "precision": "tf32"},
    {**KERNEL, "optimizer": "sgd", "lr": 0.05, "precision": "bf16", "weight_decay": 0.0},
    {**KERNEL, "optimizer": "adamw", "clip": 1.0, "precision": "bf16"},
]


@pytest.mark.parametrize(
    "fields",
    [*OPTIMIZERS[:3], *NORMED, *BY_KERNEL],
    ids=lambda fields: " ".join(
        fields[name] for name in ("optimizer", "norm", "precision") if name in fields
    ),
)
def test_a_recorded_pack_is_the_pack_itself(tmp_path, data_folder, monkeypatch, fields):
    """Steps, probed steps, probes, evaluations: recorded or not, stopped and resumed, each run
    alone in its pack; of those that the kernel trains too, without a hybrid, which it does not.
    """
    members = company()[:5] if fields in BY_KERNEL else company()
    specs = [dataclasses.replace(spec, **fields, epochs=6, strict=True) for spec in members]
    settings = {"device": "cuda", "probe_every": 5}
    few = train_together(specs, tmp_path / "few", data_folder, **settings)
    for folder in few:
        log = (folder / "log.txt").read_text()
        assert ("kernel: used" in log) == (fields in BY_KERNEL)
        assert "layer by layer" not in log
    with pytest.raises(outcome.Interrupted):
        train_together(specs, tmp_path / "parts", data_folder, **settings, stopping=stop_after(9))
    parts = train_together(specs, tmp_path / "parts", data_folder, **settings)
    alone = [
        train_together([spec], tmp_path / "alone", data_folder, **settings)[0] for spec in specs
    ]
    monkeypatch.setattr("actstudy.training.cuda_graphs.Replay", Unrecorded)
    each = train_together(specs, tmp_path / "each", data_folder, **settings)
    for others in zip(each, parts, alone, few, strict=True):
        assert weights(others[-1])
        assert all(same_tables(other, others[-1]) for other in others)


def test_a_dead_record_spoils_no_other():
    """What is left of a training that is over may be collected at any time, but not while another
    is recorded.
    """
    threshold, pool, x = (
        gc.get_threshold(),
        torch.cuda.graph_pool_handle(),
        torch.ones(3, device="cuda"),
    )

    def part(x):
        return {"sum": sum([each["x"] for each in [{"x": x * i} for i in range(100)]])}

    def collecting(x):
        assert gone() is not None
        gc.set_threshold(1)
        return part(x)

    part(x)
    gc.set_threshold(10**6)
    try:
        dead = [Replay(part, x, pool=pool)]
        dead.append(dead)
        gone = weakref.ref(dead[0])
        del dead
        assert Replay(collecting, x, pool=pool)(x)["sum"].tolist() == [4950.0] * 3
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("fields", BY_KERNEL[1:], ids=["sgd", "adamw"])
def test_probes_change_nothing_of_a_pack_by_kernel(tmp_path, data_folder, fields):
    """Its steps with probes write their gradients: each step is probed, or nearly none."""
    specs = [packed_spec(name, **{**fields, "epochs": 2}) for name in ("tanh", "relu")]
    trained = []
    for name, every in (("each", 1), ("few", 10**6)):
        folders = train_together(
            specs, tmp_path / name, data_folder, device="cuda", probe_every=every
        )
        trained.append([weights(folder) for folder in folders])
        assert "kernel: used" in (folders[0] / "log.txt").read_text()
    assert trained[0] == trained[1]


KINKED = ("relu", "leaky_relu", "selu", "hardtanh", "hardswish", "relu6", "hard_sigmoid")


def of_every_activation(precision, width, depth):
    """Specs and a packed model of 40 features and 10 classes: a run of each that the kernel has."""
    names = registry.literal("training/pack_formulas.py", "NAMES")
    fields = {"width": width, "depth": depth, "precision": precision, "pack_width": len(names)}
    specs = [packed_spec(name, **{**KERNEL, **fields, "batch_size": 64}) for name in names]
    torch.manual_seed(0)
    members = []
    for spec in specs:
        sites = Sites(spec.activation, spec.activation_args)
        members.append((MLP(40, [width] * depth, 10, sites), sites))
    return specs, PackedMLP(members)


@pytest.mark.parametrize(("precision", "limit"), [("tf32", 3e-3), ("bf16", 3e-2)])
def test_the_kernels_gradients_are_those_of_float64(precision, limit):
    """Of every activation that it has, per parameter, by norm. At a kink rounding may move a value
    to the other slope: ten times the limit.
    """
    specs, model = of_every_activation(precision, width=16, depth=2)
    names = [spec.activation for spec in specs]
    x, y = torch.randn(1, 64, 40), torch.randint(0, 10, (1, 64))
    seed_of = torch.zeros(len(names), dtype=torch.long)
    double = copy.deepcopy(model).double()
    logits = double(x[seed_of].double()).flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, y[seed_of].flatten(), reduction="none")
    loss = loss.view(len(names), -1).mean(1)
    expected = torch.autograd.grad(loss.sum(), list(double.stacked))
    tiles = pack_kernel.TILES[precision]
    kernel = pack_kernel.PackKernel(model.cuda(), specs, seed_of.cuda(), tiles)
    got, _ = kernel.step(x.cuda(), y.cuda(), torch.ones(3, device="cuda"), False, True)
    assert got.cpu().numpy() == pytest.approx(loss.detach().numpy(), rel=limit)
    for gradient, known in zip(kernel.gradients, expected, strict=True):
        error = (gradient.cpu() - known).flatten(1).norm(dim=1) / known.flatten(1).norm(dim=1)
        limits = [10 * limit if name in KINKED else limit for name in names]
        wrong = {
            name: float(e) for name, e, most in zip(names, error, limits, strict=True) if e > most
        }
        assert not wrong


@pytest.mark.parametrize("sizes", [(16, 2), (128, 4)], ids=str)
@pytest.mark.parametrize(("precision", "limit"), [("tf32", 3e-3), ("bf16", 3e-2)])
def test_the_kernels_logits_are_those_of_float64(precision, limit, sizes):
    """Of every activation that it has, by norm, of blocks that are full and not; of a run alone,
    and of fewer examples, the same to the last bit.
    """
    specs, model = of_every_activation(precision, *sizes)
    x = torch.randn(300, 40)
    expected = copy.deepcopy(model).double()(x.double()).detach()
    seed_of = torch.zeros(len(specs), dtype=torch.long, device="cuda")
    tiles = pack_kernel.TILES[precision]
    blocks = pack_evaluation.BLOCKS[precision]
    kernel = pack_kernel.PackKernel(model.cuda(), specs, seed_of, tiles)
    evaluation = pack_evaluation.PackEvaluation(kernel, blocks)
    got = evaluation.logits(x.cuda())
    errors = (got.cpu() - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert {spec.activation for spec, e in zip(specs, errors, strict=True) if e > limit} == set()
    assert torch.equal(evaluation.logits(x[130:].cuda()), got[:, 130:])
    alone = pack_evaluation.PackEvaluation(
        pack_kernel.PackKernel(model, specs[:1], seed_of, tiles), blocks
    )
    assert torch.equal(alone.logits(x.cuda())[0], got[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("n", [32768 + 112, 32768 + 100])
def test_the_kernels_passes_of_probes_are_those_of_torch(dtype, n):
    """And a row's own, in any company; of no whole blocks, with and without a remainder of 16."""
    from kernels import compare_passes

    scales = torch.logspace(-3, 3, 64, device="cuda")[:, None]
    x = (torch.randn(64, n, device="cuda") * scales).to(dtype)
    x[5, 7] = float("nan")
    x[6, 7] = float("inf")
    x[10] = x[10].abs() + 1
    x[11] = -x[11].abs() - 1
    x[12] = torch.randn(n, device="cuda") * 1e-39
    got = compare_passes(x, slice(9, 10))
    torch.testing.assert_close(got["sd"][0, 12], x[12].double().std(), rtol=1e-3, atol=0)


def test_formulas_on_a_gpu_keep_small_values_and_tails():
    """To 1e-5, relative from 1e-30 on: exponentials and inverses are the GPU's own instructions."""
    from kernels import formulas_of

    wrong = set()
    for name in registry.literal("training/pack_formulas.py", "NAMES"):
        tail = 1e-6 if name.startswith("gelu") else 1e-30
        for (y, slope), (value, derivative) in formulas_of(name, torch.device("cuda")):
            near = torch.allclose(value, y, rtol=1e-5, atol=tail)
            if not near or not torch.allclose(derivative, slope, rtol=1e-5, atol=3e-6):
                wrong.add(name)
    assert wrong == set()


def test_operands_of_tf32_are_rounded_to_nearest():
    """Halves away from zero; a tensor core alone would cut them off."""
    from kernels import operand

    from actstudy.training import pack_layers

    near = 1 + 3 * 2**-12
    half = 1 + 2**-11
    below = 1 + 2**-12
    x = torch.tensor([near, half, below, -near, 0.0, float("inf")], device="cuda")
    x = torch.cat([x, torch.full((10,), float("nan"), device="cuda")])
    y = torch.empty_like(x)
    operand[(1,)](x, y, 16, pack_layers.Sizes(True, *[16] * 9, 16, 1))
    up = 1 + 2**-10
    assert y[:6].tolist() == [up, up, 1.0, -up, 0.0, float("inf")]
    assert y[6:].isnan().all()


@pytest.mark.parametrize(
    "fields",
    [{"precision": "tf32"}, {"precision": "bf16"}, {"precision": "bf16", "dropout": 0.1}],
    ids=["tf32", "bf16", "bf16 by layers"],
)
def test_every_activation_has_its_bits_in_company(tmp_path, data_folder, fields):
    """Compiled code is another for another list of activations: the numbers are not.

    Of the probes neither: under autocast softplus answers in float32, and so would its company.
    Without dropout the kernel trains those that learn no weights, in a pack of their own.
    """
    recipe = {"width": 128, "batch_size": 128, "optimizer": "sgd", "lr": 0.05, "epochs": 2}
    fields = {**recipe, **fields, "pack_width": len(PACKABLE), "depth": 4}
    specs = [packed_spec(name, **fields) for name in PACKABLE]
    settings = {"device": "cuda", "probe_every": 20}
    by_kernel = [spec for spec in specs if why_not(spec) is None]
    others = [spec for spec in specs if spec not in by_kernel]
    together = []
    for members in filter(None, (by_kernel, others)):
        together += train_together(members, tmp_path / "together", data_folder, **settings)
    for spec, folder in zip([*by_kernel, *others], together, strict=True):
        (alone,) = train_together([spec], tmp_path / "alone", data_folder, **settings)
        assert weights(alone), spec.activation
        assert same_tables(alone, folder), spec.activation


@pytest.mark.parametrize("fields", [{"precision": "tf32"}, BY_KERNEL[0]], ids=["layers", "kernel"])
def test_a_pack_is_near_the_plain_loop(tmp_path, data_folder, fields):
    """Train and validation losses within 2e-2 over all windows."""
    spec = dataclasses.replace(company()[0], **fields, epochs=10)
    (packed,) = train_together([spec], tmp_path, data_folder, device="cuda")
    run(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        gpu(),
    )
    curves = [
        store.read(folder, "curves")[0].to_pandas()
        for folder in (packed, tmp_path / "plain/checkpoints/final")
    ]
    losses = [
        frame[(frame["metric"] == "loss") & (frame["split"] != "test")]["value"].to_numpy()
        for frame in curves
    ]
    assert losses[0] == pytest.approx(losses[1], abs=2e-2)


def test_of_64_runs_one_that_diverges_disturbs_none(tmp_path):
    """The pack beside itself without the bad run: 63 runs agree in every table and weight, one has
    a row `diverged`.
    """
    prepared.prepare("fashion_mnist_tenth", tmp_path / "data")
    recipe = {
        "optimizer": "sgd",
        "lr": 0.01,
        "clip": None,
        "schedule": "constant",
        "warmup": 0,
        "precision": "tf32",
    }
    sizes = {
        "dataset": "fashion_mnist_tenth",
        "depth": 5,
        "width": 128,
        "batch_size": 128,
        "epochs": 10,
    }
    names, seeds = ("relu", "tanh", "sigmoid", "gelu"), range(16)
    specs = [
        packed_spec(name, seed, pack_width=64, **sizes, **recipe)
        for name in names
        for seed in seeds
    ]
    calm = train_together(
        specs, tmp_path / "calm", tmp_path / "data", device="cuda", probe_every=100
    )
    specs[5] = dataclasses.replace(specs[5], lr=1e6)
    wild = train_together(
        specs, tmp_path / "wild", tmp_path / "data", device="cuda", probe_every=100
    )
    assert [store.summary_row(folder)["status"] for folder in wild].count("completed") == 63
    assert store.summary_row(wild[5])["status"] == "diverged"
    assert all(
        same_tables(one, other)
        for i, (one, other) in enumerate(zip(calm, wild, strict=True))
        if i != 5
    )


WARM = {"engine": "compiled", "strict": True, "steps": 12}
CELLS = [
    ("vision", {"precision": "bf16", "augment": "crop_flip"}),
    ("cls", {"precision": "bf16", "width": 64}),
    ("lm", {"precision": "bf16", "width": 64}),
    ("contrastive", {"precision": "bf16"}),
    ("mlp", {"precision": "fp16", "dropout": 0.1}),
]


def folders(specs, root):
    return {root / run_id(spec): spec for spec in specs}


def each_in_a_process(specs, root, data):
    """Train runs at the same time, each in a fresh process, all on one GPU."""
    words = ["--device", "cuda", "--slots_per_gpu", str(len(specs)), "--probe_every", "5"]
    words += ["--quiet", "--data_dir", str(data), "--log_dir", str(root)]
    processes = []
    for spec in specs:
        command = [sys.executable, "-m", "actstudy", "series", "--members", packs.to_json([spec])]
        processes.append(subprocess.Popen([*command, *words]))
    assert [process.wait() for process in processes] == [0] * len(specs)


@pytest.mark.parametrize(("task", "fields"), CELLS, ids=[task for task, _ in CELLS])
def test_a_run_in_the_graphs_of_another_has_the_bits_of_a_fresh_process(
    tmp_path, seated, task, fields
):
    """Three seeds of a cell in one process, and in the other order: weights and all tables."""
    specs = [small(task, "gelu", seed, **WARM, **fields) for seed in range(3)]
    prepared.prepare(data_name(specs[0]), tmp_path / "data" / data_name(specs[0]))
    for name, members in (("ab", specs), ("ba", specs[::-1])):
        assert complete_each(folders(members, tmp_path / name), gpu(), tmp_path / "data") == 0
    assert seated == [1, 2, 1, 0]
    each_in_a_process(specs, tmp_path / "alone", tmp_path / "data")
    for folder in folders(specs, tmp_path / "alone"):
        for name in ("ab", "ba"):
            assert weights(tmp_path / name / folder.name) == weights(folder), (name, folder.name)
            assert same_tables(tmp_path / name / folder.name, folder), (name, folder.name)
    rows = [run_row(folder) for folder in folders(specs, tmp_path / "ab")]
    assert [row["compile_seconds"] > 0 for row in rows] == [True, False, False]
    assert all(row["peak_memory_bytes"] for row in rows)


@pytest.mark.parametrize("fields", OPTIMIZERS, ids=lambda fields: fields["optimizer"])
def test_recorded_moments_of_another_run_are_gone(tmp_path, data_folder, seated, fields):
    specs = [recorded(seed=seed, **fields) for seed in range(2)]
    assert complete_each(folders(specs, tmp_path / "warm"), gpu(), data_folder.parent) == 0
    assert seated == [1]
    for folder, spec in folders(specs, tmp_path / "alone").items():
        run(spec, folder, data_folder, gpu())
        assert same_tables(folder, tmp_path / "warm" / folder.name)


def test_runs_that_resume_diverge_or_fail_do_not_touch_the_next(tmp_path, seated, monkeypatch):
    """A job of its own for one with a checkpoint of another process, and after one that failed."""
    specs = [small("cls", "gelu", seed, precision="bf16", **WARM) for seed in range(6)]
    specs[2] = dataclasses.replace(specs[2], lr=1e30)
    data = tmp_path / "data" / data_name(specs[0])
    prepared.prepare(data.name, data)
    runs = folders(specs, tmp_path / "warm")
    resumed, failing = (list(runs)[place] for place in (1, 4))
    with pytest.raises(outcome.Interrupted):
        run(specs[1], resumed, data, gpu(stopping=stop_after(5)))
    real = seat.reseat

    def reseat(job, model, specs, logs):
        if specs[0].seed == 4:
            raise torch.cuda.OutOfMemoryError("planted")
        return real(job, model, specs, logs)

    with monkeypatch.context() as patch:
        patch.setattr(seat, "reseat", reseat)
        assert complete_each(runs, gpu(), data.parent) == 0
    assert seated == [2, 3]
    statuses = [store.summary_row(folder)["status"] for folder in runs]
    assert statuses == ["completed"] * 2 + ["diverged", "completed", "out_of_memory", "completed"]
    assert run_row(resumed)["n_resumes"] == 1
    for folder, spec in folders(specs, tmp_path / "alone").items():
        if spec.seed != 4:
            run(spec, folder, data, gpu())
            assert same_tables(folder, tmp_path / "warm" / folder.name), spec.seed
    assert store.summary_row(failing)["reason"].startswith("task cls")


FUSED = {"engine": "compiled", "precision": "bf16", "width": 128, "heads": 2, "steps": 12}


@pytest.mark.parametrize("length", [64, 256, 1024])
def test_attention_is_that_of_float64_and_the_same_twice(length):
    torch.manual_seed(0)
    qkv = torch.randn(3, length, 3 * 128, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    dy = torch.randn(3, length, 128, device="cuda", dtype=torch.bfloat16)
    precise = qkv.detach().double().requires_grad_()
    expected = exact.attention(precise, 2)
    (expected_gradient,) = torch.autograd.grad(expected, precise, dy.double())
    runs = []
    for _ in range(2):
        y = kernels.attention(qkv, 2)
        runs.append((y, *torch.autograd.grad(y, qkv, dy)))
    assert relative_error(runs[0][0], expected) < 5e-3
    assert relative_error(runs[0][1], expected_gradient) < 1e-2
    assert all(map(torch.equal, *runs))


@pytest.mark.parametrize("size", [50, 400, 30000, 50257])
def test_the_loss_of_a_head_is_that_of_float64_and_the_same_twice(size):
    torch.manual_seed(0)
    x = torch.randn(256, 128, device="cuda", requires_grad=True)
    weight = (torch.randn(size, 128, device="cuda") / 10).requires_grad_()
    y = torch.randint(size, (256,), device="cuda")
    y[7] = -100
    precise = [value.detach().double().requires_grad_() for value in (x, weight)]
    expected = torch.nn.functional.cross_entropy(precise[0] @ precise[1].T, y)
    expected_gradients = torch.autograd.grad(expected, precise)
    runs = []
    for _ in range(2):
        loss = kernels.head_loss(x, weight, y)
        runs.append((loss, *torch.autograd.grad(loss, (x, weight))))
    assert float(runs[0][0]) == pytest.approx(float(expected), rel=1e-3)
    for own, other in zip(runs[0][1:], expected_gradients, strict=True):
        assert relative_error(own, other) < 1e-2
    assert all(map(torch.equal, *runs))


@pytest.fixture
def launches(monkeypatch):
    """Names of the kernels that are launched, not replayed."""
    from actstudy.nets import attention_kernel, loss_kernel

    names = []
    for module, name in (
        (attention_kernel, "forward"),
        (attention_kernel, "backward"),
        (loss_kernel, "of_head"),
    ):
        of = getattr(module, name)
        counted = functools.partial(lambda of, name, *a: names.append(name) or of(*a), of, name)
        monkeypatch.setattr(module, name, counted)
    return names


def test_a_run_with_kernels_is_near_one_without(tmp_path, launches):
    """A strict run has none. A recorded step launches nothing: the first and the recording do."""
    spec = small("lm", **FUSED, dropout=0.0)
    prepared.prepare(data_name(spec), tmp_path / "data")
    run(spec, tmp_path / "own", tmp_path / "data", gpu(probe_every=10**6))
    depth = spec.depth
    for name, per_step in (("of_head", 1), ("forward", depth), ("backward", depth)):
        # one more of the try that asks whether it works
        assert per_step * 2 <= launches.count(name) <= per_step * 4 + 1, name
    launches.clear()
    strict = dataclasses.replace(spec, strict=True)
    run(strict, tmp_path / "strict", tmp_path / "data", gpu(probe_every=10**6))
    assert not launches
    losses = [run_row(tmp_path / name)["last_loss"] for name in ("own", "strict")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert "by kernel" in run_row(tmp_path / "own")["execution"]
    assert "by kernel" not in run_row(tmp_path / "strict")["execution"]
    assert "kernels: used: attention and loss\n" in (tmp_path / "own/log.txt").read_text()
    assert "kernels: not used: strict\n" in (tmp_path / "strict/log.txt").read_text()


def test_a_recorded_step_with_kernels_is_the_step_itself(tmp_path, monkeypatch):
    """And a resumed run the whole one; but for sums of equal tokens' gradients, in any order."""
    spec = small("lm", **FUSED)
    prepared.prepare(data_name(spec), tmp_path / "data")
    run(spec, tmp_path / "whole", tmp_path / "data", gpu())
    with pytest.raises(outcome.Interrupted):
        run(spec, tmp_path / "parts", tmp_path / "data", gpu(stopping=stop_after(5)))
    run(spec, tmp_path / "parts", tmp_path / "data", gpu())
    monkeypatch.setattr("actstudy.training.cuda_graphs.Replay", Unrecorded)
    run(spec, tmp_path / "each", tmp_path / "data", gpu())
    losses = [run_row(tmp_path / name)["last_loss"] for name in ("whole", "parts", "each")]
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-3)
