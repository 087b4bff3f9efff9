"""Image models that studies name: torchvision's, layer by layer, and stochastic depth."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torchvision.models
from torch import nn
from torch.nn import functional

from actstudy.contract import nets
from actstudy.nets import drop_path
from actstudy.nets.activations import Sites
from actstudy.nets.convnext_tiny import ConvNeXtTiny, LayerScale
from actstudy.nets.mobilenetv2 import MobileNetV2
from actstudy.nets.resnet18 import ResNet18
from actstudy.nets.resnet50 import ResNet50
from actstudy.tasks import classification


def resnet_name(name):
    """A parameter's name here, of torchvision's ResNet."""
    name = name.replace("downsample", "shortcut").replace("fc.", "head.")
    for stage in range(4):
        name = name.replace(f"layer{stage + 1}.", f"stages.{stage}.")
    return name


def mobilenet_name(name):
    """A parameter's name here, of torchvision's MobileNetV2, whose blocks have one number."""
    area, rest = name.split(".", 1)
    if area == "classifier":
        return rest.replace("1.", "head.")
    block, *parts, last = rest.split(".")
    if block == "0":
        return f"{('conv1', 'bn1')[int(parts[0])]}.{last}"
    if block == "18":
        return f"{('conv2', 'bn2')[int(parts[0])]}.{last}"
    _, *place = map(str, parts)
    layers = {"0.0": "conv1", "0.1": "bn1", "1.0": "conv2", "1.1": "bn2", "2": "conv3", "3": "bn3"}
    if block == "1":  # without expansion
        layers = {"0.0": "conv2", "0.1": "bn2", "1": "conv3", "2": "bn3"}
        return f"first.{layers['.'.join(place)]}.{last}"
    number = int(block) - 2
    for stage, count in enumerate((2, 3, 4, 3, 3, 1)):
        if number < count:
            return f"stages.{stage}.{number}.{layers['.'.join(place)]}.{last}"
        number -= count
    raise AssertionError(name)


def convnext_name(name):
    """A parameter's name here, of torchvision's ConvNeXt."""
    area, rest = name.split(".", 1)
    if area == "classifier":
        return rest.replace("0.", "norm.").replace("2.", "head.")
    part, index, *inner = rest.split(".")
    stage = int(part) // 2
    if int(part) % 2 == 0:
        return f"steps.{stage}.{index}.{inner[0]}"
    if inner == ["layer_scale"]:
        return f"stages.{stage}.{index}.scale.scale"
    layer = {"0": "conv", "2": "norm", "3": "up", "5": "down"}[inner[1]]
    return f"stages.{stage}.{index}.{layer}.{inner[2]}"


@dataclass(frozen=True)
class Pair:
    """A model, torchvision's, and a parameter's name there -> its name here."""

    model: type
    width: int  # the paper's
    reference: Callable[..., nn.Module]
    renamed: Callable[[str], str]
    activation: str
    stem: str  # the module that is torchvision's first convolution
    small: Callable[[], nn.Module]  # what stands there in a model for small images


def resnet_stem():
    return nn.Conv2d(3, 64, 3, 1, 1, bias=False)


PAIRS = {
    "resnet18": Pair(
        ResNet18, 64, torchvision.models.resnet18, resnet_name, "relu", "conv1", resnet_stem
    ),
    "resnet50": Pair(
        ResNet50, 64, torchvision.models.resnet50, resnet_name, "relu", "conv1", resnet_stem
    ),
    "mobilenetv2": Pair(
        MobileNetV2,
        32,
        torchvision.models.mobilenet_v2,
        mobilenet_name,
        "relu6",
        "features.0.0",
        lambda: nn.Conv2d(3, 32, 3, 1, 1, bias=False),
    ),
    "convnext_tiny": Pair(
        ConvNeXtTiny,
        96,
        torchvision.models.convnext_tiny,
        convnext_name,
        "gelu",
        "features.0.0",
        lambda: nn.Conv2d(3, 96, 2, 2),
    ),
}
SMALL_STEM = {  # parameters at 3 channels and 10 classes
    "resnet18": 11_173_962,
    "resnet50": 23_520_842,
    "mobilenetv2": 2_236_682,
    "convnext_tiny": 27_824_362,
}


def built(name, stem, activation, width=None, depth=None, classes=10):
    """A model and its sites."""
    pair = PAIRS[name]
    sites = Sites(activation, {})
    shape = (width or pair.width,) if name == "resnet18" else (width or pair.width, depth)
    return pair.model(3, classes, *shape, stem, sites), sites


def reference_of(name, stem):
    """torchvision's model in float64 with drawn weights; layer scales near 0.1, norms near 1."""
    pair = PAIRS[name]
    options = {"mobilenetv2": {"dropout": 0.0}, "convnext_tiny": {"stochastic_depth_prob": 0.0}}
    torch.manual_seed(0)
    reference = pair.reference(num_classes=10, **options.get(name, {}))
    if stem == "small":
        reference.set_submodule(pair.stem, pair.small())
        if hasattr(reference, "maxpool"):
            reference.maxpool = nn.Identity()
    with torch.no_grad():
        for parameter in reference.parameters():
            if parameter.ndim > 1 and parameter[0].numel() > 1:
                parameter.normal_(0, 1 / math.sqrt(parameter[0].numel()))
            elif parameter.ndim > 1:
                parameter.normal_(0.1, 0.02)
            else:
                parameter.normal_(1, 0.1)
    return reference.double()


