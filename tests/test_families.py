"""Gated feed-forwards, alpha dropout, activations that draw: what is made, and what is refused."""

import numpy as np
import pytest
import torch
from refusals import refusal
from runs import quiet, run, run_tables, small, tiny
from torch import nn
from torch.nn import functional

from actstudy.analysis.questions import learnt
from actstudy.contract import code, own, registry
from actstudy.contract.spec import canonical, data_name, from_json, run_id
from actstudy.health import probes
from actstudy.nets.activations import Sites
from actstudy.nets.feed_forward import FEED_FORWARD
from actstudy.nets.gpt import GPT
from actstudy.nets.initializers import initialize
from actstudy.nets.mlp import MLP
from actstudy.nets.transformer import Block, hidden_units
from actstudy.study import planning

GATED = [name for name, entry in FEED_FORWARD.items() if entry.factory().takes == 2]
TOKENS = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(1))


def n_parameters(act: nn.Module, width: int) -> int:
    """Parameters of a block, its biases counted."""
    return sum(p.numel() for p in Block(width, 4, True, 0.0, act).parameters())


@pytest.mark.parametrize("width", [32, 64, 128, 512, 768])
@pytest.mark.parametrize("name", FEED_FORWARD)
def test_feed_forwards_have_as_many_parameters_as_gelus(name, width):
    """To half a hidden unit, the nearest that there is: at width 64 a gated one has 44 fewer."""
    act = FEED_FORWARD[name].factory()
    difference = n_parameters(act, width) - n_parameters(nn.GELU(), width)
    of_a_unit = act.takes * (width + 1) + act.gives * width
    assert abs(difference) <= of_a_unit / 2
    if width == 64 and name in GATED:
        assert difference == -44
        assert hidden_units(64, 2, 1) == 170  # two thirds of 256


@pytest.mark.parametrize("width", [*range(1, 200), 512, 768, 1024, 4096, 12288])
def test_of_others_the_width_is_four_times_the_models(width):
    assert hidden_units(width, 1, 1) == 4 * width


