"""Measurements of networks before training: closed forms, known limits, networks that are wrong."""

import math
import re

import numpy as np
import pytest
import torch

from actstudy.guide import choices, dead, expressive, flow, moments, pieces
from actstudy.guide.stacked import Stack
from actstudy.guide.units import History, Units, units
from actstudy.nets.activations import Sites
from actstudy.nets.initializers import initialize
from actstudy.nets.mlp import MLP


def only(readings):
    """The values of the only reading."""
    (reading,) = readings
    return reading.values


def by_condition(readings):
    return {reading.condition: reading.values for reading in readings}


def test_conditions_name_what_varies():
    named = dict(choices.conditions(init=["zero", {"normal": {"std": 2}}], depth=5))
    assert list(named) == ["init zero", "init normal with std 2"]
    assert all(values["depth"] == 5 for values in named.values())
    (pair,) = choices.conditions(hidden=[[4, 4]])
    assert pair == ("", {"hidden": [4, 4]})
    assert [text for text, _ in choices.conditions(hidden=[[], [8] * 3, [8, 4]])] == [
        "hidden none", "hidden 3 x 8", "hidden 8-4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        ("rleu", "unknown activation; did you mean 'relu'?"),
        ({"elu": {"alfa": 1}}, "did you mean 'alpha'?"),
        ({"elu": 2}, "allowed: a name, or {name: {argument: value}}"),
    ],
)
def test_bad_choices_are_refused_in_one_line(choice, line):
    with pytest.raises(ValueError, match=re.escape(line)) as fault:
        choices.activation(choice)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("init", ["he_normal", "torch_default", "xavier_uniform", "auto"])
def test_network_r_of_a_stack_is_the_mlp_of_seed_r(init):
    net = Stack([6, 5, 4, 3], "gelu", init, seeds=3)
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    for seed in range(3):
        sites = Sites("gelu", {})
        model = MLP(6, (5, 4), 3, sites)
        initialize(model, sites, init, {}, seed, lambda model=model: model(x).sum())
        torch.testing.assert_close(net(x)[seed], model(x))
        torch.testing.assert_close(net.alone(seed)(x)[0], model(x))


def test_a_norm_and_a_residual_are_those_of_torch():
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    net = Stack([5, 5, 2], "tanh", seeds=1, norm="batch", residual=True)
    with torch.no_grad():
        pre = torch.nn.BatchNorm1d(5)(x @ net.weights[0][0])
        expected = (x + torch.tanh(pre)) @ net.weights[1][0]
        torch.testing.assert_close(net(x)[0], expected)


def test_each_run_learns_its_own_slope():
    net = Stack([4, 3, 1], "prelu", seeds=2)
    (slopes,) = net.activations[0].learnt
    assert slopes.shape == (2, 1)
    with torch.no_grad():
        slopes[1] = 1.0  # the identity
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    linear = x @ net.weights[0][1] @ net.weights[1][1]
    torch.testing.assert_close(net(x)[1], linear)
    assert not torch.allclose(net(x)[0], x @ net.weights[0][0] @ net.weights[1][0])


@pytest.mark.parametrize("gain", [1.0, 2.0, 0.5])
def test_orthogonal_layers_multiply_a_gradient_by_their_gain(gain):
    init = {"orthogonal": {"gain": gain}}
    values = only(flow.gradient_ratio("identity", init, depth=10, width=16, seeds=6))
    assert values["through"].value == pytest.approx(gain**10)
    assert values["slope"].value == 1


def test_gradients_of_wide_layers_follow_the_mean_of_squared_slopes():
    """Of He's ReLU by 1, of sigmoid at tiny signals by 1/4 times the weights' gain."""
    relu = only(flow.gradient_ratio("relu", depth=5, width=256, seeds=10))
    assert relu["through"].value == pytest.approx(1, abs=0.15)
    tiny = {"normal": {"std": 1e-3}}
    sigmoid = only(flow.gradient_ratio("sigmoid", tiny, depth=3, width=256, seeds=6))
    assert sigmoid["through"].value == pytest.approx((1e-3 * 16 / 4) ** 3, rel=0.15)
    assert sigmoid["slope"].value == pytest.approx(0.25, abs=1e-4)


