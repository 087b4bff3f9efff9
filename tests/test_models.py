"""Models: an activation of its own at each site, sizes of the literature, outputs of plain code."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from actstudy.nets.activations import ACTIVATIONS, Sites
from actstudy.nets.convnext_tiny import ConvNeXtTiny
from actstudy.nets.encoder import Encoder
from actstudy.nets.gpt import GPT
from actstudy.nets.initializers import initialize
from actstudy.nets.mlp import MLP
from actstudy.nets.mobilenetv2 import MobileNetV2
from actstudy.nets.resnet18 import ResNet18
from actstudy.nets.resnet50 import ResNet50

PAD = 0
TOKENS = torch.randint(1, 50, (3, 12), generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(3, 2, 32, 32, generator=torch.Generator().manual_seed(0))

MODELS = {
    "mlp": (lambda act: MLP(40, (16, 16, 16), 10, act, norm="layer"), torch.randn(3, 40)),
    "resnet small": (lambda act: ResNet18(2, 7, 4, "small", act), IMAGES),
    "resnet large": (lambda act: ResNet18(2, 7, 4, "large", act), IMAGES),
    "resnet50": (lambda act: ResNet50(2, 7, 4, 1, "small", act), IMAGES),
    "mobilenetv2": (lambda act: MobileNetV2(2, 7, 8, 1, "small", act), IMAGES),
    "convnext_tiny": (lambda act: ConvNeXtTiny(2, 7, 4, 1, "small", act), IMAGES),
    "encoder": (
        lambda act: Encoder(
            50, 12, 4, depth=2, width=16, heads=2, dropout=0.0, make_act=act, pad=PAD
        ),
        TOKENS,
    ),
    "gpt": (lambda act: GPT(50, 12, depth=2, width=16, heads=2, dropout=0.0, make_act=act), TOKENS),
}
N_SITES = {
    "mlp": 3,
    "resnet small": 17,
    "resnet large": 17,
    "resnet50": 13,
    "mobilenetv2": 15,
    "convnext_tiny": 4,
    "encoder": 2,
    "gpt": 2,
}
OVERFIT = ["resnet small", "resnet50", "mobilenetv2", "convnext_tiny", "encoder", "gpt"]


def built(name, activation="relu", policy="auto"):
    make, x = MODELS[name]
    sites = Sites(activation, {})
    model = make(sites)
    initialize(model, sites, policy, {}, 0, lambda: model(x).sum())
    return model, sites, x


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_every_site_is_called_once_and_is_the_only_activation(name, activation):
    model, sites, x = built(name, activation)
    calls = []
    for site, module in sites.modules.items():
        module.register_forward_hook(lambda *_, site=site: calls.append(site))
    model(x)
    assert calls == list(sites.modules)
    assert len(calls) == len({id(m) for m in sites.modules.values()}) == N_SITES[name]
    kind = type(ACTIVATIONS[activation].factory())
    if kind is not nn.Identity:
        assert sum(type(m) is kind for m in model.modules()) == N_SITES[name]
    assert activation == "relu" or not any(isinstance(m, nn.ReLU) for m in model.modules())


def plain_block(block, x, causal, there):
    """One block by explicit matrix products and softmax, head by head."""
    y, attention = block.norm1(x), block.attention
    q, k, v = (
        (attention.qkv.weight @ y.transpose(1, 2) + attention.qkv.bias[:, None])
        .transpose(1, 2)
        .chunk(3, dim=2)
    )
    size, heads = x.shape[2] // attention.heads, []
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(size)
        if causal:
            scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -math.inf)
        if there is not None:
            scores = scores.masked_fill(~there[:, None, :], -math.inf)
        heads.append(scores.softmax(2) @ v[..., part])
    x = x + attention.out(torch.cat(heads, 2))
    return x + block.down(functional.gelu(block.up(block.norm2(x))))


@pytest.mark.parametrize("name", ["encoder", "gpt"])
def test_transformers_equal_a_plain_implementation(name):
    model, _, tokens = built(name, "gelu", "torch_default")
    model, tokens = model.double(), tokens.clone()
    there = None
    if name == "encoder":
        tokens[0, 7:] = PAD
        there = tokens != PAD
    x = (
        model.stack.token.weight[tokens] * math.sqrt(16)
        + model.stack.position.weight[: tokens.shape[1]]
    )
    for block in model.stack.blocks:
        x = plain_block(block, x, name == "gpt", there)
    x = model.stack.norm(x)
    if name == "encoder":
        mean = torch.stack([row[mask].mean(0) for row, mask in zip(x, there, strict=True)])
        expected = model.head(mean)
    else:
        expected = x @ model.stack.token.weight.T
    assert (model(tokens) - expected).abs().max() < 1e-10


def test_gpt_looks_at_no_later_token():
    model, _, tokens = built("gpt")
    changed = tokens.clone()
    changed[:, 8:] = 1
    assert torch.allclose(model(tokens)[:, :8], model(changed)[:, :8], atol=1e-6)
    assert not torch.allclose(model(tokens)[:, 8:], model(changed)[:, 8:], atol=1e-6)


def test_encoder_ignores_padding():
    model, _, tokens = built("encoder")
    padded = functional.pad(tokens[:, :9], (0, 3), value=PAD)
    assert torch.allclose(model(padded), model(tokens[:, :9]), atol=1e-6)


def test_what_padding_looks_up_counts_nowhere():
    """Loss and gradients in each bit, whatever rows stand there."""
    found = []
    for change in (0.0, 3.0):
        model, _, tokens = built("encoder")
        tokens = functional.pad(tokens[:, :9] % 30 + 12, (0, 3), value=PAD)
        with torch.no_grad():
            model.stack.token.weight[:12] += change  # rows that only padding looks up
        loss = functional.cross_entropy(model(tokens), torch.arange(len(tokens)))
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        assert not gradients[0][:12].any()
        assert gradients[0][12:].any()
        found.append([loss, *gradients])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_untrained_gpt_is_uniform(activation):
    """Loss at step 0 within 5% of ln(vocabulary)."""
    x, y = torch.randint(0, 1000, (2, 4, 32), generator=torch.Generator().manual_seed(1))
    sites = Sites(activation, {})
    model = GPT(1000, 32, depth=2, width=64, heads=4, dropout=0.0, make_act=sites)
    initialize(model, sites, "auto", {}, 0, lambda: model(x).sum())
    loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    assert loss.item() == pytest.approx(math.log(1000), rel=0.05)


@pytest.mark.parametrize("name", OVERFIT)
def test_each_model_overfits_one_batch(name):
    """Three examples with labels of their own, 150 steps of Adam: the loss falls below 0.05."""
    model, _, x = built(name, "gelu")
    generator = torch.Generator().manual_seed(2)
    y = (
        torch.randint(0, 50, x.shape, generator=generator)
        if name == "gpt"
        else torch.tensor([0, 1, 2])
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        logits = model(x)
        loss = functional.cross_entropy(logits.flatten(0, -2), y.flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_traced_whole(activation):
    """`engine: compiled` takes no graph breaks: forward and backward, without generating code."""
    torch._dynamo.reset()
    sites = Sites(activation, {})
    model, x = MLP(4, (5, 5), 3, sites), torch.randn(6, 4)
    traced = torch.compile(model, fullgraph=True, backend="aot_eager")
    gradients = []
    for forward in (model, traced):
        model.zero_grad()
        torch.manual_seed(0)  # of those that draw
        forward(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for plain, other in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, other)
