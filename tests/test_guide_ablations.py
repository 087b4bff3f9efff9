"""Measurements of what guides recommend without a number: pruning, gates of LSTMs, small GANs."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from actstudy.advice import dead
from actstudy.contract.reading import Value
from actstudy.guide import adversarial, gates, lessons, pruning
from actstudy.guide.lessons import Lesson
from actstudy.guide.units import history

SMALL = {"hidden": [32], "lr": 0.1, "steps": 39, "seeds": 2}
SAME = Value(0.0, 0.0, 0.0, 2, "points")


def only(readings):
    (reading,) = readings
    return reading.values


def by_condition(readings):
    return {reading.condition: reading.values for reading in readings}


def test_pruning_counts_the_parameters_of_dead_units():
    assert pruning.n_parameters([3, 4, 2]) == 3 * 4 + 4 + 4 * 2 + 2
    values = only(pruning.pruning(**SMALL))
    lesson = Lesson(("relu", ()), (32,), lr=0.1, steps=39, seeds=2)
    n_dead = history(lesson).units[-1].dead.sum(1).double()
    assert n_dead.sum() > 0
    assert values["removed"].value == pytest.approx(100 * float(n_dead.mean()) / 32)
    removed = float(n_dead.mean()) * (784 + 1 + 10)
    assert values["smaller"].value == pytest.approx(removed / pruning.n_parameters([784, 32, 10]))


def test_without_dead_units_outputs_on_examples_that_were_seen_stay():
    values = only(pruning.pruning(**SMALL))
    assert values["change_seen"].value < 1e-6
    assert values["change_seen"].value <= values["change_test"].value < 0.1
    assert abs(values["lost"].value) < 1


def test_without_any_unit_nothing_is_left():
    several = by_condition(pruning.pruning(at_most=[0.0, 1.0], **SMALL))
    every = several["at_most 1"]
    assert every["removed"].value == 100
    assert every["smaller"].value == pytest.approx(1 - 10 / pruning.n_parameters([784, 32, 10]))
    lost = every["before"].value - every["lost"].value
    assert lost == pytest.approx(10, abs=1.5)  # the biases of the outputs are left: one class
    assert every["lost"].value == every["lost_random"].value
    assert every["lost_tuned"].value > 5  # biases alone do not learn


def test_units_that_are_left_out_stay_silent_while_the_others_learn():
    lesson = Lesson(("relu", ()), (8,), lr=0.01, steps=20, seeds=2)
    net = lesson.net()
    stays = [torch.tensor([[True] * 4 + [False] * 4] * 2)]
    tuned = pruning.trained_on(net, stays, lesson)
    assert (tuned.weights[1][:, 4:] == 0).all()
    assert (tuned.weights[1][:, :4] != net.weights[1][:, :4]).all()
    assert (net.weights[1][:, 4:] != 0).all()  # a copy was trained


def test_random_units_are_as_many_and_others():
    stays = [torch.rand(3, 50, generator=torch.Generator().manual_seed(0)) > 0.3]
    (layer,) = pruning.at_random(stays)
    assert (layer.sum(1) == stays[0].sum(1)).all()
    assert not torch.equal(layer, stays[0])


def test_a_unit_that_never_fires_is_dead():
    lesson = Lesson(("relu", ()), (32,), lr=0.1, steps=39, seeds=2)
    net = lessons.learnt(lesson).net
    x = lesson.examples().x
    (share,) = pruning.firing(net, x)
    with torch.no_grad():
        ((_, post),) = net.layers(x)
    assert torch.equal(share == 0, dead.is_dead(post.amin(1), post.amax(1)))


def test_a_gated_stack_is_torch_s_lstm():
    net = gates.GatedStack("sigmoid", "tanh", 5, 2, seeds=3)
    lstm = nn.LSTM(2, 5, batch_first=True)
    own = net.own[1].detach()
    order = torch.cat([torch.arange(0, 10), torch.arange(15, 20), torch.arange(10, 15)])
    with torch.no_grad():  # torch has i, f, g, o
        lstm.weight_ih_l0.copy_(net.inputs[1].T[order])
        lstm.weight_hh_l0.copy_(own.T[order])
        lstm.bias_ih_l0.copy_(net.bias[1, 0][order])
        lstm.bias_hh_l0.zero_()
    x = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    _, (h, _) = lstm(x.unflatten(1, (6, 2)))
    expected = h[0] @ net.head[1]
    assert torch.allclose(net(x)[1], expected, atol=1e-6)
    assert net.own.abs().max() <= 5**-0.5
    assert (net.bias[..., 5:10] == 1).all()


def test_the_usual_lstm_is_no_better_than_itself_and_others_differ():
    shape = {"width": 8, "piece": 8, "steps": 60, "seeds": 2, "lr": [0.0, 0.03]}
    several = by_condition(gates.gates(gate=["sigmoid", "hard_sigmoid"], **shape))
    assert several["gate sigmoid"]["better"] == SAME
    assert several["gate sigmoid"]["lr"].value == 0.03  # nothing is learnt at the other one
    other = several["gate hard_sigmoid"]
    assert other["better"].value == pytest.approx(
        other["accuracy"].value - other["accuracy_usual"].value
    )
    assert other["better"].value != 0
    assert other["diverged"].value == 0
    with pytest.raises(ValueError, match="near chance"):
        gates.gates(**{**shape, "lr": [0.0]})


def test_an_energy_distance_is_its_definition():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 2, generator=generator)
    y = torch.randn(2, 5, 2, generator=generator) + 1

    def mean(pairs):
        return torch.stack([(a - b).norm() for a, b in pairs]).mean()

    for run in range(2):
        across = mean(itertools.product(x[run], y[run]))
        own = [mean(itertools.permutations(z[run], 2)) for z in (x, y)]
        expected = float(2 * across - sum(own))
        distance = adversarial.energy_distance(x, y)[run]
        assert float(distance) == pytest.approx(expected, rel=1e-5)


def test_points_of_the_ring_cover_it():
    draws = torch.Generator().manual_seed(0)
    points = adversarial.ring(2, 1000, 8, draws)
    assert adversarial.covering(points, 8).tolist() == [1, 1]
    assert adversarial.covering(points[:, :, :1].expand(2, 1000, 2) * 0, 8).tolist() == [0, 0]
    other = adversarial.ring(2, 1000, 8, draws)
    assert adversarial.energy_distance(points, other).abs().max() < 0.02
    assert points.norm(dim=2).mean() == pytest.approx(2, abs=0.02)


def test_gans_come_nearer_and_equal_ones_are_equal():
    shape = {"hidden": [32], "batch": 32, "seeds": 2}
    short = only(adversarial.adversarial("relu", "relu", steps=40, **shape))
    assert short["better"].value == 0
    longer = only(adversarial.adversarial("leaky_relu", "relu", steps=400, **shape))
    assert longer["distance"].value < short["distance"].value
    assert longer["better"].value == pytest.approx(
        longer["distance_against"].value - longer["distance"].value
    )
    assert longer["better"].value != 0


def test_nets_left_alone_are_compared_with_nets_that_trained_as_long():
    lesson = Lesson(("relu", ()), (16,), lr=0.01, steps=20, seeds=2)
    net = lesson.net()
    every = [torch.ones(2, 16, dtype=torch.bool)]
    tuned = pruning.trained_on(net, every, lesson)
    plain = lesson.net()
    lessons.learn(plain, replace(lesson))
    for weights, others in zip(tuned.parameters(), plain.parameters(), strict=True):
        assert torch.equal(weights, others)