def test_a_ratio_against_itself_is_one_and_the_nearest_init_is_seen():
    values = only(flow.gradient_ratio("tanh", depth=3, seeds=6, against="tanh"))
    assert values["over_against"].value == 1
    right = only(flow.nearest_init("identity", "orthogonal", ["he_normal"], depth=5, seeds=7))
    assert right["lead"].low > 1
    assert right["first"].value == 1
    wrong = only(flow.nearest_init("identity", "he_normal", ["orthogonal"], depth=5, seeds=7))
    assert wrong["lead"].high < 1
    assert wrong["first"].value == 0


def test_composition_is_a_product_of_slopes():
    values = only(flow.composition(["leaky_relu", "relu", "sigmoid"], times=3, x=-1.0))
    assert values["leaky_relu"].value == pytest.approx(1e-6)
    assert values["relu"].value == 0
    y = 1 / (1 + math.exp(1))
    slope = y * (1 - y)
    for _ in range(2):
        y = 1 / (1 + math.exp(-y))
        slope *= y * (1 - y)
    assert values["sigmoid"].value == pytest.approx(slope)


def test_signs_agree_for_one_example_behind_outputs_above_zero():
    signs = by_condition(flow.gradient_signs("sigmoid", [1, 64], seeds=4))
    assert signs["batch 1"]["one_sign"].value == 1
    assert signs["batch 64"]["one_sign"].value < 1
    assert only(flow.gradient_signs("tanh", 1, seeds=4))["one_sign"].value == 0


def test_moments_of_relu_are_known():
    values = only(moments.signal("relu", "he_normal", depth=1, seeds=20))
    assert values["second_moment"].value == pytest.approx(1, abs=0.02)
    assert values["mean"].value == pytest.approx(1 / math.sqrt(math.pi), abs=0.02)
    assert values["variance"].value == pytest.approx(1 - 1 / math.pi, abs=0.02)
    halved = only(moments.signal("relu", "lecun_normal", depth=6))
    assert halved["second_moment_kept"].value == pytest.approx(2**-5, rel=0.1)


def test_the_variance_between_inputs_shrinks_by_the_squared_slope():
    tiny = {"normal": {"std": 1e-3}}
    values = only(moments.signal("sigmoid", tiny, depth=2, seeds=3))
    assert values["between_kept"].value == pytest.approx(256 * 1e-6 / 16, rel=0.05)
    assert values["leaves_band"].value == 1
    steady = only(moments.signal("identity", "orthogonal", depth=3, seeds=3))
    assert steady["leaves_band"].value == 0


def test_variances_of_draws_are_their_formulas():
    for draw, times in (("kaiming_normal_", 2), ("Linear", 1 / 3), ("kaiming_uniform_", 2)):
        value = only(moments.drawn_variance(draw, 200, 300, seeds=20))["times_inputs"]
        assert value.low < times < value.high or value.value == pytest.approx(times, rel=0.01)
    before = torch.random.get_rng_state()
    value = only(moments.drawn_variance("xavier_normal_", 200, 300, seeds=5))["times_fans"]
    assert value.value == pytest.approx(2, rel=0.02)
    assert torch.equal(before, torch.random.get_rng_state())
    assert only(moments.keeping_factor("relu"))["factor"].value == pytest.approx(2)


def test_a_unit_fires_with_its_probability():
    values = by_condition(dead.firing([1, 0], 0, ["normal", {"uniform": {"from": -3, "to": 1}}]))
    assert values["inputs normal"]["active"].value == pytest.approx(0.5, abs=0.01)
    assert values["inputs uniform with from -3, to 1"]["active"].value == pytest.approx(
        0.25, abs=0.01
    )
    with pytest.raises(ValueError, match="allowed: normal with sd"):
        dead.firing([1], 0, [{"normal": {"std": 1}}])


