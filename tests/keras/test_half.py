"""Half precision is torch's autocast: activations, a forward pass and a step."""

import keras
import numpy as np
import pytest
import torch
from small import CPU, SHAPE, make_batches, make_model, net_of, torch_steps

from actstudy.frameworks import activations, backend
from actstudy.frameworks.nets import make_net
from actstudy.nets.activations import ACTIVATIONS, Sites
from actstudy.study.framework_checks import WITHOUT_TWIN

X = torch.linspace(-8, 8, 4001)[None]
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.fixture(params=HALVES)
def precision(request):
    return request.param


def layer_of(module, policy):
    """The built Keras layer of an activation, with its weights."""
    with backend.default_dtype(policy):
        layer = activations.ACTIVATIONS[type(module)](module, "act")
        layer.build(X.shape)
    for own, value in module.named_parameters():
        getattr(layer, own).assign(value.detach().numpy())
    return layer


def in_float32(value) -> torch.Tensor:
    return torch.from_numpy(np.array(keras.ops.convert_to_numpy(keras.ops.cast(value, "float32"))))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in WITHOUT_TWIN])
def test_an_activation_rounds_as_torchs_kernel_does(name, precision):
    dtype = HALVES[precision]
    module = Sites(name, {})("act", X.shape[1])
    x = X.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        expected = module(x).detach()
    layer = layer_of(module, backend.POLICIES[precision])
    actual = layer(keras.ops.cast(x.float().numpy(), str(dtype).removeprefix("torch.")))
    assert keras.backend.standardize_dtype(actual.dtype) == str(expected.dtype)[6:]
    # a last digit, and what erf and exp of float32 leave of small values
    rtol = torch.finfo(dtype).eps
    torch.testing.assert_close(in_float32(actual), expected.float(), rtol=rtol, atol=1e-6)


def test_softplus_stays_in_float32_on_a_gpu_alone(monkeypatch, precision):
    module = Sites("softplus", {})("act")
    policy = backend.POLICIES[precision]
    half = str(HALVES[precision]).removeprefix("torch.")
    assert layer_of(module, policy).compute_dtype == half
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda:0")
    assert layer_of(module, policy).compute_dtype == "float32"
    assert layer_of(module, "float64").compute_dtype == "float64"


def seen_by_the_loss(net) -> list[str]:
    """Gets the dtype of the logits of each loss of a net."""
    dtypes = []
    plain = net.loss

    def loss(logits, y):
        dtypes.append(keras.backend.standardize_dtype(logits.dtype))
        return plain(logits, y)

    net.loss = loss
    return dtypes


def test_a_step_computes_in_half_and_its_loss_in_float32(spec, precision):
    own = spec(precision=precision, lr=1e-3)
    net = make_net(own, make_model(), SHAPE, CPU)
    dtypes = seen_by_the_loss(net)
    for name in ("conv", "depthwise", "head", "act", "bn"):
        layer = net.model.get_layer(name)
        assert layer.compute_dtype == str(HALVES[precision]).removeprefix("torch.")
        assert layer.variable_dtype == "float32"
    for name in ("norm", "scale"):
        assert net.model.get_layer(name).compute_dtype == "float32"
    batches = make_batches(1)
    x, y, keep = batches[0]
    loss = float(net.step(x, y, keep[:, :0], own.lr)["loss"])
    assert set(dtypes) == {"float32"}
    exact = torch_steps(make_model(), own, batches)[0]
    assert loss != exact
    assert loss == pytest.approx(exact, rel=0.02)


def test_logits_in_half_are_those_of_autocast(spec, precision):
    model = make_model()
    net = net_of(model, spec(precision=precision), backend.POLICIES[precision])
    x = torch.randn(8, *SHAPE)
    logits = net.logits(x)
    assert logits.dtype == torch.float32
    model.eval()
    with torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", dtype=HALVES[precision]):
            expected = model(x).float()
    of_autocast = (expected - exact).abs().max()
    assert 0 < (logits - exact).abs().max() < 3 * of_autocast
