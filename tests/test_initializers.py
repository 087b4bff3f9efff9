"""Every init policy against its closed form, and what pairing asks of it."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.streams import stream
from actstudy.nets import parameters
from actstudy.nets.activations import ACTIVATIONS, Sites, gain
from actstudy.nets.convnext_tiny import ConvNeXtTiny
from actstudy.nets.encoder import Encoder
from actstudy.nets.feeds import feeds
from actstudy.nets.gpt import GPT
from actstudy.nets.initializers import POLICIES, Weight, initialize
from actstudy.nets.mlp import MLP
from actstudy.nets.mobilenetv2 import MobileNetV2
from actstudy.nets.resnet18 import ResNet18
from actstudy.nets.resnet50 import ResNet50

SHAPE = (600, 400)  # out, in
TRUNCATED = 0.1**2  # bounds at 20 sd change nothing
VARIANCE = {
    "auto": 1.7**2 / 400,
    "torch_default": 1 / 400 / 3,
    "standard_heuristic": 1 / 400 / 3,
    "he_normal": 2 / 400,
    "he_uniform": 2 / 400,
    "xavier_normal": 2 / 1000,
    "xavier_uniform": 2 / 1000,
    "orthogonal": 1 / 600,  # 400 orthonormal columns of length 600
    "normal": 0.01**2,
    "trunc_normal": TRUNCATED,
    "lecun_normal": 1 / 400,
    "gpt2": 0.02**2,
    "zero": 0,
}


def draw(policy, shape=SHAPE, **args):
    entry = POLICIES[policy]
    return entry.draw(Weight(shape, gain=1.7), stream(0, "init/test"), **{**entry.args, **args})


def built(activation, policy="auto", seed=0, hidden=(64,) * 3, **args):
    sites = Sites(activation, {})
    model = MLP(40, hidden, 10, sites)
    initialize(model, sites, policy, args, seed, lambda: model(torch.ones(2, 40)).sum())
    return model, sites


@pytest.mark.parametrize("policy", POLICIES)
def test_variance_is_the_closed_form(policy):
    w = draw(policy)
    assert w.shape == SHAPE
    assert w.mean() == pytest.approx(0, abs=5 * math.sqrt(VARIANCE[policy] / w.size) + 1e-12)
    assert w.var() == pytest.approx(VARIANCE[policy], rel=0.02)


@pytest.mark.parametrize(
    ("policy", "argument", "power"),
    [("he_normal", "factor", 1), ("xavier_uniform", "gain", 2), ("normal", "std", 2)],
)
def test_arguments_scale_the_variance(policy, argument, power):
    default = POLICIES[policy].args[argument]
    assert draw(policy, **{argument: 3 * default}).var() == pytest.approx(
        3**power * draw(policy).var(), rel=1e-9
    )


def test_convolution_fans():
    assert draw("he_normal", (64, 32, 3, 3)).var() == pytest.approx(2 / (32 * 9), rel=0.03)


def test_orthogonal_both_ways():
    wide, tall = draw("orthogonal", (30, 80)), draw("orthogonal", (80, 30))
    np.testing.assert_allclose(wide @ wide.T, np.eye(30), atol=1e-12)
    np.testing.assert_allclose(tall.T @ tall, np.eye(30), atol=1e-12)


def test_trunc_normal_keeps_its_bounds():
    w = draw("trunc_normal", std=1.0, low=-0.5, high=1.0)
    assert w.min() >= -0.5
    assert w.max() <= 1.0


UNSTABLE = ("gelu", "gelu_tanh", "silu", "silu_written_out", "hardswish", "swish_beta")
SQUARES = ("relu_squared", "leaky_relu_squared", "xielu")


def moment_slope(activation):
    """d log E[f(s z)^2] / d log s^2 at s = 1: above 1, a deviation grows with every layer."""
    module = ACTIVATIONS[activation].factory().double()
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    weight = torch.exp(-z.square() / 2)
    moment = [
        (module(math.sqrt(1 + step) * z).square() * weight).sum().item() for step in (-0.01, 0.01)
    ]
    return (math.log(moment[1]) - math.log(moment[0])) / math.log(1.01 / 0.99)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_keeps_the_second_moment_over_20_layers(activation):
    """Width 512, data of unit second moment: within a factor of 2 at layer 20.

    For those of UNSTABLE the moment 1 is an unstable fixed point (docs/limitations.md): a
    deviation of a finite width grows with every layer, so they are held to one layer and, but for
    those that grow as a square, to a factor of 100 over 20.
    """
    model, sites = built(activation, hidden=(512,) * 20)
    seen = {}
    for site, module in sites.modules.items():
        module.register_forward_hook(
            lambda m, i, o, s=site: seen.__setitem__(s, i[0].square().mean().item())
        )
    x = torch.randn(256, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model(x / x.square().mean(1, keepdim=True).sqrt())
    assert seen["layers.1"] / seen["layers.0"] == pytest.approx(1, abs=0.25)
    stable = moment_slope(activation) < 1.1
    assert stable == (activation not in (*UNSTABLE, *SQUARES))
    if activation in SQUARES:
        return
    assert abs(math.log(seen["layers.19"] / seen["layers.0"])) < math.log(2 if stable else 100)


def test_activations_of_a_seed_share_their_draws_up_to_the_gain():
    tanh, relu = built("tanh")[0], built("relu")[0]
    for (name, a), (_, b) in zip(tanh.named_parameters(), relu.named_parameters(), strict=True):
        if a.ndim == 2:
            ratio = (a / b).detach()
            assert ratio.std() / ratio.mean() < 1e-5, name
    assert torch.equal(
        tanh.layers[0][0].weight, relu.layers[0][0].weight
    )  # fed by data: the same gain


def test_another_seed_draws_otherwise():
    assert not torch.equal(built("relu")[0].head.weight, built("relu", seed=1)[0].head.weight)


def test_norms_and_activation_parameters_stay_as_made():
    sites = Sites("prelu", {})
    model = MLP(40, (8, 8), 10, sites, norm="layer")
    initialize(model, sites, "normal", {}, 0, lambda: model(torch.ones(2, 40)).sum())
    assert torch.equal(model.layers[0][1].weight, torch.ones(8))
    assert sites.modules["layers.0"].weight.item() == 0.25


def test_torch_default_draws_biases_too():
    model, _ = built("relu", "torch_default")
    bias = model.layers[1][0].bias
    assert 0 < bias.abs().max() <= 1 / math.sqrt(64)


def test_the_standard_heuristic_is_torchs_weights_with_zero_biases():
    heuristic, default = built("tanh", "standard_heuristic")[0], built("tanh", "torch_default")[0]
    assert torch.equal(heuristic.head.weight, default.head.weight)
    assert heuristic.head.weight.abs().max() <= 1 / math.sqrt(64)
    assert not heuristic.head.bias.any()


def test_registry_reads_the_policies():
    assert registry.init_policies() == {name: policy.args for name, policy in POLICIES.items()}


def resnet_feeds():
    """As written by hand: a block's first convolution and shortcut take in the site before it."""
    fed = {}
    before = "act1"
    for stage in range(4):
        for index in range(2):
            block = f"stages.{stage}.{index}"
            fed[f"{block}.conv1.weight"] = before
            fed[f"{block}.conv2.weight"] = f"{block}.act1"
            if stage and not index:
                fed[f"{block}.shortcut.0.weight"] = before
            before = f"{block}.act2"
    return fed


