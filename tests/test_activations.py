"""Every registered activation, whichever those are: an entry is tested by being there."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from actstudy.analysis.figures.style import ACTIVATION_STYLE
from actstudy.contract import registry
from actstudy.nets.activations import ACTIVATIONS, ALIASES, NULL_PAIRS, Sites, gain

NAMES = list(ACTIVATIONS)
NUMPY = {
    name: getattr(np, name)
    for name in (
        "exp",
        "expm1",
        "tanh",
        "maximum",
        "minimum",
        "where",
        "sqrt",
        "clip",
        "abs",
        "logaddexp",
    )
}


@pytest.mark.parametrize("name", NAMES)
def test_equals_its_formula(name):
    x = np.linspace(-15, 15, 3001)
    entry = ACTIVATIONS[name]
    expected = eval(
        entry.formula,
        {"__builtins__": {}},
        {**NUMPY, **entry.args, "x": x, "erf": erf, "pi": math.pi},
    )
    got = entry.factory(**entry.args).double()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_in_float64(name):
    x = (torch.linspace(-4, 4, 80, dtype=torch.float64) + 0.013).requires_grad_()  # off the kinks
    assert torch.autograd.gradcheck(ACTIVATIONS[name].factory().double(), x)


@pytest.mark.parametrize("name", NAMES)
def test_finite_far_out(name):
    x = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4], requires_grad=True)
    y = ACTIVATIONS[name].factory()(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_gain_keeps_the_second_moment(name):
    z = torch.randn(400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    module = ACTIVATIONS[name].factory()
    factor = gain(module)
    assert next(iter(module.parameters()), torch.zeros(1)).dtype == torch.float32
    assert (factor * module.double()(z)).square().mean().item() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(("written_otherwise", "name"), NULL_PAIRS)
def test_null_pairs_are_one_function(written_otherwise, name):
    x = torch.linspace(-8, 8, 4001)
    first, second = (ACTIVATIONS[each].factory()(x) for each in (written_otherwise, name))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_null_pairs_are_read_without_torch():
    assert registry.literal("nets/activations.py", "NULL_PAIRS") == NULL_PAIRS


def test_gain_of_relu_is_he():
    assert gain(ACTIVATIONS["relu"].factory()) == pytest.approx(math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_saturation_rule_marks_flat_parts_only(name):
    rule = ACTIVATIONS[name].saturated
    if rule is None:
        pytest.skip("does not saturate on both sides or has no rule")
    x = torch.tensor([-1e3, 0.01, 1e3])
    post = ACTIVATIONS[name].factory()(x)
    assert rule(x, post).tolist()[1:] == [False, True]


@pytest.mark.parametrize("name", [*NAMES, *ALIASES])
def test_fresh_instance_a_site(name):
    sites = Sites(registry.activation(name), {})
    made = [sites(f"layers.{i}") for i in range(3)]
    assert len({id(module) for module in made}) == 3
    assert list(sites.modules.values()) == made
    with pytest.raises(ValueError, match="made twice"):
        sites("layers.0")


def test_hybrid_takes_the_first_match_and_its_arguments():
    sites = Sites((("layers.0", "leaky_relu"), ("*", "tanh")), {"negative_slope": 0.2})
    assert [type(sites(f"layers.{i}")).__name__ for i in range(2)] == ["LeakyReLU", "Tanh"]
    assert sites.modules["layers.0"].negative_slope == 0.2
    with pytest.raises(ValueError, match="matches none"):
        Sites((("layers.0", "relu"),), {})("head")


def test_registry_reads_the_source_as_python_does():
    assert registry.activations() == {name: entry.args for name, entry in ACTIVATIONS.items()}
    assert registry.activation("swish") == "silu"
    assert registry.activation("leaky") == "leaky_relu"


def test_every_activation_has_a_look_of_its_own():
    assert len(set(ACTIVATION_STYLE.values())) == len(ACTIVATION_STYLE)
