"""Health of contrastive losses: scales, pairs and normalisations as a Monitor sees them."""

import contextlib
import math
import sys
import warnings

import pandas as pd
import pytest
import torch
from runs import ROOT, few_examples, quiet, run, run_row, run_tables, small
from torch import nn
from torch.nn import functional

from actstudy.advice import rules
from actstudy.health import Monitor, contrast, doctor, tracing
from actstudy.health.subject import Choices
from actstudy.losses import LOSSES, ContrastiveLoss
from actstudy.study import planning
from actstudy.training import optim

sys.path.append(str(ROOT / "benchmarks"))
import contrastive_rules
from contrastive_towers import LOG, UNITS, Fixed, Returning, Towers, WithLoss, loss_of

torch.set_num_threads(1)
X = torch.randn(16, 12, generator=torch.Generator().manual_seed(0))
Y = torch.randn(16, 9, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", autouse=True)
def few():
    """Runs of this file have few images."""
    with few_examples():
        yield


def watched(model, x=X, y=Y, steps=1, lr=1e-3, **facts):
    """A Monitor of some steps of SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with Monitor(model, every=1, **facts) as health:
        for _ in range(steps):
            loss = loss_of(model, x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            health.step(loss)
    return health


def read(health, probe):
    """Place -> the last value of a probe."""
    return {row["name"]: row["value"] for row in health.rows if row["probe"] == probe}


def spoken(health):
    return {finding.rule for finding in health.findings()}


# Planted cases


@pytest.mark.filterwarnings("ignore")
def test_rules_name_planted_faults_and_no_sound_case():
    """The table that the documents quote, made again; its misses are known by name."""
    stored = pd.read_parquet(ROOT / "benchmarks/results/contrastive_rules.parquet")
    rows = contrastive_rules.planted()
    pd.testing.assert_frame_equal(pd.DataFrame(rows), stored[stored["rule"] != "any"])
    missed = [row["case"] for row in rows if row["is_faulty"] != row["speaks"]]
    assert missed == [
        "loss in the loop, features times 100",
        *[f"loss in the loop, {batch}" for batch in (2, 4, 7)],
        *("in an autograd.Function", "x / x.norm() in the loop"),
    ]
    counts = pd.DataFrame(rows).groupby(["rule", "is_faulty"]).size()
    assert counts.min() >= 10
    assert len(counts) == 2 * len(contrastive_rules.RULES)


def test_a_sound_training_of_the_table_learns_without_a_word():
    stored = pd.read_parquet(ROOT / "benchmarks/results/contrastive_rules.parquet")
    sound = stored[stored["rule"] == "any"]
    assert len(sound) >= 10
    assert not sound["speaks"].any()
    shares = sound["case"].str.extract(r"(\d+)% of the loss left")[0].astype(int)
    assert shares.max() < 50
    torch.manual_seed(0)
    spoken, share = contrastive_rules.learnt(WithLoss(ContrastiveLoss("clip")), 2e-3)
    assert not spoken
    assert share < 0.2


# Scales


@pytest.mark.parametrize(
    ("make", "scale"),
    [
        (lambda: Towers(20.0, "s.exp() * p @ q.T"), 20),
        (lambda: Towers(300.0, "p @ q.T * s.exp().clamp(max=100)"), 100),
        (lambda: Towers(20.0, "s * (p @ q.T)"), 20),
        (lambda: Towers(0.05, "p @ q.T / s"), 20),
        (lambda: Fixed(0.05), 20),
        (lambda: Fixed(0.05, learns=True), 20),
        (lambda: Returning(20.0, LOG), 20),
        (lambda: Returning(20.0, "s * (p @ q.T)"), 20),
        (lambda: WithLoss(ContrastiveLoss(scale=20.0)), 20),
    ],
)
def test_a_scale_is_read_as_it_is_used(make, scale):
    assert read(watched(make(), lr=0.0), "logit_scale") == {"model": pytest.approx(scale, rel=1e-6)}


CHAINS = {  # logits of a number that is 2 and features; each is 20 cosines
    "p @ q.T * 50 * 0.4": lambda _, p, q: p @ q.T * 50 * 0.4,
    "50 * p @ q.T * 0.4": lambda _, p, q: 50 * p @ q.T * 0.4,
    "5 * p @ (8 * q).T / 2": lambda _, p, q: 5 * p @ (8 * q).T / 2,
    "p @ q.T / 0.1 / 0.5": lambda _, p, q: p @ q.T / 0.1 / 0.5,
    "(p @ q.T * 50 - 1) * 0.4": lambda _, p, q: (p @ q.T * 50 - 1) * 0.4,
    "(p @ q.T + (q @ p.T).T) / 2 * 20": lambda _, p, q: (p @ q.T + (q @ p.T).T) / 2 * 20,
    "(20 * p @ q.T + 20 * (q @ p.T).T) / 2": lambda _, p, q: (20 * p @ q.T + 20 * (q @ p.T).T) / 2,
    "s * p @ q.T * 10": lambda s, p, q: s * p @ q.T * 10,
    "10 * p @ q.T * s": lambda s, p, q: 10 * p @ q.T * s,
    "(s * p) @ (5 * s * q).T": lambda s, p, q: (s * p) @ (5 * s * q).T,
    "(s * p @ q.T + s * (q @ p.T).T) * 5": lambda s, p, q: (s * p @ q.T + s * (q @ p.T).T) * 5,
}


@pytest.mark.parametrize("code", CHAINS)
def test_a_scale_is_the_product_of_all_that_cosines_are_multiplied_by(code):
    model = Towers(2.0, "s * (p @ q.T)")
    model.logits = CHAINS[code]
    if "s" not in code:
        del model.logit_scale
        model.logit_scale = 2.0
    health = watched(model, lr=0.0)
    assert read(health, "logit_scale") == {"model": pytest.approx(20, rel=1e-5)}
    assert "logit_scale" not in spoken(health)


def test_numbers_of_another_square_are_no_part_of_a_scale():
    """Such as the -2 of the uniformity of one view, which comes after the logits."""
    model = Towers(2.0, "s * (p @ q.T)")
    del model.logit_scale
    model.logit_scale = None
    model.logits = lambda _, p, q: p @ q.T * 20 + (p @ p.T * -2).exp().mean()
    assert read(watched(model, lr=0.0), "logit_scale") == {"model": pytest.approx(20)}


def test_a_scale_whose_use_is_not_seen_is_said_to_be_guessed():
    """Of a logarithm its exponential is read; above 10 it is no logarithm."""
    for value, scale in ((math.log(20), 20), (20.0, 20)):
        model = Towers(1.0)
        model.logit_scale = nn.Parameter(torch.tensor(value))
        model.forward = lambda x, y, m=model: m.first(x).sum() + m.second(y).sum()
        health = watched(model, lr=0.0)
        assert read(health, "logit_scale")["model"] == pytest.approx(scale)
        assert contrast.GUESSED in str(health.coverage)
    assert contrast.GUESSED not in str(watched(Towers(20.0)).coverage)


def test_two_scales_are_read_by_their_names():
    model = nn.ModuleDict({"a": Towers(20.0), "b": Towers(30.0)})
    with Monitor(model) as health:
        sum(part(X, Y) for part in model.values()).backward()
        health.step()
    scales = read(health, "logit_scale")
    assert scales == {
        "a.logit_scale": pytest.approx(20.0),
        "b.logit_scale": pytest.approx(30.0),
    }


# Normalisations


@pytest.mark.parametrize("code", [code for code in UNITS if "layer_norm" not in code])
def test_the_smallest_divisor_and_that_of_zeros_are_the_functions_own(code):
    """By hand: what the code returns for a vector of zeros is NaN, or it divides by its epsilon."""
    torch.manual_seed(0)
    model = Towers(14.3, LOG, UNITS[code])
    health = watched(model, lr=0.0)
    norms = torch.cat([model.first(X), model.second(Y)]).norm(dim=1)
    (divisor,) = read(health, "divisor").values()
    (floor,) = read(health, "floor").values()
    assert divisor == pytest.approx(norms.min().item(), rel=1e-5)
    zero = torch.zeros(1, 4, requires_grad=True)
    result = UNITS[code](zero)
    (gradient,) = torch.autograd.grad(result.sum(), zero)
    is_whole = bool(result.isfinite().all() and gradient.isfinite().all())
    assert (floor > 0) == is_whole, (code, floor)
    if is_whole:
        assert gradient.abs().max().item() == pytest.approx(1 / floor, rel=1e-4)


def test_an_epsilon_that_is_zero_in_its_dtype_is_none():
    for dtype, floor in ((torch.float16, 0.0), (torch.bfloat16, 1e-8), (torch.float32, 1e-8)):
        model = Towers(14.3, LOG, UNITS["x / (x.norm() + 1e-8)"]).to(dtype)
        health = watched(model, X.to(dtype), Y.to(dtype))
        assert read(health, "floor")["Towers(div)"] == pytest.approx(floor, rel=1e-2)
        assert ("norm_without_epsilon" in spoken(health)) == (floor == 0)


@pytest.mark.parametrize("name", LOSSES)
def test_the_stable_loss_is_no_finding_for_a_zero_vector(name):
    model = WithLoss(ContrastiveLoss(name))
    nn.init.zeros_(model.second.weight)
    nn.init.zeros_(model.second.bias)
    assert not spoken(watched(model)) & {
        "small_norm",
        "norm_without_epsilon",
        "non_finite_gradient",
    }


def test_an_epsilon_of_ones_own_is_judged_in_the_stable_loss_too():
    model = WithLoss(ContrastiveLoss(eps=1e-8))
    nn.init.zeros_(model.second.weight)
    nn.init.zeros_(model.second.bias)
    assert "small_norm" in spoken(watched(model))


def test_a_zero_vector_is_the_cause_of_what_is_not_finite():
    model = Towers(14.3, LOG, UNITS["x / x.norm()"])
    nn.init.zeros_(model.second.weight)
    nn.init.zeros_(model.second.bias)
    findings = {finding.rule: finding.cause for finding in watched(model, steps=2).findings()}
    assert findings["small_norm"] == ""
    assert findings["non_finite_loss"] == findings["norm_without_epsilon"] == "small_norm"


def test_weights_without_gradient_and_evaluation_are_no_normalisations():
    model = Towers(14.3, LOG, UNITS["x / x.norm()"])
    with Monitor(model) as health:
        with torch.no_grad():
            model(X, Y)
        model.eval()
        model(X, Y)
        model.train()
        Towers.forward(model, X, Y).backward()  # outside of the module's call
        health.step()
    assert read(health, "floor") == {}


# Where the loss is


def test_a_loss_in_a_module_of_its_own_is_seen():
    class Logits(nn.Module):
        def forward(self, p, q, scale):
            return functional.cross_entropy(scale * p @ q.T, torch.arange(len(p)))

    parts = nn.ModuleDict({"model": Returning(20.0), "loss": Logits()})
    with Monitor(parts) as health:
        loss = parts["loss"](*parts["model"](X[:4], Y[:4]))
        loss.backward()
        health.step(loss)
    assert "few_pairs" in spoken(health)
    assert read(health, "logit_scale") == {"model": pytest.approx(20)}


@pytest.mark.parametrize("callback", [True, False])
def test_lightnings_callback_sees_the_training_step(callback):
    """A module whose features, scale and loss are put together outside of every forward."""
    pl = pytest.importorskip("pytorch_lightning")
    from actstudy.health.lightning import HealthCallback

    class Outside(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(12, 8)
            self.second = nn.Linear(9, 8)
            self.logit_scale = nn.Parameter(torch.tensor(150.0))

        def training_step(self, batch, _):
            p, q = (x / x.norm(dim=1, keepdim=True) for x in map(self.both, batch, (0, 1)))
            return functional.cross_entropy(self.logit_scale * p @ q.T, torch.arange(len(p)))

        def both(self, x, number):
            return (self.first, self.second)[number](x)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    health = HealthCallback(every=1)
    if not callback:
        health.on_train_batch_start = lambda *_: None
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), 4)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[health], **dict.fromkeys(off, False)
    )
    trainer.fit(Outside(), data)
    seen = {"few_pairs", "norm_without_epsilon"} if callback else set()
    assert spoken(health.health) >= {"logit_scale", *seen}
    assert (spoken(health.health) & {"few_pairs", "norm_without_epsilon"}) == seen
    assert (contrast.GUESSED in str(health.health.coverage)) == (not callback)
    assert not torch.overrides._get_current_function_mode_stack()


@pytest.mark.parametrize(("scale", "above"), [(1.0, False), (1000.0, True)])
def test_lightnings_callback_clips_above_a_norm(scale, above):
    pl = pytest.importorskip("pytorch_lightning")
    from actstudy.health.lightning import HealthCallback

    norms = []

    class Linear(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 1)

        def training_step(self, batch, _):
            return scale * self.layer(batch[0]).mean()

        def optimizer_step(self, *args, **named):
            super().optimizer_step(*args, **named)
            norms.append(nn.utils.get_total_norm([p.grad for p in self.parameters()]).item())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    callback = HealthCallback(every=1, clip_above=10)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback], **dict.fromkeys(off, False)
    )
    trainer.fit(Linear(), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X), 8))
    assert len(norms) == 2
    assert all((norm == pytest.approx(1, rel=1e-5)) == above for norm in norms)
    assert "and gradients are clipped" in str(callback.health)


@pytest.mark.parametrize("norm", [0.3, 9.99, 10.01, 400.0])
def test_a_monitors_adaptive_clipping_is_that_of_runs(norm):
    model = nn.Linear(3, 2)
    draws = [torch.randn_like(p) for p in model.parameters()]
    total = nn.utils.get_total_norm(draws)
    for parameter, draw in zip(model.parameters(), draws, strict=True):
        parameter.grad = draw * norm / total
    expected = norm * optim.clip_share(torch.tensor(norm), "adaptive").item()
    with Monitor(model) as health:
        assert health.clip(1.0, above=10).item() == pytest.approx(norm)
    after = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
    assert after == pytest.approx(expected, rel=1e-5)
    assert after == pytest.approx(1 if norm > 10 else norm, rel=1e-5)


def test_adaptive_clipping_is_a_level_of_an_axis(tmp_path):
    study = tmp_path / "clipping.yaml"
    axes = "{activation: [tanh, relu], clip: [1.0, adaptive, null]}"
    study.write_text(f"baseline: relu\naxes: {axes}\ntasks: {{mlp: {{epochs: 2}}}}\n")
    levels = [planned.spec.clip for planned in planning.load(study).possible]
    assert set(levels) == {1.0, "adaptive", None}


# Watching changes nothing


@pytest.mark.parametrize("code", UNITS)
def test_a_watched_contrastive_training_has_the_same_bits(code):
    weights = []
    for is_watched in (True, False):
        torch.manual_seed(0)
        model = Towers(14.3, LOG, UNITS[code])
        if is_watched:
            watched(model, steps=3, lr=0.1)
        else:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                model(X, Y).backward()
                optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)


class Counting(nn.Module):
    """A model that writes what it computes of norms into buffers, in place."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(X.shape[1], 4)
        self.act = nn.ReLU()
        self.register_buffer("seen", torch.ones(1))
        self.register_buffer("total", torch.zeros(()))
        self.register_buffer("last", torch.zeros(len(X), 1))

    def forward(self, x):
        features = self.act(self.layer(x))
        norm = features.norm(dim=1, keepdim=True)
        values = features.detach()
        self.seen.add_(values.square().sum().add(1))
        self.seen.mul_(values.square().sum())
        self.total += values.square().sum()
        torch.add(values.square().sum(1, keepdim=True), 1e-3, out=self.last)
        return (features / (norm + 1e-8)).square().mean()


def test_a_monitor_leaves_buffers_that_a_model_writes_as_they_are():
    buffers = []
    for is_watched in (False, True):
        torch.manual_seed(0)
        model = Counting()
        with Monitor(model, every=1) if is_watched else contextlib.nullcontext() as health:
            model(X).backward()
            if is_watched:
                health.step(torch.tensor(1.0))
                assert "normalisations not read" not in str(health.coverage)
        buffers.append([buffer.clone() for buffer in model.buffers()])
    assert all(map(torch.equal, *buffers))


def test_a_fault_of_tracing_ends_the_tracing_alone(monkeypatch):
    monkeypatch.setattr(tracing.Traces, "_trace", lambda *_: 1 / 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health = watched(Towers(14.3), steps=2)
    assert "scales and normalisations not read: ZeroDivisionError" in str(health.coverage)
    assert {"first.1"} <= read(health, "post_sd").keys()


def test_doctor_judges_no_warmup_of_its_own():
    """Its Adam starts at its rate; the user's may not."""
    torch.manual_seed(0)

    class OfBoth(Towers):
        def forward(self, z):
            return super().forward(z[:, :12], z[:, 12:])

    choices = Choices(loss="own", own_loss=lambda output, _: output)
    z = torch.cat([X, Y], 1)[:4]
    examination = doctor.examine(OfBoth(14.3), z, None, 20, 1e-2, choices)
    findings = spoken(examination.health)
    assert "few_pairs" in findings
    assert "short_warmup" not in findings


# Runs


def test_runs_of_the_task_are_judged_by_settings_and_curves():
    facts = {"run_id": "r", "task": "contrastive", "loss": "clip", "batch_size": 4}

    def speaks(scale=50.0, **more):
        point = {"step": 9, "epoch": 1, "split": "train", "metric": "logit_scale"}
        findings = rules.advise([], [{**point, "value": scale}], facts | more)
        return {finding.rule: finding.severity for finding in findings}

    of_four = {"few_pairs": "warning", "small_batch": "note"}  # towers have batch norm, too
    assert speaks() == of_four
    assert speaks(batch_size=8) == {}
    assert speaks(batch_size=64, accumulate=16) == of_four
    assert speaks(7.0, batch_size=8) == {"logit_scale": "note"}
    assert speaks(7.0, batch_size=8, loss_args='{"learn_scale": 0}') == {}
    assert speaks(7.0, batch_size=8, loss_args={"learn_scale": 1}) == {"logit_scale": "note"}
    assert speaks(7.0, batch_size=8, loss="siglip") == {}
    assert speaks(200.0, batch_size=8) == {"logit_scale": "warning"}
    assert "norm_without_epsilon" in speaks(batch_size=8, loss="clip_without_eps")
    assert speaks(7.0, batch_size=8, task="vision") == {"logit_scale": "note"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"batch_size": 4}, {"few_pairs", "small_batch"}),
        ({"batch_size": 8, "loss": "clip_without_eps"}, {"norm_without_epsilon"}),
        (
            {"batch_size": 8, "loss": "clip_without_clamp", "loss_args": {"scale": 400.0}},
            {"logit_scale"},
        ),
        ({"batch_size": 8, "loss_args": {"scale": 5.0}}, {"logit_scale"}),
        ({"batch_size": 8, "loss_args": {"scale": 5.0, "learn_scale": 0}}, set()),
        ({"batch_size": 8, "loss": "siglip"}, set()),
        ({"batch_size": 8}, set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_run_of_the_task_is_judged_by_what_it_leaves(prepared_folder, tmp_path, fields, expected):
    folder = prepared_folder("fashion_mnist_tenth")
    spec = small("contrastive", "relu", **fields)
    assert run(spec, tmp_path / "a", folder, quiet(probe_every=2)) == "completed"
    tables = run_tables(tmp_path / "a")
    rows = [tables[name].to_pylist() for name in ("health", "curves")]
    findings = {finding.rule for finding in rules.advise(*rows, run_row(tmp_path / "a"))}
    of_contrast = {rule.__name__ for rule in contrastive_rules.RULES} | {"small_batch"}
    assert findings & of_contrast - {"short_warmup"} == expected