def with_weights(name, stem, reference):
    """Our model in float64 with torchvision's weights, of which none may be left over."""
    model, _ = built(name, stem, PAIRS[name].activation)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    renamed = {}
    for key, value in reference.state_dict().items():
        key = PAIRS[name].renamed(key)
        assert value.numel() == shapes[key].numel()
        renamed[key] = value.reshape(shapes[key])
    model.double().load_state_dict(renamed)
    return model


def outputs(model, x):
    """The output of each layer with parameters, in the order of the calls, then the logits."""
    seen = []
    hooks = []

    def note(_module, _inputs, output):
        seen.append(output.clone())  # torchvision's activations write into their input

    for module in model.modules():
        is_layer = list(module.parameters()) and not list(module.children())
        if is_layer and not isinstance(module, LayerScale):  # which torchvision writes out
            hooks.append(module.register_forward_hook(note))
    logits = model(x)
    for hook in hooks:
        hook.remove()
    return [*seen, logits]


def in_our_layout(reference, model):
    """torchvision's output (B, H, W, C) as (B, C, H, W), and (B, C, 1, 1) as (B, C)."""
    if reference.shape == model.shape:
        return reference
    if model.ndim == 2:
        return reference.flatten(1)
    return reference.permute(0, 3, 1, 2)


@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize("name", PAIRS)
def test_a_model_equals_torchvisions_layer_by_layer(name, stem):
    """In training and in evaluation, with the running statistics that training leaves."""
    reference = reference_of(name, stem)
    model = with_weights(name, stem, reference)
    size = 16 if stem == "small" else 64
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)).double()
    for mode in (True, False):
        model.train(mode)
        reference.train(mode)
        with torch.no_grad():
            pairs = list(zip(outputs(model, x), outputs(reference, x), strict=True))
        assert len(pairs) > 40 or name == "resnet18"
        for value, other in pairs:
            other = in_our_layout(other, value)
            assert (value - other).abs().max() <= 1e-10 * other.abs().max()
        assert pairs[-1][0].std() > 1e-2
    buffers = dict(model.named_buffers())
    for key, value in reference.named_buffers():
        torch.testing.assert_close(buffers[PAIRS[name].renamed(key)], value)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PAIRS)
def test_a_model_has_the_published_size(name):
    assert count(built(name, "small", "relu")[0]) == SMALL_STEM[name]
    with torch.device("meta"):
        large = built(name, "large", "relu", classes=1000)[0]
        assert count(large) == count(PAIRS[name].reference(num_classes=1000))


@pytest.mark.parametrize("width", [8, 11, 16, 24, 40, 64])
def test_mobilenet_scales_as_torchvisions(width):
    reference = torchvision.models.mobilenet_v2(num_classes=10, width_mult=width / 32)
    model = built("mobilenetv2", "large", "relu6", width)[0]
    shapes = {PAIRS["mobilenetv2"].renamed(key): v.shape for key, v in reference.named_parameters()}
    assert {key: value.shape for key, value in model.named_parameters()} == shapes


