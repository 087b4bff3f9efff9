"""A step of a Net is torch's: optimizers, clipping, accumulated gradients, stochastic depth."""

import numpy as np
import pytest
import torch
from keras import ops
from small import CPU, make_batches, make_model, net_of, net_steps, torch_steps, worst
from torch import nn

from actstudy.frameworks import arithmetic, net, optimizers

RULES = {
    "sgd": {"nesterov": True, "weight_decay": 0.1, "clip": None, "label_smoothing": 0.1},
    "adamw": {"optimizer": "adamw", "lr": 0.01, "eps": 1e-3, "weight_decay": 0.5, "accumulate": 2},
    "adam": {"optimizer": "adam", "lr": 0.01, "eps": 1e-3, "weight_decay": 0.5, "drop_path": 0.3},
    "adaptive": {"momentum": 0.0, "clip": "adaptive", "accumulate": 4},
}


def gap(spec) -> tuple[float, str]:
    """The largest difference of weights after three steps of both."""
    model = make_model()
    trainer = net_of(model, spec)
    batches = make_batches(3)
    losses = net_steps(trainer, spec, batches)
    np.testing.assert_allclose(losses[:1], torch_steps(model, spec, batches)[:1], atol=1e-6)
    return worst(trainer.export(), model)


@pytest.mark.parametrize("rule", RULES)
def test_three_steps_are_torchs(rule, spec):
    difference, name = gap(spec(**RULES[rule]))
    assert difference < 3e-6, name


def rate_inside_momentum(patch):
    def update_step(self, gradient, variable, lr):
        v = self.momentums[self._get_variable_index(variable)]
        value = v * self.momentum + gradient * lr
        self.assign(v, value)
        self.assign_sub(variable, value)

    patch.setattr(optimizers.SGD, "update_step", update_step)


def biased_correction(patch):
    patch.setattr(optimizers, "correction", lambda beta, t: 1.0 + 0 * t)


def decay_of_all(patch):
    patch.setattr(net.KerasNet, "_decayed", lambda self: self.model.trainable_variables)


@pytest.mark.parametrize(
    ("trap", "rule"),
    [(rate_inside_momentum, "sgd"), (biased_correction, "adamw"), (decay_of_all, "adamw")],
)
def test_a_trap_of_optimizers_shows(trap, rule, spec, monkeypatch):
    trap(monkeypatch)
    assert gap(spec(**RULES[rule]))[0] > 3e-5


def test_a_net_goes_on_bit_for_bit(spec):
    own = spec(optimizer="adamw", lr=0.01)
    batches = make_batches(6)
    whole = net_of(make_model(), own)
    net_steps(whole, own, batches)
    first = net_of(make_model(), own)
    net_steps(first, own, batches[:3])
    state = first.state()
    second = net_of(make_model(nn.GELU()), own)
    second.restore(state)
    net_steps(first, own, batches[3:])
    net_steps(second, own, batches[3:])
    for name, value in whole.export().items():
        assert (value == first.export()[name]).all(), name
        assert (value == second.export()[name]).all(), name


def test_logits_do_not_depend_on_the_company_and_weights_are_taken_over(spec):
    model = make_model().eval()
    trainer = net_of(make_model(nn.GELU()), spec())
    trainer.load({name: value.numpy() for name, value in model.state_dict().items()})
    x = torch.randn(5, 3, 8, 8)
    assert trainer.logits(x).shape == (5, 5)
    torch.testing.assert_close(trainer.logits(x), model(x), atol=2e-6, rtol=0)
    assert trainer.n_params == sum(parameter.numel() for parameter in model.parameters())
    assert trainer.logits(x[:3]).shape == (3, 5)


def test_scores_name_gradients_that_are_not_finite(spec):
    (x, y, keep), *_ = make_batches(1)
    scores = net_of(make_model(), spec()).step(x * np.inf, y, keep[:, :0], 0.1)
    assert scores["nonfinite"].sum() > 0
    assert len(scores["norms"]) == len(list(make_model().parameters()))


def test_float64_is_real(spec, framework):
    if framework != "keras-tensorflow":
        pytest.skip("JAX has float32 alone, and on torch Keras makes float32 of numbers")
    own = spec(optimizer="adamw", lr=0.01, weight_decay=0.1)
    model = make_model().double()
    batches = [(x.double(), y, keep) for x, y, keep in make_batches(6)]
    trainer = net_of(model, own, "float64")
    net_steps(trainer, own, batches)
    torch_steps(model, own, batches)
    assert worst(trainer.export(), model)[0] < 1e-9


def test_a_loss_scale_grows_and_falls_as_torchs():
    defaults = torch.amp.GradScaler("cpu")
    scale = torch.tensor([defaults.get_scale()])
    steps = torch.zeros(1, dtype=torch.int32)
    scaling = (np.float32(arithmetic.FIRST_SCALE), np.float32(0))
    for step in range(4600):
        is_finite = step not in (3, 4, 2500)
        torch._amp_update_scale_(
            scale,
            steps,
            torch.tensor([0.0 if is_finite else 1.0]),
            defaults.get_growth_factor(),
            defaults.get_backoff_factor(),
            defaults.get_growth_interval(),
        )
        if step % 250 == 0 or step in (3, 4, 2003, 2004, 2500, 4500) or step > 4590:
            scaling = next_scaling(scaling, is_finite)
            assert float(scaling[0]) == scale.item(), step
            assert float(scaling[1]) == steps.item(), step
        else:  # quickly: nothing but the count changes
            scaling = (scaling[0], scaling[1] + 1)


def next_scaling(scaling, is_finite):
    """Scale and steps after one more step, as numbers."""
    after = arithmetic.next_scale(scaling, ops.convert_to_tensor(is_finite))
    return tuple(np.float32(ops.convert_to_numpy(value)) for value in after)


def test_the_device_is_what_torch_has(spec):
    trainer = net_of(make_model(), spec())
    (x, y, keep), *_ = make_batches(1)
    assert trainer.step(x, y, keep[:, :0], 0.1)["loss"].device == CPU
    assert trainer.execution.startswith("NHWC, ")