def resnet50_feeds():
    """The same of a ResNet-50 of one block per stage."""
    fed = {}
    before = "act1"
    for stage in range(4):
        block = f"stages.{stage}.0"
        for layer, site in (("conv1", before), ("shortcut.0", before)):
            fed[f"{block}.{layer}.weight"] = site
        fed[f"{block}.conv2.weight"] = f"{block}.act1"
        fed[f"{block}.conv3.weight"] = f"{block}.act2"
        before = f"{block}.act3"
    return fed


def mobilenet_feeds():
    """A block's output is linear and normalised, so that it feeds nothing with an activation."""
    fed = {"first.conv2.weight": "act1", "first.conv3.weight": "first.act2"}
    for stage in range(6):
        for layer in (2, 3):
            fed[f"stages.{stage}.0.conv{layer}.weight"] = f"stages.{stage}.0.act{layer - 1}"
    return fed


TOKENS = torch.tensor([[2, 5, 3], [4, 2, 2]])
IMAGES = torch.ones(2, 3, 32, 32)
SIGNALS = torch.ones(2, 40)
BLOCKS = {f"stack.blocks.{index}.down.weight": f"blocks.{index}" for index in range(2)}
CONVNEXT = {f"stages.{stage}.0.down.weight": f"stages.{stage}.0.act" for stage in range(4)}
LAYERS = {"layers.1.0.weight": "layers.0", "head.weight": "layers.1"}
SHIPPED = {
    "mlp": (lambda act: MLP(40, (8, 8), 10, act), SIGNALS, LAYERS),
    "mlp batch": (lambda act: MLP(40, (8, 8), 10, act, "batch", 0.5), SIGNALS, LAYERS),
    "mlp layer": (lambda act: MLP(40, (8, 8), 10, act, "layer"), SIGNALS, LAYERS),
    "resnet small": (lambda act: ResNet18(3, 10, 4, "small", act), IMAGES, resnet_feeds()),
    "resnet large": (lambda act: ResNet18(3, 10, 4, "large", act), IMAGES, resnet_feeds()),
    "resnet50": (lambda act: ResNet50(3, 10, 4, 1, "small", act), IMAGES, resnet50_feeds()),
    "mobilenetv2": (lambda act: MobileNetV2(3, 10, 16, 1, "small", act), IMAGES, mobilenet_feeds()),
    "convnext_tiny": (lambda act: ConvNeXtTiny(3, 10, 4, 1, "small", act), IMAGES, CONVNEXT),
    "encoder": (lambda act: Encoder(9, 3, 4, 2, 8, 2, 0.1, act, pad=0), TOKENS, BLOCKS),
    "gpt": (lambda act: GPT(9, 3, 2, 8, 2, 0.1, act), TOKENS, BLOCKS),
}


