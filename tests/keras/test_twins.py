"""The twin of a model computes what the model does, layer by layer."""

import re

import keras
import numpy as np
import pytest
import torch
from runs import ROOT
from small import SHAPE, make_model
from torch import nn

from actstudy.contract.errors import StudyError
from actstudy.frameworks import activations, layers
from actstudy.frameworks.parts import PARTS
from actstudy.frameworks.twin import FUNCTIONS, make_twin
from actstudy.nets.activations import ACTIVATIONS, Sites
from actstudy.study.framework_checks import WITHOUT_TWIN

X = torch.linspace(-30, 30, 4003)[None]


def outputs(twin, x, training=False):
    images = np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy())
    return keras.ops.convert_to_numpy(twin.model(images, training=training))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in WITHOUT_TWIN])
def test_an_activation_is_torchs(name):
    module = Sites(name, {})("act", X.shape[1])
    layer = activations.ACTIVATIONS[type(module)](module, "act")
    expected = module(X).detach().numpy()
    layer.build(X.shape)
    for own, value in module.named_parameters():
        getattr(layer, own).assign(value.detach().numpy())
    actual = keras.ops.convert_to_numpy(layer(X.numpy()))
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6)


def test_a_twin_computes_what_its_model_does_and_gives_its_weights_back():
    model = make_model()
    twin = make_twin(model, SHAPE, "small")
    x = torch.randn(6, *SHAPE)
    model.eval()
    np.testing.assert_allclose(outputs(twin, x), model(x).detach().numpy(), atol=2e-6)
    for name, value in twin.export().items():
        assert (value == model.state_dict()[name].numpy()).all(), name
    assert {layer.name for layer in twin.model.layers} >= {"conv", "blocks-0", "head", "scale"}
    assert not any("." in layer.name for layer in twin.model.layers)
    model.train()
    np.testing.assert_allclose(outputs(twin, x, True), model(x).detach().numpy(), atol=4e-6)
    for name, value in twin.export().items():  # also the unbiased running variance
        np.testing.assert_allclose(value, model.state_dict()[name].numpy(), atol=1e-6, err_msg=name)


def traps():
    def tanh_gelu(patch):
        patch.setitem(activations.ACTIVATIONS, nn.GELU, activations.function(activations.gelu_tanh))

    def same_padding(patch):
        patch.setattr(keras.layers, "ZeroPadding2D", lambda *_, name: keras.layers.Identity())
        plain = keras.layers.Conv2D
        patch.setattr(keras.layers, "Conv2D", lambda *a, **k: plain(*a, **{**k, "padding": "same"}))
        deep = keras.layers.DepthwiseConv2D
        patch.setattr(
            keras.layers, "DepthwiseConv2D", lambda *a, **k: deep(*a, **{**k, "padding": "same"})
        )

    def zero_padded_pool(patch):
        plain = keras.layers.ZeroPadding2D
        patch.setattr(layers, "LowestPadding2D", plain)

    def batch_norm_eps(patch):
        own = layers.BatchNormalization
        patch.setattr(layers, "BatchNormalization", lambda **k: own(**{**k, "epsilon": 1e-3}))

    def layer_norm_eps(patch):
        own = layers.LayerNormalization
        patch.setattr(layers, "LayerNormalization", lambda **k: own(**{**k, "epsilon": 1e-3}))

    return [tanh_gelu, same_padding, zero_padded_pool, batch_norm_eps, layer_norm_eps]


@pytest.mark.parametrize("trap", traps(), ids=lambda trap: trap.__name__)
def test_a_trap_shows_in_evaluation(trap, monkeypatch):
    act = nn.Tanh() if trap.__name__ == "zero_padded_pool" else nn.GELU()
    model = make_model(act).eval()
    trap(monkeypatch)
    x = torch.randn(6, *SHAPE)
    gap = np.abs(outputs(make_twin(model, SHAPE, "small"), x) - model(x).detach().numpy()).max()
    assert gap > 2e-5  # ten times what a clean twin may differ by