@pytest.mark.parametrize("depth", [None, 1, 2, 9, 100])
@pytest.mark.parametrize("name", PAIRS)
def test_planning_knows_the_sites_at_any_depth(name, depth):
    model, sites = built(name, "small", "relu", 8, depth)
    assert nets.sites(name, depth) == list(sites.modules)
    n_acting = sum(isinstance(module, nn.ReLU) for module in model.modules())
    assert n_acting == len(sites.modules)
    if depth in (None, 100):
        assert n_acting == {"resnet18": 17, "resnet50": 49, "mobilenetv2": 35}.get(name, 18)
    assert [model.get_submodule(site) for site in sites.modules] == list(sites.modules.values())


# Stochastic depth


def narrow(depth=None):
    """A narrow ConvNeXt whose blocks count."""
    model, _ = built("convnext_tiny", "small", "gelu", 4, depth)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def test_the_share_left_out_grows_as_in_torchvision():
    with torch.device("meta"):
        reference = torchvision.models.convnext_tiny(stochastic_depth_prob=0.4)
    shares = []
    for module in reference.modules():
        if type(module).__name__ == "StochasticDepth":
            shares.append(module.p)
    keep = drop_path.draws(0.4, seed=0, step=0, batch=20_000, blocks=len(shares))
    assert keep.dtype == "float32"
    assert len(shares) == len(drop_path.paths(built("convnext_tiny", "small", "gelu", 4)[0])) == 18
    for column, share in zip(keep.T, shares, strict=True):
        assert column[column > 0] == pytest.approx(1 / (1 - share))
        assert (column == 0).mean() == pytest.approx(share, abs=0.015)
    assert keep.mean() == pytest.approx(1, abs=0.01)


def test_draws_are_a_function_of_seed_and_step():
    def draws(seed=0, step=0):
        return drop_path.draws(0.5, seed, step, 64, 6).tolist()

    assert draws() == draws()
    assert draws() != draws(seed=1)
    assert draws() != draws(step=1)
    assert drop_path.draws(0.0, 0, 0, 64, 6).shape == (64, 0)
    assert drop_path.draws(0.5, 0, 0, 64, 1).tolist() == [[1.0]] * 64


def test_a_block_that_is_left_out_changes_nothing():
    """Example 0 leaves out all blocks, example 1 none: their logits are those of such models."""
    model = narrow(depth=1)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    whole = model(x)
    bare = copy.deepcopy(model)
    for stage in bare.stages:
        stage[0] = nn.Identity()
    drop_path.set_keep(model, torch.tensor([[0.0] * 4, [1.0] * 4]))
    mixed = model(x)
    torch.testing.assert_close(mixed[0], bare(x)[0])
    torch.testing.assert_close(mixed[1], whole[1])
    assert (whole[0] - mixed[0]).abs().max() > 1e-3


def test_each_block_takes_its_own_factor():
    model = narrow(depth=1)
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    for index in range(4):
        keep = torch.ones(1, 4)
        keep[0, index] = 0
        drop_path.set_keep(model, keep)
        bare = copy.deepcopy(model)
        bare.stages[index][0] = nn.Identity()
        torch.testing.assert_close(model(x), bare(x))


@pytest.mark.parametrize("keep", [None, torch.ones(2, 0)])
def test_without_factors_and_in_evaluation_all_blocks_are_there(keep):
    model = narrow()
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    whole = model(x)
    drop_path.set_keep(model, torch.zeros(2, 18))
    assert not torch.equal(model(x), whole)
    assert torch.equal(model.eval()(x), whole)
    drop_path.set_keep(model.train(), keep)
    assert torch.equal(model(x), whole)


def test_factors_set_in_compiled_code_are_those_of_its_call():
    torch._dynamo.reset()
    model = narrow(depth=1)

    def loss(x, keep):
        drop_path.set_keep(model, keep)
        value = model(x).square().mean()
        drop_path.set_keep(model, None)
        return value

    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    traced = torch.compile(loss, fullgraph=True, dynamic=False, backend="aot_eager")
    for step in range(3):
        keep = torch.from_numpy(drop_path.draws(0.5, 0, step, 4, 4))
        torch.testing.assert_close(traced(x, keep), loss(x, keep))


# The loss


def test_the_loss_keeps_float64_and_widens_half_precision():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = functional.cross_entropy(logits.double(), y, label_smoothing=0.1)
    exact = classification.loss(logits.double(), y, 0.1)
    assert exact.dtype == torch.float64
    assert torch.equal(exact, expected)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        value = classification.loss(logits.to(dtype), y)
        assert value.dtype == torch.float32
        assert torch.equal(value, functional.cross_entropy(logits.to(dtype).float(), y))