@pytest.mark.parametrize("batch", [1, 3])
def test_a_unit_is_dead_for_a_batch_if_all_its_signs_are_negative(batch):
    values = only(dead.dead_at_start(widths=(100, 200), batch=batch, seeds=20))
    assert values["dead"].value == pytest.approx(0.5**batch, abs=0.02)


def test_the_size_of_weights_kills_no_unit_without_biases():
    values = only(dead.dead_at_start(against="xavier_normal", widths=(20, 30, 30, 30), seeds=5))
    assert values["dead"].value > 0
    assert values["fewer"].low == values["fewer"].high == 0


def test_planted_dead_units_are_seen():
    net = Stack([4, 6, 6, 2], "relu", seeds=2)
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.biases[0][0, 2] = -1e6
        net.biases[1][1] = -1e6
    state = units(net, x)
    assert state.dead[0].nonzero().flatten().tolist()[0] == 2
    assert state.dead[1, 6:].all()
    assert not state.dead[1, :6].any()
    leaky = Stack([4, 6, 2], "leaky_relu", seeds=1)
    with torch.no_grad():
        leaky.biases[0].fill_(-1e6)
    state = units(leaky, x)
    assert state.never_positive.all()
    assert not state.dead.any()
    assert state.zeros.item() == 0


def test_revivals_are_counted_by_unit():
    states = []
    for dead_units in ([True, True, False], [True, False, False], [False, False, True]):
        mask = torch.tensor([dead_units])
        states.append(Units(mask, mask, torch.zeros(1)))
    net = Stack([1, 3, 1], "relu", seeds=1)
    assert History(net, tuple(states), torch.zeros(1)).revived().tolist() == [2]


def test_only_nets_without_activation_collapse():
    assert only(expressive.collapse(depth=5, width=8))["difference"].value < 1e-13
    assert only(expressive.collapse("relu", depth=5, width=8))["difference"].value > 1e-3


def test_points_on_a_line_and_xor():
    assert only(expressive.separable([[0], [1], [2]], [1, 1, 0]))["separable"].value == 1
    assert only(expressive.separable([[0], [1], [2]], [1, 0, 1]))["separable"].value == 0
    xor = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert only(expressive.separable(xor, [0, 1, 1, 0]))["separable"].value == 0


def test_weights_that_solve_xor_are_right_and_others_not():
    net = Stack([2, 2, 1], "relu", "zero", seeds=2)
    with torch.no_grad():
        net.weights[0][0] = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
        net.biases[0][0] = torch.tensor([0.0, -1.0])
        net.weights[1][0] = torch.tensor([[1.0], [-2.0]])
        net.biases[1][0] = -0.5
    right = expressive.right(net, expressive.XOR_X, expressive.XOR_Y).sum(1)
    assert right.tolist() == [4, 2]
    values = by_condition(expressive.xor("identity", [[], [4]], seeds=5, steps=50))
    assert all(reading["best_corners"].value < 4 for reading in values.values())


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_tent_map_has_two_to_the_depth_pieces(depth):
    """|1 - 2 |x - 1/2|| of itself, on [0, 1]: 2^depth pieces there (Telgarsky 2015)."""
    tent = np.array([[2.0, -4.0]])  # of relu(x) and relu(x - 1/2)
    layers = [(np.array([[1.0], [1.0]]), np.array([0.0, -0.5]))]
    for _ in range(depth - 1):
        layers.append((np.vstack([tent, tent]), np.array([0.0, -0.5])))
    places = pieces.knots(layers)
    inside = places[(places > 1e-9) & (places < 1 - 1e-9)]
    assert len(np.unique(inside.round(9))) + 1 == 2**depth


def test_pieces_of_one_layer_are_units_plus_one_and_kinks_are_seen():
    values = only(pieces.linear_pieces(8))
    assert values["largest"].value <= 9
    kinks = by_condition(pieces.kinks(["relu", "softplus"]))
    assert min(value.value for value in kinks["activation relu"].values()) > 0.5
    assert max(value.value for value in kinks["activation softplus"].values()) < 0.2