def fed(model, sites, x):
    """Weight -> the sites that feed it, without weights that none feeds."""
    drawn = set(parameters.weights(model, sites))
    feeding = feeds(model, sites.modules, lambda: model(x).sum(), drawn)
    assert drawn <= set(feeding)
    return {name: sorted(names) for name, names in feeding.items() if names}


@pytest.mark.parametrize("activation", ["relu", "prelu", "identity", "silu_written_out"])
@pytest.mark.parametrize("name", SHIPPED)
def test_what_feeds_the_weights_of_our_models(name, activation):
    make, x, expected = SHIPPED[name]
    sites = Sites(activation, {})
    model = make(sites)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    assert fed(model, sites, x) == {weight: [site] for weight, site in expected.items()}
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["encoder", "gpt"])
def test_gpt2_scales_the_ends_of_residual_branches(name):
    """Those of two blocks, by 1 / sqrt(4), no other weight; it has the draws of `normal`."""
    make, x, _ = SHIPPED[name]
    drawn = {}
    for policy, args in (("normal", {"std": 0.02}), ("gpt2", {})):
        sites = Sites("relu", {})
        model = make(sites)
        initialize(model, sites, policy, args, 0, lambda m=model: m(x).sum())
        drawn[policy] = parameters.weights(model, sites)
    ends = parameters.branch_ends(model)
    first = {"stack.blocks.0.attention.out.weight", "stack.blocks.0.down.weight"}
    second = {"stack.blocks.1.attention.out.weight", "stack.blocks.1.down.weight"}
    assert ends == first | second
    for weight, values in drawn["gpt2"].items():
        share = 0.5 if weight in ends else 1.0
        torch.testing.assert_close(values, drawn["normal"][weight] * share, rtol=1e-6, atol=0)


def test_gpt2_is_normal_in_a_model_without_residual_branches():
    of_gpt2 = built("relu", "gpt2")[0]
    of_normal = built("relu", "normal", std=0.02)[0]
    assert torch.equal(of_gpt2.head.weight, of_normal.head.weight)
    assert not parameters.branch_ends(of_gpt2)


class Own(nn.Module):
    """A model of four units whose forward is given: parts by name, and a function of them and x."""

    def __init__(self, make_act, forward, sites=("a",), **parts):
        super().__init__()
        for site in sites:
            setattr(self, site, make_act(site))
        for name, part in parts.items():
            setattr(self, name, part())
        self.of = forward

    def forward(self, x):
        return self.of(self, x)


def linear(units=4):
    return nn.Linear(4, units)


def normed():
    return nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))


def matrix():
    return nn.Parameter(torch.eye(4))


def attention():
    return nn.MultiheadAttention(4, 2, batch_first=True)


def transformer(m, x):
    return m.head(m.layer(x[:, None]))


def encoder_layer(act):
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=act("a"), batch_first=True)
    return nn.ModuleDict({"layer": layer, "head": linear()})


