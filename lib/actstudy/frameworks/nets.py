"""The Net of a spec on the back end that Keras has started with."""

from collections.abc import Collection

import torch
from torch import nn

from actstudy.contract import frameworks
from actstudy.contract.spec import RunSpec
from actstudy.frameworks.backend import POLICIES
from actstudy.frameworks.net import KerasNet
from actstudy.frameworks.twin import make_twin


def make_net(
    spec: RunSpec,
    model: nn.Module,
    shape: tuple[int, int, int],
    device: torch.device,
    leaves: Collection[nn.Module] = (),
    policy: str | None = None,
) -> KerasNet:
    """The Net that trains the twin of a torch model of images (C, H, W), from its weights.

    leaves: the model's activations. policy: instead of that of the spec's precision; float64 is
    real on TensorFlow alone.
    """
    policy = policy or POLICIES[spec.precision]
    twin = make_twin(model, shape, spec.model or "resnet18", policy, spec.drop_path > 0, leaves)
    net = _kind(spec)(twin, spec, device, policy)
    state = model.state_dict()
    for name in twin.counts:
        net.passes = int(state[name])
    return net


def _kind(spec: RunSpec) -> type[KerasNet]:
    """The class of the spec's back end; no other back end is imported."""
    match frameworks.FRAMEWORKS[spec.framework].backend:
        case "jax":
            from actstudy.frameworks.net_jax import JaxNet

            return JaxNet
        case "tensorflow":
            from actstudy.frameworks.net_tensorflow import TensorflowNet

            return TensorflowNet
        case _:
            from actstudy.frameworks.net_torch import TorchNet

            return TorchNet
