"""Measurements that train: against a plain loop, and with networks that must fail."""

import math
from dataclasses import replace

import pytest
import torch
from test_guide_networks import by_condition, only
from torch import nn

from actstudy.contract.streams import epoch_order
from actstudy.guide import depths, dying, heads, learnt, lessons, recurrent, second_order, toys
from actstudy.guide.lessons import Lesson
from actstudy.guide.recurrent import RecurrentStack
from actstudy.guide.stacked import Stack

SMALL = Lesson(("relu", ()), (16,), steps=30, seeds=2, components=20)


def test_a_stack_trains_as_each_of_its_networks_alone():
    lesson = replace(SMALL, steps=45, lr=1e-2)  # into a second epoch of 39 steps
    net = lesson.net()
    start = net.alone(1)
    losses = lessons.learn(net, lesson)
    data = lesson.examples()
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))
    with torch.no_grad():
        for layer, index in ((model[0], 0), (model[2], 1)):
            layer.weight.copy_(start.weights[index][0].T)
            layer.bias.copy_(start.biases[index][0])
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(45):
        order = torch.from_numpy(epoch_order(1, step // 39, 5000))
        rows = order[(step % 39) * 128 : (step % 39 + 1) * 128]
        adam.zero_grad()
        loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
        loss.backward()
        adam.step()
        assert losses[step, 1].item() == pytest.approx(loss.item(), rel=1e-3)
    right = (model(data.x_test).argmax(1) == data.y_test).double().mean()
    assert lessons.accuracy(net, data)[1].item() == pytest.approx(right.item(), abs=2e-3)


def test_bad_lessons_are_refused_in_one_line():
    with pytest.raises(ValueError, match="unknown data; did you mean 'mnist1d'"):
        lessons.examples("mnist1")
    with pytest.raises(ValueError, match="unknown optimizer; allowed: adam, sgd"):
        lessons.learn(SMALL.net(), replace(SMALL, optimizer="lion"))
    with pytest.raises(ValueError, match="batch: got 9999; allowed: up to 5000"):
        lessons.learn(SMALL.net(), replace(SMALL, batch=9999))


def test_principal_components_are_uncorrelated():
    x = lessons.examples("fashion_mnist_tenth", 20).x
    covariance = torch.cov(x.T)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3 * covariance.max()


def test_zero_weights_stay_at_chance_and_others_do_not():
    readings = depths.deep_training("relu", 2, ["zero", "he_normal"], width=32, steps=60, seeds=2)
    values = by_condition(readings)
    assert values["init zero"]["accuracy"].value == pytest.approx(0.1)
    assert values["init he_normal"]["accuracy"].value > 0.5


def test_changes_of_weights_are_those_of_layers():
    shape = {"first_layers": 2, "depth": 3, "width": 16, "steps": 20}
    still = by_condition(depths.weight_changes("tanh", ["sgd", "adam"], lr=0.0, **shape))
    assert still["optimizer adam"]["most"].value == still["optimizer sgd"]["most"].value == 0
    moved = only(depths.weight_changes("tanh", "sgd", lr=0.1, **shape))
    assert 0 < moved["least"].value < moved["most"].value
    every = only(depths.weight_changes("tanh", "sgd", lr=0.1, **{**shape, "first_layers": 4}))
    assert every["most"].value > moved["most"].value  # the last layer moves most


def test_an_init_is_no_better_than_itself_and_better_than_zero():
    shape = {"depth": 2, "width": 16, "steps": 40, "seeds": 2}
    assert only(depths.init_compared("he_normal", ["he_normal"], **shape))["better"].value == 0
    over_zero = only(depths.init_compared("he_normal", ["zero"], **shape))
    assert over_zero["better"].value == pytest.approx(over_zero["accuracy"].value - 0.1)


def test_tiny_gradients_are_counted_or_missed_aloud():
    shape = {"depth": 2, "width": 16, "steps": 30, "seeds": 2, "optimizers": {"adam": 0.01}}
    values = only(depths.small_gradients(["relu"], ["he_normal", "zero"], limit=1.0, **shape))
    assert values["learnt"].value == 0.5
    assert values["learnt"].n == 2  # kinds of nets, not nets
    with pytest.raises(ValueError, match="limit: got 1e-30; no net"):
        depths.small_gradients(["relu"], ["he_normal"], limit=1e-30, **shape)


def test_norms_of_gradients_are_in_a_band_that_holds_all():
    shape = {"width": 16, "steps": 20, "seeds": 2, "success": 0.0}
    every = only(depths.gradient_norms(band=[0, math.inf], **shape))
    assert every["in_band"].value == 1
    assert only(depths.gradient_norms(band=[1e9, math.inf], **shape))["in_band"].value == 0
    with pytest.raises(ValueError, match="no net reached it"):
        depths.gradient_norms(**{**shape, "success": 1.0})


def test_losses_fall_unless_nothing_moves():
    shape = {"hidden": [16], "components": 20, "epochs": 2, "stalled_after": 1}
    shape |= {"steps_per_epoch": 30, "seeds": 2}
    falls = only(depths.losses_by_epoch("relu", "adam", {"adam": 0.01}, **shape))
    assert falls["fallen"].low > 0.1
    still = only(depths.losses_by_epoch("relu", "sgd", {"sgd": 0.0}, **shape))
    assert still["fallen"].value == pytest.approx(0, abs=0.01)


def test_zeros_and_dead_units_in_training():
    shape = {"hidden": [[16]], "steps": 39, "seeds": 2}
    values = by_condition(dying.dead_after(["relu", "elu"], lr=1.0, **shape))
    assert values["activation relu"]["dead_end"].value > 0
    assert values["activation relu"]["died"].value == pytest.approx(
        values["activation relu"]["dead_end"].value - values["activation relu"]["dead_start"].value
    )
    assert values["activation elu"]["zeros_end"].value == 0
    relu = values["activation relu"]
    n_units = relu["never_positive_end"].value * 2 * 16
    assert relu["never_positive"].value == pytest.approx(n_units)
    zeros = by_condition(dying.zero_share(hidden=[16], lr=1.0, steps=39, seeds=2))
    assert zeros["before training"]["zeros"].value == pytest.approx(0.5, abs=0.1)
    assert zeros["after training"]["zeros"].value == pytest.approx(
        values["activation relu"]["zeros_end"].value
    )


def test_units_that_do_not_learn_do_not_revive():
    shape = {"hidden": [64, 64], "init": "he_normal", "epochs": 2, "seeds": 2}
    still = only(dying.revivals(lr=0.0, **shape))
    assert still["revived"].value == 0
    moved = only(dying.revivals(lr=0.1, **shape))
    assert moved["ever_dead"].value > still["ever_dead"].value


def test_a_change_that_changes_nothing_makes_no_difference():
    shape = {"depth": 1, "width": 16, "lr": 1.0, "steps": 39, "seeds": 2}
    same = only(dying.dead_compared({"init": "he_normal"}, **shape))
    assert same["fewer"].value == 0
    assert same["ratio"].value == 1
    by_steps = by_condition(dying.dead_compared({"lr_times": 0.1}, **{**shape, "steps": [1, 39]}))
    assert list(by_steps) == ["steps 1", "steps 39"]
    assert by_steps["steps 39"]["without"] == same["without"]
    leaky = only(dying.dead_compared({"activation": "leaky_relu"}, **shape))
    assert leaky["with"].value == 0
    assert leaky["ratio"].value > 0
    with pytest.raises(ValueError, match="allowed: activation, norm, init, lr_times"):
        dying.dead_compared({"widht": 3}, **shape)


def test_a_shift_alone_is_the_same_function_at_the_start():
    lesson = replace(SMALL, activation=("sigmoid", ()), hidden=(8, 8), centred=True)
    lesson = replace(lesson, init=("xavier_normal", ()))
    plain = lesson.net()
    shifted = replace(lesson, centred=False).net()
    toys.replaced(shifted, toys.Shifted(nn.Sigmoid()))
    x = lesson.examples().x_test
    torch.testing.assert_close(plain(x), shifted(x), atol=1e-5, rtol=1e-4)
    shape = {"hidden": [8], "seeds": 6}
    values = only(toys.centring("tanh", {"adam": 0.01}, loss=1.2, steps=60, **shape))
    assert values["ratio"].value == 1  # tanh is 0 at 0 already
    with pytest.raises(ValueError, match=r"steps: got 30; 6 of 6 seeds with adam at 0\.01 do not"):
        toys.centring("tanh", {"adam": 0.01}, loss=0.01, steps=30, **shape)


def test_the_slope_at_zero_is_used_at_zero_alone():
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    toys.KinkedReLU.apply(x, 0.5).sum().backward()
    assert x.grad.tolist() == [0, 0.5, 1]
    readings = toys.kink_value(grid=[0.0, 0.5], hidden=[16], components=20, steps=20, seeds=2)
    values = by_condition(readings)
    assert values["grid 0"]["most"].value == 0
    assert values["grid 0.5"]["zeros"].value > 0.05
    module = toys.Kinked(0.5, 0.0)
    with torch.no_grad():
        module(torch.zeros(3))
    assert not module.zeros  # a test is no training


def test_lbfgs_gets_further_than_it_began_and_a_ratio_with_itself_is_one():
    shape = {"hidden": [8], "examples": 200, "passes": 10, "seeds": 6}
    values = only(second_order.second_order("relu", **shape))
    assert values["ratio"].value == values["gain"].value == 1
    assert values["loss"].value < math.log(10)
    several = by_condition(second_order.second_order("relu", **{**shape, "passes": [10, 40]}))
    assert several["passes 10"] == values
    assert several["passes 40"]["loss"].value < values["loss"].value


def test_learnt_values_begin_as_given_and_move():
    shape = {"depth": 2, "width": 8, "seeds": 2}
    still = only(learnt.learnt_values("prelu", lr=0.0, steps=5, **shape))
    for name in ("first", "middle", "last", "any_least", "any_largest"):
        assert still[name].value == 0.25
    moved = only(learnt.learnt_values("prelu_channel", lr=0.01, steps=20, **shape))
    assert moved["any_least"].value < 0.25 < moved["any_largest"].value
    assert moved["any_least"].n == 2 * 2 * 8
    starts = by_condition(
        learnt.learnt_values(["swish_beta", {"swish_beta": {"beta": 2}}], lr=0.0, steps=1, **shape)
    )
    assert starts["activation swish_beta"]["about_1"].value == 2 * 2
    assert starts["activation swish_beta with beta 2"]["about_1"].value == 0
    with pytest.raises(ValueError, match="which learns nothing"):
        learnt.learnt_values("relu", steps=1, **shape)


def test_a_relu_head_cannot_go_below_zero():
    values = only(heads.relu_head("negative", "positive", seeds=3))
    assert values["over_zero"].value == pytest.approx(1)
    assert values["over_zero_beside"].value < 0.2
    with pytest.raises(ValueError, match="allowed: negative, mixed, positive"):
        heads.relu_head("neg")


def test_squeezed_outputs_have_a_floor():
    values = only(heads.sigmoid_outputs(width=16, steps=40, seeds=2))
    best = torch.tensor([[1.0] + [0.0] * 9])
    floor = nn.functional.cross_entropy(best, torch.tensor([0])).item()
    assert values["floor"].value == pytest.approx(floor)
    assert values["loss"].low > floor


def test_a_recurrent_stack_is_its_loop():
    net = RecurrentStack("relu", 4, seeds=2)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    h = torch.zeros(3, 4)
    for value in x.T:
        h = torch.relu(h + value[:, None] * net.inputs[1])  # its matrix is the identity
    torch.testing.assert_close(net(x)[1], h @ net.head[1])
    assert Stack([6, 4, 10], "relu", seeds=2)(x).shape == net(x).shape


def test_recurrent_nets_have_the_best_rate_on_validation_examples():
    shape = {"width": 16, "steps": 100, "seeds": 2}
    with pytest.raises(ValueError, match="near chance"):
        recurrent.recurrent("relu", "tanh", lr=[0.0], **shape)
    values = only(recurrent.recurrent("relu", "relu", lr=[0.0, 0.01], **shape))
    assert values["better"].value == 0
    assert values["lr"].value == values["lr_against"].value == 0.01