OWN_FEEDS = {
    "linear": (lambda m, x: m.v(m.a(m.u(x))), {"v.weight": ["a"]}),
    "functional": (lambda m, x: m.a(m.u(x)) @ m.v.weight.T, {"v.weight": ["a"]}),
    "einsum": (
        lambda m, x: torch.einsum("bi,oi->bo", m.a(m.u(x)), m.v.weight),
        {"v.weight": ["a"]},
    ),
    "dropout": (lambda m, x: m.v(functional.dropout(m.a(m.u(x)))), {"v.weight": ["a"]}),
    "max-pool": (
        lambda m, x: m.v(functional.max_pool1d(m.a(m.u(x)), 1)),
        {"v.weight": ["a"]},
    ),
    "shortcut": (lambda m, x: m.v(x + m.a(m.u(x))), {"v.weight": ["a"]}),
    "gate": (lambda m, x: m.v(m.a(m.u(x)) * x), {"v.weight": ["a"]}),
    "in place": (lambda m, x: m.v(m.a(m.u(x)).add_(1)), {"v.weight": ["a"]}),
    "of data": (lambda m, x: m.v(m.u(m.a(x))), {"u.weight": ["a"]}),
    "twice": (lambda m, x: m.v(m.a(m.u(m.a(x)))), {"u.weight": ["a"], "v.weight": ["a"]}),
    "norm": (lambda m, x: m.v(functional.layer_norm(m.a(m.u(x)), (4,))), {}),
    "mean": (lambda m, x: m.v(m.a(m.u(x)).mean(1, keepdim=True).expand(-1, 4)), {}),
    "softmax": (lambda m, x: m.v(m.a(m.u(x)).softmax(1)), {}),
    "a weight between": (lambda m, x: m.v(m.u(x)) + m.a(x), {}),
}


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda m, x: m.v(m.a(m.u(x)) + m.e.weight[0]), {"v.weight": ["a"]}),
        (lambda m, x: m.v(m.a(m.u(x)) * m.w), {"v.weight": ["a"]}),
        (lambda m, x: m.v(m.a(m.u(m.e(TOKENS))) * m.u(m.e(TOKENS))), {"v.weight": ["a"]}),
    ],
    ids=["position added", "scale of two dimensions", "gate of tokens"],
)
def test_what_is_added_or_scales_is_no_weight(forward, expected):
    sites = Sites("tanh", {})
    parts = {"u": linear, "v": linear, "w": lambda: nn.Parameter(torch.ones(1, 4))}
    model = Own(sites, forward, e=lambda: nn.Embedding(6, 4), **parts)
    drawn = set(parameters.weights(model, sites))
    x = torch.ones(2, 4, requires_grad=True)
    feeding = feeds(model, sites.modules, lambda: model(x).sum(), drawn)
    assert {name: sorted(names) for name, names in feeding.items() if names} == expected


def test_a_recurrent_layers_own_state_has_a_gain_of_one():
    sites = Sites("tanh", {})
    model = nn.Sequential(sites("a"), nn.LSTM(4, 100))
    x = torch.ones(2, 3, 4, requires_grad=True)
    initialize(model, sites, "auto", {}, 0, lambda: model(x)[0].sum())
    tanh_gain = gain(sites.modules["a"])
    assert scale(model[1].weight_ih_l0) == pytest.approx(tanh_gain, rel=0.06)
    assert scale(model[1].weight_hh_l0) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("name", OWN_FEEDS)
def test_what_feeds_the_weights_of_own_models(name):
    forward, expected = OWN_FEEDS[name]
    sites = Sites("tanh", {})
    model = Own(sites, forward, u=linear, v=linear)
    assert fed(model, sites, torch.ones(2, 4, requires_grad=True)) == expected


def scale(weight):
    """The weight's standard deviation times the root of its fan-in."""
    return float(weight.detach().std() * math.sqrt(weight.shape[1]))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "identity"])
def test_an_own_models_weights_have_the_gain_of_their_activation(activation):
    sites = Sites(activation, {})
    model = nn.Sequential(nn.Linear(4, 300), sites("a"), nn.Linear(300, 300), nn.Linear(300, 300))
    x = torch.ones(2, 4)
    initialize(model, sites, "auto", {}, 0, lambda: model(x).sum())
    assert scale(model[2].weight) == pytest.approx(gain(sites.modules["a"]), rel=0.01)
    assert scale(model[3].weight) == pytest.approx(1, rel=0.01)


def refused(match, policy, model, sites, x=None):
    x = torch.ones(2, 4, requires_grad=True) if x is None else x
    with pytest.raises(StudyError, match=match):
        initialize(model, sites, policy, {}, 0, lambda: model(x).sum())


