"""What the parameters of a model are: weights and biases of its layers, and all others."""

import re

from torch import nn

from actstudy.nets.activations import Sites

# As torch's layers name them: attention and recurrent layers have several.
WEIGHT = re.compile(r"((in|q|k|v)_proj_)?weight(_[ih][hr]_l\d+(_reverse)?)?")


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
        if id(parameter) not in acting and not _is_norm(owner):
            parameters[name] = parameter
    return parameters


def _is_norm(module: nn.Module) -> bool:
    """Whether a module is a norm by the name of its class, and holds no weight of a layer."""
    is_layer = False
    for parameter in module.parameters(recurse=False):
        is_layer |= parameter.ndim >= 2 and parameter[0].numel() > 1
    return "Norm" in type(module).__name__ and (isinstance(module, nn.LayerNorm) or not is_layer)


def branch_ends(model: nn.Module) -> set[str]:
    """The weights that end residual branches: those of modules' attributes `branch_ends`."""
    ends = set()
    for prefix, module in model.named_modules():
        for name in getattr(module, "branch_ends", ()):
            ends.add(f"{prefix}.{name}" if prefix else name)
    return ends
