"""The Monitor in loops that are not ours, and what its numbers are checked against."""

import math
import re
from typing import ClassVar

import numpy as np
import pytest
import torch
from runs import ROOT, plain_mlp
from scipy import stats
from torch import nn
from torch.nn import functional

from actstudy.advice import rules
from actstudy.health import Monitor, monitor, sites, values
from actstudy.health.clipping import Clipper
from actstudy.health.moments import CHUNK, moments
from actstudy.nets.activations import ACTIVATIONS, LEARNT

torch.set_num_threads(1)


def fit(model, health, steps=7, batch=64, lr=0.1, before_step=lambda: None):
    """A plain loop; the inputs of a step are a function of its number."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(steps):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randn(batch, 10, generator=g), torch.randint(0, 4, (batch,), generator=g)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        before_step()
        optimizer.step()
        health.step(loss)
    return [p.detach().clone() for p in model.parameters()]


class Nobody:
    """Stands for a Monitor that does nothing."""

    def step(self, loss):
        pass


def read(health, probe, step=0):
    return {
        row["name"]: row["value"]
        for row in health.rows
        if row["probe"] == probe and row["step"] == step
    }


@pytest.mark.parametrize("shape", [(3, 1001), (1, 7), (2, 5_000)])
@pytest.mark.parametrize("scale", [1.0, 1e-24, 1e18])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_moments_are_scipys(shape, scale, dtype, monkeypatch):
    """At sizes whose squares leave float32 too, in parts as in one."""
    x = ((torch.randn(shape, generator=torch.Generator().manual_seed(1)) ** 3 + 2) * scale).to(
        dtype
    )
    monkeypatch.setitem(CHUNK, "cpu", 2**10)
    rows = x.double().numpy()
    expected = {
        "mean": rows.mean(1),
        "sd": rows.std(1),
        "skew": stats.skew(rows, 1),
        "kurtosis": stats.kurtosis(rows, 1),
    }
    expected |= {"min": rows.min(1), "max": rows.max(1)}
    for name, value in moments(x).items():
        assert value.numpy() == pytest.approx(expected[name], rel=2e-5, abs=1e-12 * scale), name


def test_moments_far_from_zero_and_of_constants():
    x = (
        torch.randn(2, 100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        + 1e5
    )
    assert moments(x)["sd"].numpy() == pytest.approx(x.numpy().std(1), rel=1e-6)
    constant = moments(torch.full((1, 50), 3.0))
    assert (constant["mean"].item(), constant["sd"].item()) == (3.0, 0.0)
    assert math.isnan(constant["skew"].item())
    assert all(math.isnan(value.item()) for value in moments(torch.empty(1, 0)).values())


@pytest.mark.parametrize("company", [[0], [16], [3, 4], [5, 6, 7, 8, 9], [12, 3, 1, 0, 2, 8]])
def test_probes_of_a_run_have_the_same_bits_in_any_company(company):
    """Also where a vector instruction ends, 4 or 8 runs: a power has other bits in its rest."""
    pre = torch.randn(30, 17, 50, 8, generator=torch.Generator().manual_seed(1))
    of_all = values.of_each([["tanh"] * 17] * 30, [(x, torch.tanh(x)) for x in pre])
    some = pre[:, company]
    of_some = values.of_each([["tanh"] * len(company)] * 30, [(x, torch.tanh(x)) for x in some])
    for whole, part in zip(of_all, of_some, strict=True):
        for probe, value in part.items():
            assert torch.equal(value, whole[probe][company]), probe


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in LEARNT])
def test_closed_forms_of_normal_inputs(name):
    """N(0, 1) through each activation: moments and inactive share as numerical integrals say."""
    x = torch.randn(1, 400_000, 1, generator=torch.Generator().manual_seed(2))
    module = ACTIVATIONS[name].factory()
    found = values.of_site([name], x, module(x))
    z = np.linspace(-12, 12, 480_001)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    f = module(torch.from_numpy(z)).numpy()
    mean = np.trapezoid(f * weight, z)
    assert found["post_mean"].item() == pytest.approx(mean, abs=6e-3)
    assert found["post_sd"].item() == pytest.approx(
        math.sqrt(np.trapezoid((f - mean) ** 2 * weight, z)), rel=1e-2
    )
    assert found["inactive_fraction"].item() == pytest.approx(
        np.trapezoid((f <= 0) * weight, z), abs=4e-3
    )
    assert found["zero_fraction"].item() == pytest.approx(
        np.trapezoid((f == 0) * weight, z), abs=4e-3
    )


def test_a_norm_beyond_float32_is_a_norm():
    assert values.norm(torch.full((2, 100), 1e-30)).numpy() == pytest.approx([1e-29] * 2)
    assert values.norm(torch.full((1, 100), 1e25)).numpy() == pytest.approx([1e26])


@pytest.mark.parametrize("channels", [True, False])
def test_planted_dead_units_are_found_exactly(channels):
    x = torch.randn(6, 8, 5, 5) if channels else torch.randn(6, 5, 8)
    dead = [1, 4, 6]
    (x if channels else x.transpose(1, 2))[:, dead] = -1.0
    found = values.of_site(["relu"], values.by_unit(x), values.by_unit(functional.relu(x)))
    assert found["dead_fraction"].item() == 3 / 8


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.parametrize(
    ("before", "shape", "is_known"),
    [
        ([nn.Conv1d(4, 12, 3, padding=1)], (32, 4, 10), True),
        ([nn.ConvTranspose1d(4, 12, 1)], (32, 4, 10), True),
        ([nn.Conv1d(4, 12, 1), nn.BatchNorm1d(12), nn.Dropout(0.0)], (32, 4, 10), True),
        ([nn.Linear(4, 12)], (32, 10, 4), True),
        ([nn.Linear(4, 12), nn.LayerNorm(12)], (32, 3, 5, 4), True),
        ([nn.Conv2d(4, 12, 1)], (32, 4, 5, 3), True),
        ([nn.Conv1d(4, 12, 1), Turned()], (32, 4, 10), False),
        ([Turned(), nn.Flatten(2)], (32, 12, 10), False),
    ],
)
def test_dead_units_are_counted_on_the_axis_of_the_units(before, shape, is_known):
    """Three of twelve are planted, if there is a layer with a bias."""
    model = nn.Sequential(*before, nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    model(torch.randn(shape))
    for layer in before:
        if getattr(layer, "bias", None) is not None:
            nn.init.constant_(layer.bias[:3], -1000.0)
    with Monitor(model) as health:
        model(torch.randn(shape)).sum().backward()
        health.step(1.0)
    shares = list(read(health, "dead_fraction").values())
    assert shares == ([0.25] if is_known else [])
    remark = f"dead units not judged, unit axis not known: 1 site, {len(before)}"
    assert (remark in str(health)) != is_known


def test_counts_are_exact_beyond_float32s_whole_numbers(monkeypatch):
    """As on a GPU: 2^24 + 3 values, of which one is not finite."""
    monkeypatch.setitem(CHUNK, "cpu", CHUNK["cuda"])
    x = torch.zeros(1, 2**24 + 3, 1)
    assert values.of_site(["relu"], x, x)["nonfinite"].item() == 0
    x[0, 5] = math.inf
    assert values.of_site(["relu"], x, x)["nonfinite"].item() == 2


def test_sites_whose_output_is_smaller_and_arguments_of_modules():
    x = torch.randn(1, 40, 8) * 2
    assert values.of_site([None], x, functional.glu(x))["nonfinite"].item() == 0
    assert sites.activation_of(nn.Hardtanh()) == "hardtanh"
    assert sites.activation_of(nn.Hardtanh(-3, 3, inplace=True)) is None
    assert (sites.activation_of(nn.ReLU(inplace=True)), sites.activation_of(nn.GELU("tanh"))) == (
        "relu",
        "gelu_tanh",
    )


def test_of_a_few_examples_no_unit_is_called_dead():
    model = plain_mlp()
    with Monitor(model) as health:
        fit(model, health, steps=1, batch=2)
    assert math.isnan(read(health, "dead_fraction")["1"])
    assert health.check_activations() == []


@pytest.mark.parametrize("bias", [-100.0, 0.0])
def test_layers_that_are_dead_are_told_among_activations(bias):
    model = plain_mlp()
    nn.init.constant_(model[2].bias, bias)
    with Monitor(model, every=1) as health:
        fit(model, health, steps=4, lr=1e-3)
    assert ("dead_from_start" in {one.rule for one in health.check_activations()}) == (bias < 0)


def test_each_rule_that_reads_a_site_is_of_activations():
    assert {rule.name for rule in rules.rules() if rule.reading[0] == "site"} == set(
        monitor.OF_ACTIVATIONS
    )


class Strange(nn.Module):
    """A parameter without axes, a site called by keyword, and on request a sparse gradient."""

    def __init__(self, sparse):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(6.0))
        self.embed, self.act = nn.Embedding(20, 4, sparse=sparse), nn.Tanh()

    def forward(self, tokens):
        return self.logit_scale.exp() * self.act(input=self.embed(tokens)).mean(1)


def test_a_logit_scale_is_read_and_judged():
    model = Strange(sparse=False)
    with Monitor(model) as health:
        functional.cross_entropy(
            model(torch.arange(20).view(5, 4)), torch.zeros(5, dtype=torch.long)
        ).backward()
        health.step(torch.ones(5))  # one loss an example
    assert read(health, "logit_scale")["model"] == pytest.approx(math.exp(6))
    assert [one.rule for one in health.findings() if one.severity == "warning"] == ["logit_scale"]
    assert read(health, "post_max")["act"] <= 1


def test_a_sparse_gradient_is_not_read_and_the_others_are():
    model = Strange(sparse=True)
    with Monitor(model, every=1) as health:
        model(torch.arange(20).view(5, 4)).sum().backward()
        health.step()
    assert not model.act._forward_hooks
    assert set(read(health, "gradient_norm")) == {"logit_scale", "act", "model"}
    assert "1 of 2 read (1 not read, sparse: embed.weight)" in str(health)


@pytest.mark.parametrize("part", ["of_site", "norm", "of_gradients", "of_updates", "rows"])
def test_a_reading_that_fails_ends_the_watching_and_not_the_training(monkeypatch, part):
    """In the forward pass, in the backward pass, at its end, and at the end of the step."""
    monkeypatch.setattr(values, part, lambda *_, **__: 1 / 0)
    model, expected = plain_mlp(), fit(plain_mlp(), Nobody())
    with (
        pytest.warns(UserWarning, match="watching ends: ZeroDivisionError"),
        Monitor(model, every=1) as health,
    ):
        found = fit(model, health)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_after_its_block_a_monitor_is_closed():
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        fit(model, health, steps=2)
    before = len(health.rows)
    fit(model, health, steps=2)
    assert len(health.rows) == before
    assert not model[1]._forward_hooks


def test_the_copy_of_the_weights_is_there_on_due_steps_alone():
    model = plain_mlp()
    with Monitor(model, every=2) as health:
        assert len(health._update.before) == 8
        fit(model, health, steps=1)
        assert health._update.before == []
        fit(model, health, steps=1)
        assert len(health._update.before) == 8
    assert health._update.before == []


def test_a_loss_that_is_no_number_is_an_error():
    model = plain_mlp()
    with Monitor(model) as health:
        health.step(math.nan)
    assert "non_finite_loss" in {finding.rule for finding in health.findings()}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_watching_changes_no_bit(activation):
    plain, watched = plain_mlp(activation), plain_mlp(activation)
    expected = fit(plain, Nobody())
    with Monitor(watched, every=2) as health:
        found = fit(watched, health)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert {row["step"] for row in health.rows} == {0, 2, 4, 6}
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in watched.modules()
    )


def test_a_step_is_read_as_it_was():
    """Against the numbers of the same step by hand."""
    model, by_hand = plain_mlp(nn.Tanh), plain_mlp(nn.Tanh)
    with Monitor(model, every=100) as health:
        fit(model, health, steps=3)
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 10, generator=g), torch.randint(0, 4, (64,), generator=g)
    before = by_hand[0].weight.detach().clone()
    post = by_hand[1](by_hand[0](x))
    post.retain_grad()
    loss = functional.cross_entropy(by_hand[2:](post), y)
    loss.backward()
    assert read(health, "post_sd")["1"] == pytest.approx(post.std(correction=0).item(), rel=1e-5)
    assert read(health, "gradient_norm")["1"] == pytest.approx(post.grad.norm().item(), rel=1e-5)
    assert read(health, "gradient_norm")["0.weight"] == pytest.approx(
        by_hand[0].weight.grad.norm().item(), rel=1e-5
    )
    change = 0.1 * by_hand[0].weight.grad.norm() / before.norm()
    assert read(health, "update_ratio")["0.weight"] == pytest.approx(change.item(), rel=1e-3)
    total = torch.nn.utils.get_total_norm([p.grad for p in by_hand.parameters()])
    assert read(health, "gradient_norm")["model"] == pytest.approx(total.item(), rel=1e-5)
    flow = read(health, "gradient_norm")["1"] / read(health, "gradient_norm")["5"]
    assert read(health, "flow_ratio")["model"] == pytest.approx(flow)
    assert read(health, "loss")["model"] == pytest.approx(loss.item(), rel=1e-6)


def test_a_planted_nan_is_located_at_its_site():
    model = plain_mlp()
    with torch.no_grad():
        model[2].bias[3] = math.nan
    with Monitor(model) as health:
        fit(model, health, steps=1)
    assert read(health, "nonfinite") == {"1": 0.0, "3": 128.0, "5": 64 * 32 * 2}
    (finding,) = [one for one in health.check_activations() if one.rule == "non_finite"]
    assert finding.severity == "error"
    assert any(one.rule == "non_finite_gradient" for one in health.check_gradients())


class Odd(nn.Module):
    """A site called twice, in place; a frozen layer; an embedding; a module of whole numbers."""

    def __init__(self):
        super().__init__()
        self.embed, self.a, self.b = nn.Embedding(9, 6), nn.Linear(6, 6), nn.Linear(6, 4)
        self.act, self.integers = nn.ReLU(inplace=True), Whole()
        self.a.requires_grad_(False)

    def forward(self, tokens):
        return self.b(self.act(self.a(self.act(self.embed(self.integers(tokens)))))).mean(1)


class Whole(nn.Identity):
    """An activation in name only."""


def odd_fit(model, health, batch=5):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        logits = model(torch.randint(0, 9, (batch, 7)))
        loss = functional.cross_entropy(logits, torch.zeros(batch, dtype=torch.long))
        loss.backward()
        optimizer.step()
        health.step(loss)
        optimizer.zero_grad()


def test_odd_models_are_read():
    torch.manual_seed(0)
    model = Odd()
    with Monitor(model, every=1, sites=["integers"]) as health:
        odd_fit(model, health)
    assert set(read(health, "post_sd", 2)) == {"act", "act#2"}
    assert read(health, "pre_min", 2)["act"] < 0  # seen before it was overwritten
    assert set(read(health, "weight_norm", 2)) == {"embed.weight", "b.weight", "b.bias"}


def test_an_empty_batch_is_not_read_and_no_crash():
    model = plain_mlp()
    with (
        pytest.warns(UserWarning, match="no activation was read: empty; to fix: feed batches"),
        Monitor(model, every=1) as health,
    ):
        fit(model, health, steps=2, batch=0)
    assert "0 of 3 read (3 not read, empty: 1)" in str(health)


def test_a_model_without_activations_is_told_and_read():
    model = nn.Linear(10, 4)
    with (
        pytest.warns(UserWarning, match="no activation was read: no call of an activation was"),
        Monitor(model) as health,
    ):
        fit(model, health, steps=1)
    assert {row["kind"] for row in health.rows} == {"coverage", "parameter", "model"}


def test_evaluation_between_steps_is_not_read():
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        model.eval()
        model(torch.full((3, 10), 1e9))
        model.train()
        with torch.no_grad():
            model(torch.full((3, 10), 1e9))
        fit(model, health, steps=1)
    assert read(health, "post_max")["1"] < 100
    assert set(read(health, "post_max")) == {"1", "3", "5"}


def test_of_accumulated_gradients_the_last_part_is_read():
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        for part in (1.0, 2.0):
            model(torch.full((3, 10), part)).sum().backward()
        health.step()
    assert set(read(health, "pre_max")) == {"1", "3", "5"}
    assert read(health, "pre_max")["1"] == pytest.approx(
        model[0](torch.full((1, 10), 2.0)).max().item()
    )


def test_clipping_to_another_norm_is_another_clip():
    model = plain_mlp()
    with Monitor(model) as health:
        for to in (1e-3, 50.0, 1e-3):
            model(torch.randn(64, 10) * 100).square().mean().backward()
            assert health.clip(to) > 50
            norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
            assert norm.item() == pytest.approx(to, rel=1e-2)
            model.zero_grad()


@pytest.mark.parametrize("how", ["wrapped", "in place"])
def test_a_compiled_model_is_read_and_goes_on_compiled(how):
    torch._dynamo.reset()
    plain, model = plain_mlp(nn.GELU), plain_mlp(nn.GELU)
    if how == "wrapped":
        model = torch.compile(model, backend="aot_eager")
    else:
        model.compile(backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    with Monitor(model, every=3) as health:
        found = fit(model, health)
    assert {row["name"] for row in health.rows if row["probe"] == "post_sd"} == {"1", "3", "5"}
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for a, b in zip(found, fit(plain, Nobody()), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_rows_are_written_and_mirrored(tmp_path):
    import pandas as pd

    seen, model = [], plain_mlp()
    with Monitor(
        model, every=5, mirror=lambda tag, value, step: seen.append((tag, value, step))
    ) as health:
        fit(model, health)
    health.write(tmp_path / "health.parquet", "mine")
    frame = pd.read_parquet(tmp_path / "health.parquet")
    assert len(frame) == len(health.rows) == len(seen)
    assert set(frame["run_id"]) == {"mine"}
    assert ("model/model/flow_ratio", read(health, "flow_ratio", 5)["model"], 5) in seen


def test_a_scaled_loss_is_read_unscaled():
    model, by_hand = plain_mlp(nn.Tanh), plain_mlp(nn.Tanh)
    x, y = torch.randn(8, 10), torch.zeros(8, dtype=torch.long)
    with Monitor(model) as health:
        (functional.cross_entropy(model(x), y) * 1024).backward()
        health.step(scale=1024)
    with Monitor(by_hand) as plain:
        functional.cross_entropy(by_hand(x), y).backward()
        plain.step()
    assert read(health, "gradient_norm")["1"] == pytest.approx(
        read(plain, "gradient_norm")["1"], rel=1e-4
    )
    assert read(health, "loss_scale") == {"model": 1024}


def test_monitor_clips():
    gradients = [torch.full((3,), 2.0), torch.full((1,), 2.0)]  # norm 4
    assert Clipper(1.0)(gradients).item() == 4
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(1)
    high, low = [torch.full((4,), 6.0)], [torch.full((4,), 4.0)]  # 12, 8
    for part, after in ((high, 1.0), (low, 8.0)):
        Clipper(1.0, above=10)(part)
        assert torch.nn.utils.get_total_norm(part).item() == pytest.approx(after)
    running = Clipper(1.0, quantile=0.9)
    norms = [running([torch.full((1,), float(k % 10 + 1))]) for k in range(40)]
    assert max(norms).item() == 10
    spike = [torch.full((1,), 50.0)]
    running(spike)
    assert spike[0].item() == pytest.approx(1)
    halves = [torch.full((4,), 6.0, dtype=torch.bfloat16)]
    clipper = Clipper(1.0, quantile=0.9)
    for _ in range(20):
        clipper(halves)
    assert Clipper()([]).item() == 0
    unknown = [torch.tensor([math.nan, 1.0])]  # as torch's clip_grad_norm_
    for clipper in (Clipper(), Clipper(above=10)):
        assert math.isnan(clipper(unknown))
        assert unknown[0].isnan().all()
    with pytest.raises(ValueError, match="quantile: got 90; allowed: between 0 and 1"):
        Clipper(quantile=90)


def test_every_must_be_a_number_of_steps():
    with pytest.raises(ValueError, match="every: got 0; allowed: 1 or more"):
        Monitor(plain_mlp(), every=0)


def test_the_rules_are_whole():
    for rule in rules.rules():
        assert rule.severity in rules.SEVERITIES
        assert rule.at in ("any", "last", "median")
        assert rule.low > -math.inf or rule.high < math.inf
        assert rule.symptom.format(value=0.5, place="x")
        assert rule.source
        assert rule.remedies
        assert len(rule.reading) == 2


DOCS = (ROOT / "docs/health.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
PRINTED = re.findall(r"```python\n.*?```\n\n```text\n(.*?)```", DOCS, re.DOTALL)


def without_numbers(text):
    """Lines with one sign per number and one space between words."""
    text = re.sub(r"\d+(\.\d+)?(e[-+]\d+)?", "#", text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_loops_of_the_docs_run(number, capsys):
    """A plain loop, a torchvision model, two Lightning modules, word for word."""
    if "lightning" in BLOCKS[number]:
        pytest.importorskip("pytorch_lightning")
    space = {}
    exec(BLOCKS[number], space)
    health = space["callback"].health if "callback" in space else space["health"]
    sites = {row["name"] for row in health.rows if row["probe"] == "post_sd"}
    assert len(sites) == [2, 17, 1, 2][number]
    assert len({row["step"] for row in health.rows}) == [3, 2, 2, 3][number]
    assert str(health) in capsys.readouterr().out
    assert without_numbers(PRINTED[number]) == without_numbers(str(health))
    if "HealthMixin" in BLOCKS[number]:  # the same by mixin
        assert without_numbers(str(space["model"].health)) == without_numbers(str(health))


def test_a_dead_layer_is_told_as_in_the_docs():
    """The first loop of the docs with the change that they name."""
    deeper = "nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))\n"
    loop = BLOCKS[0].replace(
        "nn.ReLU(), nn.Linear(64, 5))\n", f"{deeper}nn.init.constant_(model[2].bias, -50.0)\n"
    )
    assert "nn.init.constant_(model[2].bias, -50.0)" in DOCS
    space = {}
    exec(loop, space)
    (expected,) = re.findall(r"```text\n(error: .*?)```", DOCS, re.DOTALL)
    printed = without_numbers(str(space["health"]))
    assert printed[-len(expected.splitlines()) :] == without_numbers(expected)


def test_a_lightning_mixin_is_the_callback():
    pl = pytest.importorskip("pytorch_lightning")
    from actstudy.health.lightning import HealthMixin

    class Net(HealthMixin, pl.LightningModule):
        health_settings: ClassVar = {"every": 3}

        def __init__(self):
            super().__init__()
            self.net, self.ended = plain_mlp(), False

        def training_step(self, batch, _):
            return {"loss": functional.cross_entropy(self.net(batch[0]), batch[1])}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = torch.utils.data.TensorDataset(torch.randn(64, 10), torch.randint(0, 4, (64,)))
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    for parts, steps in ((1, {0, 3, 6}), (2, {0, 3})):  # a step is the optimizer's
        net, trainer = (
            Net(),
            pl.Trainer(max_epochs=1, accelerator="cpu", accumulate_grad_batches=parts, **quiet),
        )
        trainer.fit(net, torch.utils.data.DataLoader(data, 8))
        assert {row["step"] for row in net.health.rows} == steps
        assert min(read(net.health, "update_ratio", 3).values()) > 0
        assert not net.net[1]._forward_hooks