def test_a_gated_block_is_shazeers():
    """down(a * f(b)) of up(x) = (a, b), on the normed input."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 16, dtype=torch.float64, generator=generator)
    block = Block(16, 2, True, 0.0, FEED_FORWARD["swiglu"].factory()).double()
    y = x + block.attention(block.norm1(x))
    both = block.norm2(y) @ block.up.weight.T + block.up.bias
    hidden = block.down.in_features
    a, b = both[..., :hidden], both[..., hidden:]
    expected = y + (a * b * torch.sigmoid(b)) @ block.down.weight.T + block.down.bias
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_a_gpt_with_it_is_uniform_and_overfits(name):
    """Loss at step 0 within 10% of ln(vocabulary), below 0.1 after 150 steps on three examples."""
    sites = Sites(name, {})
    model = GPT(50, 12, depth=2, width=16, heads=2, dropout=0.0, make_act=sites)
    initialize(model, sites, "auto", {}, 0, lambda: model(TOKENS).sum())
    y = torch.randint(0, 50, TOKENS.shape, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(TOKENS).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(np.log(50), rel=0.1)
    assert losses[-1] < 0.1


def test_a_hybrid_may_mix_them_with_others():
    sites = Sites((("blocks.0", "swiglu"), ("*", "gelu")), {})
    model = GPT(50, 12, depth=2, width=16, heads=2, dropout=0.0, make_act=sites)
    hidden = [block.down.in_features for block in model.stack.blocks]
    assert hidden == [hidden_units(16, 2, 1), 64]
    assert model(TOKENS).shape == (3, 12, 50)


def test_a_run_of_one_trains_and_is_probed(tmp_path, prepared_folder):
    spec = small("lm", "geglu")
    assert spec.code == {}
    folder = prepared_folder(data_name(spec))
    assert run(spec, tmp_path, folder, quiet()) == "completed"
    health = run_tables(tmp_path)["health"].to_pandas()
    sites = health[(health["kind"] == "site") & (health["probe"] == "post_sd")]
    assert set(sites["name"]) == {"blocks.0", "blocks.1"}
    assert np.isfinite(sites["value"]).all()


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_they_are_refused_where_units_have_one_value(name):
    part = f"activation: got {name!r}, which acts in a Transformer's feed-forward part alone; allow"
    for task in ("mlp", "vision"):
        refusal(lambda task=task: small(task, name), part, "allowed: task cls or lm")
    refusal(lambda: registry.function(name), "gives another shape than it takes; allowed: tanh")


def test_an_edited_gate_is_a_new_run_of_its_own_alone():
    """Its piece is its entry and what that names, not the file with all of them."""
    digests = {name: code.digest_of(f"activation {name}") for name in FEED_FORWARD}
    assert len(set(digests.values())) == len(FEED_FORWARD)
    assert small("lm", "swiglu").code == small("lm", "gelu").code == {}


# SELU with alpha dropout


def test_alpha_dropout_keeps_mean_and_variance_behind_selu():
    torch.manual_seed(0)
    x = torch.randn(200_000, 4)
    model = MLP(4, (4,), 3, Sites("selu", {}), dropout=0.2, dropout_kind="alpha")
    act, drop = model.layers[0][1:]
    assert type(drop) is nn.AlphaDropout
    y = drop(act(x))
    assert y.mean().item() == pytest.approx(0, abs=0.02)
    assert y.var().item() == pytest.approx(1, abs=0.03)
    assert type(MLP(4, (4,), 3, Sites("selu", {}), dropout=0.2).layers[0][2]) is nn.Dropout


def test_alpha_dropout_is_a_run_of_its_own_and_off_in_probes(tmp_path, data_folder):
    plain = tiny("selu", dropout=0.2)
    alpha = tiny("selu", dropout=0.2, dropout_kind="alpha")
    assert "dropout_kind" not in canonical(plain)
    assert run_id(alpha) != run_id(plain)
    assert from_json(canonical(alpha)) == alpha
    model = MLP(4, (4,), 3, Sites("selu", {}), dropout=0.5, dropout_kind="alpha").train()
    x = torch.randn(5, 4)
    assert not torch.equal(model(x), model(x))
    with probes.as_observed(model):
        assert torch.equal(model(x), model(x))
    assert run(alpha, tmp_path, data_folder, quiet()) == "completed"


def test_alpha_dropout_is_refused_where_it_means_nothing():
    fields = {"dropout": 0.2, "dropout_kind": "alpha"}
    says = (
        "dropout_kind: got 'alpha' with activation relu, whose lowest value it is not; allowed: p"
    )
    refusal(lambda: tiny("relu", **fields), says)
    refusal(lambda: tiny("selu", **{**fields, "dropout": 0}), "got 'alpha' with dropout 0; allowed")
    refusal(lambda: small("lm", "selu", **fields), "dropout_kind: set, but task lm has no use for")
    refusal(lambda: tiny("selu", dropout_kind="alhpa"), "dropout_kind: got 'alhpa'")


# What activations learn


def test_what_is_learnt_is_a_table(tmp_path, data_folder):
    """xIELU's alphas as in its formula, from 0.8 on, at each site and probed step."""
    spec = tiny("xielu", dropout=0.0)
    assert run(spec, tmp_path, data_folder, quiet(probe_every=7)) == "completed"
    health = run_tables(tmp_path)["health"].to_pandas()
    labelled = health.assign(task="mlp", group="", level="xielu", seed=0)
    table = learnt.learnt(labelled)
    assert list(table.columns) == learnt.COLUMNS
    n_steps = health["step"].nunique()
    assert len(table) == n_steps * 2 * 2  # sites, alphas
    assert set(table["site"]) == {"layers.0", "layers.1"}
    assert set(table["parameter"]) == {"alpha_p", "alpha_n"}
    start = table[table["step"] == 0]
    assert start["mean"].to_numpy() == pytest.approx(0.8)
    weights = torch.load(tmp_path / "checkpoints/best.pt")
    assert functional.softplus(weights["layers.0.1.raw_p"]).item() != pytest.approx(0.8, abs=1e-4)
    assert (table["min"] == table["max"]).all()  # one number per site
    assert table.groupby(["site", "parameter"])["mean"].std().min() > 1e-4
    none = learnt.learnt(labelled[labelled["kind"] != "learnt"])
    assert none.empty
    assert list(none.columns) == learnt.COLUMNS


