"""Training steps of three models with any activation, in sizes for a CPU and for a GPU."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.certificate.subject import normal, seeded
from actstudy.contract.spec import Hybrid
from actstudy.nets.activations import Sites
from actstudy.nets.gpt import GPT
from actstudy.nets.mlp import MLP
from actstudy.nets.resnet18 import ResNet18

MakeAct = Callable[[str], nn.Module]
Built = tuple[nn.Module, Tensor, Tensor]  # a model, its inputs, its targets
EARLY = ("act1", "stages.0.*", "stages.1.*")  # sites of the first half of ResNet-18's stages


def integers(high: int, *shape: int) -> Tensor:
    """Random integers below `high`."""
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(2))


def mlp(make_act: MakeAct, is_large: bool) -> Built:
    """784-256-128-10 on 128 examples; on a GPU 784-4096-4096-10 on 4096."""
    hidden, examples = ([4096, 4096], 4096) if is_large else ([256, 128], 128)
    return MLP(784, hidden, 10, make_act), normal(examples, 784), integers(10, examples)


def transformer(make_act: MakeAct, is_large: bool) -> Built:
    """A GPT of 2 blocks of width 128 on 16 x 64 tokens; on a GPU 12 of width 768 on 16 x 512."""
    vocabulary = 8192 if is_large else 512
    context, depth, width, heads = (512, 12, 768, 12) if is_large else (64, 2, 128, 4)
    tokens = integers(vocabulary, 16, context)
    return GPT(vocabulary, context, depth, width, heads, 0.0, make_act), tokens, tokens.roll(-1, 1)


def resnet18(make_act: MakeAct, is_large: bool) -> Built:
    """ResNet-18 of width 16 on 32 images of 32 x 32; on a GPU of width 64 on 256 of 64 x 64."""
    width, images, side = (64, 256, 64) if is_large else (16, 32, 32)
    return (
        ResNet18(3, 10, width, "small", make_act),
        normal(images, 3, side, side),
        integers(10, images),
    )


MODELS = {"mlp": mlp, "transformer": transformer, "resnet18": resnet18}


def builder(model: str) -> Callable[[MakeAct, bool], Built]:
    """What builds a model; ValueError if there is no such one."""
    if model not in MODELS:
        raise ValueError(f"model: got {model!r}; allowed: {', '.join(MODELS)}")
    return MODELS[model]


def step(model: str, activation: str | Hybrid, device: str) -> Callable[[], Tensor]:
    """A training step of a model as a call that returns the loss, with AdamW; on a GPU in bf16."""
    with seeded():
        module, x, y = builder(model)(Sites(activation, {}), device == "cuda")
    is_image = device == "cuda" and x.dim() == 4
    layout = torch.channels_last if is_image else torch.preserve_format
    module = module.to(device).to(memory_format=layout)
    x = x.to(device).contiguous(memory_format=layout)
    y = y.to(device).flatten()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3)

    def call() -> Tensor:
        with _precision(device):
            logits = module(x)
            loss = functional.cross_entropy(logits.flatten(0, -2), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return call


def _precision(device: str) -> AbstractContextManager:
    """bf16 where a GPU computes; on a CPU float32."""
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")


def hybrid(early: str, late: str) -> Hybrid:
    """ResNet-18 with one activation in the stem and its first two stages, and another later."""
    return (*((site, early) for site in EARLY), ("*", late))