@pytest.mark.parametrize(
    "change", [{"momentum": 0.99}, {"momentum": 0.1}, {"unbiased": None}], ids=str
)
def test_a_trap_shows_in_running_statistics(change, monkeypatch):
    if "unbiased" in change:
        monkeypatch.setattr(layers.BatchNormalization, "unbiased", lambda self, x: 1.0)
    else:
        own = layers.BatchNormalization
        monkeypatch.setattr(layers, "BatchNormalization", lambda **k: own(**{**k, **change}))
    model = make_model()
    twin = make_twin(model, SHAPE, "small")
    x = torch.randn(6, *SHAPE)
    model(x)
    outputs(twin, x, True)
    gap = np.abs(twin.export()["bn.running_var"] - model.state_dict()["bn.running_var"].numpy())
    assert gap.max() > 1e-5


POOLS = [
    nn.AvgPool2d(2),
    nn.AvgPool2d(3, 2, padding=1),
    nn.AvgPool2d((2, 4), (1, 2)),
    nn.MaxPool2d(2),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_a_small_network_with_flatten_has_torchs_order_of_values(pool):
    torch.manual_seed(0)
    row = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), pool, nn.Flatten(), nn.LazyLinear(7)]
    model = nn.Sequential(*row, nn.Flatten(), nn.Tanh(), nn.Linear(7, 5))
    x = torch.randn(6, *SHAPE)
    expected = model(x).detach().numpy()
    np.testing.assert_allclose(outputs(make_twin(model, SHAPE, "cnn"), x), expected, atol=2e-6)


def test_flatten_as_keras_has_it_shows(monkeypatch):
    monkeypatch.setattr(layers.Flatten, "call", keras.layers.Flatten.call)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    x = torch.randn(6, *SHAPE)
    gap = np.abs(outputs(make_twin(model, SHAPE, "cnn"), x) - model(x).detach().numpy()).max()
    assert gap > 1e-2


def test_all_parts_and_functions_are_in_the_documents():
    page = (ROOT / "docs/frameworks.md").read_text(encoding="utf-8")
    names = [kind.__name__ for kind in PARTS if kind not in activations.ACTIVATIONS]
    names += [getattr(function, "__name__", function) for function in FUNCTIONS]
    assert [name for name in names if f"`{name}`" not in page] == []


class Odd(nn.Module):
    """A part that no twin has."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (
            nn.PixelShuffle(1),
            "layer part is a PixelShuffle; allowed: layers .*Conv2d.*; functions add, f",
        ),
        (nn.Dropout(0.1), "layer part is a Dropout with dropout of 0.1"),
        (nn.Conv2d(3, 3, 3, padding_mode="reflect", padding=1), "is a Conv2d with padding"),
        (nn.AvgPool2d(2, ceil_mode=True), "is a AvgPool2d with an average pool with ceil_mode"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "padding that does not count"),
        (nn.Flatten(2), "is a Flatten with flatten of axes 2 to -1"),
        (nn.Softsign(), None),
    ],
)
def test_a_model_without_a_twin_is_refused_in_one_line(part, words):
    if words is None:
        make_twin(Odd(part), SHAPE, "odd")
        return
    with pytest.raises(StudyError) as refusal:
        make_twin(Odd(part), SHAPE, "odd")
    assert re.search(f"model odd has no twin: .*{words}", str(refusal.value))
    assert "\n" not in str(refusal.value)


class Odder(nn.Module):
    """A model whose code calls its parts in a way that no twin has."""

    def __init__(self, call) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.GELU()
        self.unused = nn.Linear(2, 2) if call is None else nn.Identity()
        self.call = call

    def forward(self, x):
        return self.call(self, x) if self.call else self.conv(x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda model, x: model.conv(model.conv(x)),
            "layer conv is a Conv2d with a second call; allowed: a layer for each call",
        ),
        (
            lambda model, x: model.act(model.conv(model.act(x))),
            "layer act is a GELU with a second call; allowed: a layer for each call",
        ),
        (
            lambda model, x: torch.add(x, model.conv(x), alpha=2),
            "add calls add with alpha 2; allowed: alpha 1",
        ),
        (
            lambda model, x: model.conv(x) + 1.0,
            "add calls add with the number 1.0; allowed: two tensors",
        ),
        (
            lambda model, x: torch.mean(x, (2, 3), dtype=torch.float64),
            r"mean calls mean with .*'dtype'; allowed: .*mean",
        ),
        (None, "layer unused is a Linear that is never called; allowed: layers that are called"),
    ],
)
def test_a_call_without_a_twin_is_refused_in_one_line(call, words):
    with pytest.raises(StudyError) as refusal:
        make_twin(Odder(call), SHAPE, "odd")
    assert re.fullmatch(f"model odd has no twin: {words}.*", str(refusal.value))