def test_a_gain_that_cannot_be_told_is_refused_under_auto_alone():
    hybrid = Sites((("a", "tanh"), ("b", "relu")), {})
    both = Own(hybrid, lambda m, x: m.v(m.a(x) + m.b(m.u(x))), sites=("a", "b"), u=linear, v=linear)
    plain = Sites("tanh", {})
    raw = Own(plain, lambda m, x: m.u(m.a(x) @ m.w), u=linear, w=matrix)
    other = Sites("tanh", {})
    apart = Own(other, lambda m, x: m.u(m.a(x)), u=linear, v=linear)
    third = Sites("tanh", {})
    hidden = Own(third, lambda m, x: m.u(m.v(m.a(x))), u=linear, v=normed)
    refused(
        "v.weight takes in sites of unlike gain, a, b; allowed: another init", "auto", both, hybrid
    )
    refused("w takes in an activation, .* to fix: call it weight; allowed", "auto", raw, plain)
    refused("v.weight takes no part in the loss; allowed: another", "auto", apart, other)
    refused("v.parametrizations.weight.original. takes in", "auto", hidden, third)
    for model, sites in ((both, hybrid), (raw, plain), (apart, other), (hidden, third)):
        initialize(
            model, sites, "he_normal", {}, 0, lambda model=model: model(torch.ones(2, 4)).sum()
        )


def test_a_site_that_is_never_called_is_refused_under_every_policy():
    sites = Sites("tanh", {})
    model = Own(sites, lambda m, x: m.u(x), u=linear)
    for policy in POLICIES:
        refused("site 'a' is made and the model never calls it", policy, model, sites)


def test_a_model_without_weights_to_draw_is_refused():
    sites = Sites("tanh", {})
    refused(
        "Own has no matrix called weight",
        "zero",
        Own(sites, lambda m, x: m.a(x) @ m.w, w=matrix),
        sites,
    )


def test_what_auto_means_in_a_model_is_one_of_two_words():
    sites = Sites("tanh", {})
    model = Own(sites, lambda m, x: m.u(m.a(x)), u=linear)
    model.auto_init = "Xavier"
    refused("Own.auto_init: got 'Xavier'; allowed: kaiming, xavier", "auto", model, sites)


def test_layers_of_torch_are_drawn_by_their_names():
    """Attention, recurrent layers and an activation inside torch's Transformer layer."""
    sites = Sites("relu", {})
    model = encoder_layer(sites)
    model.forward = lambda x: transformer(model, x)
    x = torch.ones(2, 4, requires_grad=True)
    assert fed(model, sites, x) == {"layer.linear2.weight": ["a"]}
    for policy in POLICIES:
        initialize(model, sites, policy, {}, 0, lambda: model(x).sum())
    assert parameters.others(model, sites) == []
    recurrent = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
    assert list(parameters.weights(recurrent, Sites("relu", {}))) == [
        name for name, _ in recurrent.named_parameters() if "weight" in name
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_vectors_and_other_parameters_are_kept(policy):
    """A scale, a token, a norm of one's own: as made; a padding token's embedding is zero."""
    sites = Sites("prelu", {})
    model = Own(
        sites,
        lambda m, x: m.v(m.a(m.u(x)) * m.gamma + m.e.weight[0] + m.token) * m.own.weight,
        u=linear,
        v=linear,
        gamma=lambda: nn.Parameter(torch.full((4,), 0.1)),
        token=lambda: nn.Parameter(torch.full((1, 4), 0.2)),
        own=lambda: nn.Module(),
        e=lambda: nn.Embedding(3, 4, padding_idx=0),
    )
    model.own.weight = nn.Parameter(torch.full((4,), 0.3))
    initialize(model, sites, policy, {}, 0, lambda: model(torch.ones(2, 4)).sum())
    assert parameters.others(model, sites) == ["gamma", "token", "own.weight"]
    assert model.gamma.tolist() == pytest.approx([0.1] * 4)
    assert model.token.tolist()[0] == pytest.approx([0.2] * 4)
    assert model.own.weight.tolist() == pytest.approx([0.3] * 4)
    assert not model.e.weight[0].any()


class NormalizedLinear(nn.Linear):
    """A layer, in spite of its name."""


class ChannelNorm(nn.Module):
    """A norm of one's own, whose scale is (C, 1, 1)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 1, 1))


def test_a_norm_is_known_by_its_name_and_its_shape():
    """Names of Swin's and graphs' parameters are not those of torch's layers."""
    model = nn.Module()
    model.layer = NormalizedLinear(4, 3)
    model.own = ChannelNorm()
    model.whole = nn.LayerNorm((3, 5, 5))
    model.edge_weight = nn.Parameter(torch.ones(3, 3))
    model.relative_position_bias_table = nn.Parameter(torch.ones(3, 3))
    sites = Sites("relu", {})
    assert list(parameters.weights(model, sites)) == ["layer.weight"]
    assert list(parameters.biases(model, sites)) == ["layer.bias"]
    others = ["edge_weight", "relative_position_bias_table"]
    assert parameters.others(model, sites) == others
