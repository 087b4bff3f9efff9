"""Steps that a loss scale skips, as gradients of fp16 overflow: they leave nothing behind."""

import dataclasses

import pytest
import torch
from runs import tiny

from actstudy.contract.recipes import recipe_of
from actstudy.contract.spec import run_id
from actstudy.training.optim import make_optimizer

RULES = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "plain sgd": {"optimizer": "sgd", "momentum": 0.0},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw"},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.9},
}


@pytest.fixture
def nan_in_new_memory(monkeypatch):
    """What is not written is NaN, not what happens to be there."""
    torch.use_deterministic_algorithms(True)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    yield
    torch.use_deterministic_algorithms(False)


def trained(spec, gradients):
    """Weights after steps of a loss scale of 4 with such gradients, scaled."""
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = make_optimizer(spec, [weight])
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=100)
    for gradient in gradients:
        scaler.scale(torch.zeros(1))  # the scale is made when it is first used
        weight.grad = torch.full_like(weight, gradient) * scaler.get_scale()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return weight.detach()


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("fields", RULES.values(), ids=RULES)
def test_a_skipped_step_leaves_nothing_behind(nan_in_new_memory, fields, engine):
    """First, in the middle, twice: as if it had not been."""
    spec = dataclasses.replace(tiny(engine=engine, **fields), precision="fp16")
    inf = float("inf")
    expected = trained(spec, [0.5, -0.25, 1.0])
    assert torch.equal(trained(spec, [inf, inf, 0.5, inf, -0.25, 1.0]), expected)
    assert not torch.equal(expected, torch.ones(3, 2))


def test_momentum_in_fp16_is_another_training():
    """And no other run has another id."""
    spec = tiny(optimizer="sgd", momentum=0.9)
    in_fp16 = dataclasses.replace(spec, precision="fp16")
    assert recipe_of(in_fp16) == recipe_of(spec) + 1
    keras = dataclasses.replace(in_fp16, framework="keras-jax")  # paired with torch's
    assert recipe_of(keras) == recipe_of(in_fp16)
    for fields in ({"momentum": 0.0}, {"optimizer": "adamw"}):
        assert recipe_of(dataclasses.replace(in_fp16, **fields)) == recipe_of(spec)
    assert run_id(tiny(optimizer="sgd", momentum=0.9, precision="fp16")) != run_id(in_fp16)
