"""The engine of a run that Keras trains, from its spec."""

from typing import Any

import torch
from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.frameworks import backend
from actstudy.nets.activations import Sites


def make_keras_job(
    spec: RunSpec,
    model: nn.Module,
    sites: Sites,
    shape: tuple[int, int, int],
    shared: dict[str, Any],
) -> Any:
    """The engine of a spec whose torch model, initialised, is there; images have a shape (C, H, W).

    shared: the fields that every engine has. StudyError if the model has no twin or the back end
    cannot train it here.
    """
    device: torch.device = shared["device"]
    backend.start(spec, device)
    from actstudy.frameworks.nets import make_net  # Keras is imported now
    from actstudy.training.keras_job import KerasJob

    net = make_net(spec, model, shape, device, sites.modules.values())
    return KerasJob(**shared, model=model.to(device), sites=sites, net=net)
