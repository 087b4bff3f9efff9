"""Measurements of small nets: curvature, oscillation, redundancy, XOR, batches, few examples."""

import pytest
import torch
from torch.func import functional_call, hessian

from actstudy.contract.reading import Value
from actstudy.guide import landscape, lessons, recipes
from actstudy.guide.stacked import Stack

SHORT = {"steps": 60, "seeds": 2}
SAME = Value(0.0, 0.0, 0.0, 2)


def only(readings):
    (reading,) = readings
    return reading.values


def test_the_largest_curvature_is_that_of_the_whole_hessian():
    net = Stack([3, 4, 3], "tanh", "xavier_normal", seeds=2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (30,), generator=generator).expand(2, -1)
    values = landscape.largest_curvature(net, x, y)
    names = [name for name, _ in net.named_parameters()]
    shapes = [parameter.shape for parameter in net.parameters()]
    sizes = [parameter[0].numel() for parameter in net.parameters()]
    for run in range(2):

        def loss(flat, run=run):
            parts = zip(names, flat.split(sizes), shapes, strict=True)
            own = {name: part.view(1, *shape[1:]).expand(shape) for name, part, shape in parts}
            return lessons.cross_entropy(functional_call(net, own, (x,)), y)[run]

        flat = torch.cat([parameter[run].flatten() for parameter in net.parameters()])
        eigenvalues = torch.linalg.eigvalsh(hessian(loss)(flat.detach()))
        largest = eigenvalues[eigenvalues.abs().argmax()]
        assert float(values[run]) == pytest.approx(float(largest), rel=1e-2)


def test_curvature_is_measured_where_the_loss_is_first_below_the_line():
    same = only(landscape.curvature("relu", "relu", loss=2.2, n_examples=200, **SHORT))
    assert same["ratio"] == Value(1.0, 1.0, 1.0, 2)
    assert (same["reached"].value, same["reached"].n) == (1, 2)
    never = only(landscape.curvature("relu", "relu", loss=0.0, n_examples=200, **SHORT))
    assert never["ratio"].n == never["reached"].value == 0


def test_a_negative_curvature_is_not_left_out_in_silence(monkeypatch):
    values = torch.tensor([2.0, -1.0, torch.nan])
    monkeypatch.setattr(landscape, "_curvatures", lambda *_: values)
    with pytest.raises(ValueError, match="1 of 2 ratios are of values that are not above 0"):
        landscape.curvature("relu", "relu", seeds=3)


def test_an_activation_oscillates_as_much_as_itself():
    values = only(landscape.oscillation("gelu", "gelu", window=11, **SHORT))
    assert values["ratio"] == values["relative"] == Value(1.0, 1.0, 1.0, 2)


def test_units_that_are_copies_are_wholly_redundant():
    generator = torch.Generator().manual_seed(0)
    column = torch.randn(500, 1, generator=generator)
    correlation, rank = landscape.likeness(torch.cat([column, -column, 3 * column, 0 * column], 1))
    assert correlation == pytest.approx(1, abs=1e-5)
    assert rank == pytest.approx(1 / 3, abs=1e-5)
    correlation, rank = landscape.likeness(
        torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    )
    assert correlation < 0.02
    assert rank > 0.98


def test_redundancy_is_compared_per_activation():
    readings = landscape.redundancy("relu", ["relu", "tanh"], **SHORT)
    assert [reading.condition for reading in readings] == ["against relu", "against tanh"]
    assert readings[0].values == {"correlation": SAME, "rank": SAME}
    assert readings[1].values["correlation"].value != 0


def test_silu_learns_xor_where_relu_does_not():
    values = only(landscape.xor_gain("silu", "relu", seeds=60, steps=400))
    assert values["gain"].low > 0.3
    assert values["solved"].value > 0.9
    lost = only(landscape.xor_gain("identity", "identity", seeds=5, steps=50))
    assert lost["solved"].value == 0


def test_a_rate_that_is_far_too_high_diverges():
    question = {"batch": 64, "epochs": 1, "seeds": 3}
    usual = only(recipes.batch_sizes(**question))
    wild = only(recipes.batch_sizes(**question, in_proportion=False, lr=1e4))
    assert usual["diverged"].value == 0
    assert wild["diverged"].value == 1


def test_few_examples_are_fewer_to_train_on_alone():
    lesson = recipes.FewExamples(("relu", ()), (8,), data="mnist1d", n_examples=400)
    assert len(lesson.examples().x) == len(lesson.examples().y) == 400
    assert len(lesson.examples().x_test) == 1000
    values = only(recipes.few_examples("relu", "relu", **SHORT))
    assert values["better"].value == values["gap"].value == 0


def test_no_dropout_is_equal_of_both_kinds():
    values = only(recipes.alpha_dropout(rate=0.0, depth=2, **SHORT))
    assert values["better"].value == 0
    dropped = only(recipes.alpha_dropout(rate=0.5, depth=2, **SHORT))
    assert dropped["better"].value != 0
