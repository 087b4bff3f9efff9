"""Every registered activation, whichever those are: an entry is tested by being there."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from actstudy.analysis.figures.style import ACTIVATION_STYLE
from actstudy.contract import registry
from actstudy.nets.activations import ACTIVATIONS, ALIASES, NULL_PAIRS, RANDOM, Sites
from actstudy.nets.feed_forward import FEED_FORWARD
from actstudy.nets.gain import gain

NAMES = list(ACTIVATIONS)
BOTH = {**ACTIVATIONS, **FEED_FORWARD}
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
        "concatenate",
    )
}


@pytest.fixture
def in_float64():
    """Parameters are made in float64: 0.8 is another number in float32."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", BOTH)
def test_equals_its_formula(name, in_float64):
    """In evaluation, over pairs of values (a, b) if it takes two per unit."""
    line = np.linspace(-15, 15, 3001)
    entry = BOTH[name]
    module = entry.factory(**entry.args).eval()
    if getattr(module, "takes", 1) == 2:
        a, b = np.meshgrid(line[::20], line[::20])
        values = {"a": a, "b": b}
        x = np.concatenate([a, b], -1)
    else:
        x = line[:, None] if name in FEED_FORWARD else line
        values = {"x": x}
    names = {**NUMPY, **entry.args, **values, "erf": erf, "pi": math.pi}
    expected = eval(entry.formula, {"__builtins__": {}}, names)
    got = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", BOTH)
def test_gradient_in_float64(name):
    x = (torch.linspace(-4, 4, 80, dtype=torch.float64) + 0.013).requires_grad_()  # off the kinks
    module = BOTH[name].factory().double()
    weights = [parameter.detach() + 0.1 for parameter in module.parameters()]

    def function(x, *weights):
        torch.manual_seed(0)
        names = [name for name, _ in module.named_parameters()]
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *[w.requires_grad_() for w in weights]))


@pytest.mark.parametrize("name", BOTH)
def test_finite_far_out(name):
    values = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4])
    x = torch.cartesian_prod(values, values).requires_grad_()
    y = BOTH[name].factory()(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", BOTH)
def test_gain_keeps_the_second_moment(name):
    """In training too: what RReLU draws has nearly the second moment of its mean."""
    z = torch.randn(400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    module = BOTH[name].factory()
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


@pytest.mark.parametrize("name", [*BOTH, *ALIASES])
def test_fresh_instance_a_site(name):
    sites = Sites(registry.activation(name), {})
    made = [sites(f"layers.{i}", 16) for i in range(3)]
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
    assert registry.feed_forward() == {name: entry.args for name, entry in FEED_FORWARD.items()}
    assert not set(ACTIVATIONS) & set(FEED_FORWARD)
    assert registry.activation("swish") == "silu"
    assert registry.activation("leaky") == "leaky_relu"


def test_every_activation_has_a_look_of_its_own():
    assert len(set(ACTIVATION_STYLE.values())) == len(ACTIVATION_STYLE)
    assert set(BOTH) <= set(ACTIVATION_STYLE)


# Those that learn, draw, or have weights per unit


def test_apl_is_the_papers_sum_of_hinges():
    module = ACTIVATIONS["apl"].factory(units=3).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(3, dtype=torch.float64, generator=generator)
    x = torch.randn(50, 3, dtype=torch.float64, generator=generator)
    expected = np.maximum(x.numpy(), 0)
    for a, b in zip(module.a, module.b, strict=True):
        hinge = np.maximum(0, -x.numpy() + b.detach().numpy())
        expected = expected + a.detach().numpy() * hinge
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-12)


def test_xielu_is_continuous_with_slope_one_half_at_zero():
    x = torch.tensor([-1e-3, 0.0, 1e-3], dtype=torch.float64, requires_grad=True)
    y = ACTIVATIONS["xielu"].factory().double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert y[1].item() == 0
    assert slope.tolist() == pytest.approx([0.5, 0.5, 0.5], abs=2e-3)
    assert slope[1].item() == 0.5


def test_rrelu_draws_slopes_in_training_and_takes_their_mean_in_evaluation():
    x = torch.full((100_000,), -1.0)
    module = ACTIVATIONS["rrelu"].factory()
    torch.manual_seed(0)
    drawn = -module(x)
    assert 0.125 <= drawn.min() < 0.126
    assert 0.332 < drawn.max() <= 1 / 3 + 1e-6
    assert drawn.mean().item() == pytest.approx((1 / 8 + 1 / 3) / 2, abs=1e-3)
    assert (-module.eval()(x)).unique().tolist() == pytest.approx([(1 / 8 + 1 / 3) / 2])


@pytest.mark.parametrize("name", NAMES)
def test_those_that_draw_are_listed(name):
    x = torch.randn(100, generator=torch.Generator().manual_seed(0))
    module = ACTIVATIONS[name].factory()
    assert torch.equal(module(x), module(x)) == (name not in RANDOM)


@pytest.mark.parametrize("shape", [(5, 3), (2, 7, 3), (2, 3, 4, 4)])
def test_weights_per_unit_are_on_the_units_axis(shape):
    """Channels of images are on axis 1, units of vectors and tokens on the last."""
    sites = Sites("prelu_channel", {})
    module = sites("act", 3)
    module.weight.data = torch.tensor([0.0, 1.0, 2.0])
    y = module(-torch.ones(shape)).movedim(1 if len(shape) == 4 else -1, -1)
    assert (y == torch.tensor([0.0, -1.0, -2.0])).all()
    assert sites.gain("act") == pytest.approx(gain(torch.nn.PReLU()))


def test_a_site_without_units_is_refused_by_name():
    with pytest.raises(ValueError, match=r"apl needs the number of units of 'a'; to fix: make_act"):
        Sites("apl", {})("a")
