"""What the parameters of a model are: weights and biases of its layers, and all others."""

import re

from torch import nn

from actstudy.nets.activations import Sites

WEIGHT = re.compile(r"(.+_)?weight(_[ih][hr]_l\d+(_reverse)?)?")  # as torch's layers name them


def weights(model: nn.Module, sites: Sites) -> dict[str, nn.Parameter]:
    """Name -> parameter that a policy draws: a matrix called `weight` of a layer."""
    return {
        name: parameter
        for name, parameter in _of_layers(model, sites).items()
        if parameter.ndim >= 2 and WEIGHT.fullmatch(name.rpartition(".")[2])
    }


def biases(model: nn.Module, sites: Sites) -> dict[str, tuple[nn.Parameter, nn.Parameter]]:
    """Name -> a vector called `bias` of a layer, and the weight beside it."""
    drawn = weights(model, sites)
    pairs = {}
    for name, parameter in _of_layers(model, sites).items():
        owner, dot, own = name.rpartition(".")
        beside = drawn.get(f"{owner}{dot}{own.replace('bias', 'weight')}")
        if parameter.ndim == 1 and beside is not None:
            pairs[name] = (parameter, beside)
    return pairs


def others(model: nn.Module, sites: Sites) -> list[str]:
    """Names of the parameters that every policy leaves as the model makes them.

    Without those of norms and of the activations.
    """
    filled = {*weights(model, sites), *biases(model, sites)}
    return [name for name in _of_layers(model, sites) if name not in filled]


def _of_layers(model: nn.Module, sites: Sites) -> dict[str, nn.Parameter]:
    """Name -> parameter, but for those of norms and of the activations."""
    acting = {id(p) for p in nn.ModuleList(sites.modules.values()).parameters()}
    parameters = {}
    for name, parameter in model.named_parameters():
        owner = model.get_submodule(name.rpartition(".")[0])
        if id(parameter) not in acting and "Norm" not in type(owner).__name__:
            parameters[name] = parameter
    return parameters