def test_weights_per_unit_have_a_range(tmp_path, data_folder):
    spec = tiny("prelu_channel", dropout=0.0)
    run(spec, tmp_path, data_folder, quiet())
    health = run_tables(tmp_path)["health"].to_pandas()
    rows = health[(health["kind"] == "learnt") & (health["step"] == health["step"].max())]
    values = rows.set_index(["name", "probe"])["value"]
    name = "layers.1 prelu_channel weight"
    assert values[name, "min"] < values[name, "mean"] < values[name, "max"]


def test_the_figure_of_what_is_learnt_belongs_to_studies_with_it(tmp_path):
    names = {}
    for activation in ("prelu", "relu"):
        file = tmp_path / f"{activation}s.yaml"
        levels = f"[{activation}, tanh]"
        file.write_text(f"baseline: tanh\naxes: {{activation: {levels}}}\ntasks: {{mlp: }}\n")
        names[activation] = planning.load(file).plan().tasks["mlp"].figures
    assert set(names["prelu"]) - set(names["relu"]) == {"learnt_over_time"}


# Activations that draw, and arguments


def test_rrelu_draws_from_the_runs_own_stream(tmp_path, data_folder):
    """The same run has the same bits, probed or not; another seed has others."""
    spec = tiny("rrelu", dropout=0.0)
    losses = []
    for name, every in (("a", 5), ("b", 5), ("c", 10_000)):
        torch.manual_seed(len(losses))  # what was drawn before does not matter
        assert run(spec, tmp_path / name, data_folder, quiet(probe_every=every)) == "completed"
        curves = run_tables(tmp_path / name)["curves"].to_pandas()
        losses.append(curves[curves["metric"] == "loss"]["value"].to_numpy())
    assert np.array_equal(losses[0], losses[1])
    assert np.array_equal(losses[0], losses[2])


def test_nothing_is_drawn_in_probes():
    model = MLP(4, (8,), 3, Sites("rrelu", {})).train()
    x = torch.randn(5, 4)
    assert not torch.equal(model(x), model(x))
    with probes.as_observed(model):
        assert torch.equal(model(x), model(x))
    assert model.layers[0][1].training


@pytest.mark.parametrize(
    ("activation", "args", "says"),
    [
        ("xielu", {"alpha_p": 0}, "alpha_p: got 0.0 for xielu; allowed: greater than 0"),
        ("xielu", {"alpha_n": 0.5}, "alpha_n: got 0.5 for xielu; allowed: greater than 0.5"),
        ("rrelu", {"lower": 0.5}, "lower: got 0.5 for rrelu; allowed: at most upper, 0.333333"),
        ("apl", {"hinges": 3}, "activation_args: got 'hinges'"),
        ("swiglu", {"beta": 2}, "activation: got 'swiglu'"),
    ],
)
def test_arguments_out_of_bounds_are_one_line(activation, args, says):
    refusal(lambda: tiny(activation, activation_args=args), says)


OWN_NET = """
from torch import nn
def bare(make_act, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(40, 8), make_act("act"), nn.Linear(8, classes))
def sized(make_act, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(40, 8), make_act("act", 8), nn.Linear(8, classes))
"""


def test_an_own_model_says_how_many_units_a_site_has(tmp_path, monkeypatch):
    """Before any job: it is asked with each activation that needs them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unit_nets.py").write_text(OWN_NET)
    own.look_in(tmp_path)
    fields = {"activation": "prelu_channel", "steps": 5, "warmup": 0}
    line = "model: unit_nets:bare: activation: prelu_channel needs the number of units of 'act'; to"
    refusal(lambda: planning.run_spec("mlp", 0, {**fields, "model": "unit_nets:bare"}), line)
    planning.run_spec("mlp", 0, {**fields, "model": "unit_nets:sized"})
