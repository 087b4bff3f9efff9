"""The Keras model that computes what a torch model does: made from it, part by part.

The torch model is traced; each of its parts is looked up in the table of `parts`, each function
between them in FUNCTIONS. Layers have torch's names, with dashes for dots, which Keras's back ends
do not all allow. Images are (B, H, W, C) in Keras. What torch's autocast leaves in float32, the
twin does too: sums take their inputs' wider type (`autocast=False`).
"""

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from actstudy.contract.errors import StudyError
from actstudy.frameworks import backend, layers
from actstudy.frameworks.parts import PARTS, NoTwin, Place
from actstudy.nets.drop_path import DropPath, paths

IMAGE_AXES = ((2, 3), (-2, -1), [2, 3], [-2, -1])  # H and W, as models spell them
COUNTS = "num_batches_tracked"  # BatchNorm's count of batches, which Keras has not


@dataclass
class Twin:
    """A Keras model, and where each tensor of the torch model's state dict is in it.

    The model's inputs are images (B, H, W, C), and with stochastic depth factors (B, blocks).
    counts: names of the numbers of batches that BatchNorms have seen.
    """

    model: keras.Model
    places: dict[str, Place]
    counts: list[str]
    blocks: int

    def variable(self, name: str) -> Any:
        """The Keras variable of a torch tensor."""
        place = self.places[name]
        return getattr(place.layer, place.attribute)

    def export(self) -> dict[str, np.ndarray]:
        """Copies of all weights and running statistics, as torch names and lays them out."""
        arrays = {}
        for name, place in self.places.items():
            value = keras.ops.convert_to_numpy(self.variable(name))
            arrays[name] = np.array(value.transpose(np.argsort(place.axes)), order="C")
        return arrays

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave."""
        for name, place in self.places.items():
            self.variable(name).assign(np.array(arrays[name].transpose(place.axes), order="C"))


class Tracer(fx.Tracer):
    """Traces a model down to the parts that have Keras layers, and to its activations."""

    def __init__(self, leaves: Collection[nn.Module]) -> None:
        super().__init__()
        self.leaves = set(leaves)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            type(m) in PARTS
            or isinstance(m, DropPath)
            or m in self.leaves
            or super().is_leaf_module(m, "")
        )


def add(name: str, x: Any, y: Any, alpha: float = 1) -> Any:
    """The sum of two tensors of one shape."""
    if alpha != 1:
        raise NoTwin(f"alpha {alpha}", "alpha 1")
    for value in (x, y):
        if not isinstance(value, keras.KerasTensor):
            raise NoTwin(f"the number {value}", "two tensors")
    return keras.layers.Add(name=name, autocast=False)([x, y])


def mean(name: str, x: Any, dim: Any, keepdim: bool = False) -> Any:
    """The mean over all pixels."""
    if dim not in IMAGE_AXES:
        raise NoTwin(f"a mean over axes {dim}")
    return keras.layers.GlobalAveragePooling2D(keepdims=keepdim, name=name, autocast=False)(x)


def flatten(name: str, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """(B, ...) -> (B, values), in torch's order."""
    if (start_dim, end_dim) != (1, -1):
        raise NoTwin(f"flatten of axes {start_dim} to {end_dim}")
    if len(x.shape) == 4:
        x = keras.layers.Permute((3, 1, 2), name=f"{name}-order")(x)
    return keras.layers.Flatten(name=name)(x)


def relu(name: str, x: Any, inplace: bool = False) -> Any:
    """max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)


FUNCTIONS: dict[Any, Callable[..., Any]] = {  # of models' own code: functions, names of methods
    operator.add: add,
    torch.add: add,
    torch.mean: mean,
    "mean": mean,
    torch.flatten: flatten,
    "flatten": flatten,
    torch.relu: relu,
    functional.relu: relu,
}


def make_twin(
    model: nn.Module,
    shape: tuple[int, int, int],
    name: str,
    policy: str = "float32",
    drops_paths: bool = False,
    leaves: Collection[nn.Module] = (),
) -> Twin:
    """The twin of a torch model of images (C, H, W), with the model's present weights.

    name: of the model. policy: a dtype policy of Keras. drops_paths: with stochastic
    depth. leaves: activations, which are not looked into. StudyError if a part of the
    model is not in the table.
    """
    try:
        graph = Tracer(leaves).trace(model)
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise StudyError(f"model {name} has no twin: it cannot be traced: {first}") from None
    with backend.default_dtype(policy):
        blocks = len(paths(model)) if drops_paths else 0
        twin = _interpreted(model, graph, shape, name, blocks)
    twin.load({name: value.detach().cpu().numpy() for name, value in model.state_dict().items()})
    return twin


def _interpreted(
    model: nn.Module, graph: fx.Graph, shape: tuple[int, int, int], name: str, blocks: int
) -> Twin:
    """The Keras model of a graph, its weights still as Keras draws them."""
    modules = dict(model.named_modules())
    image = keras.Input((shape[1], shape[2], shape[0]), name="image")
    keep = keras.Input((blocks,), name="keep") if blocks else None
    inputs = image if keep is None else [image, keep]
    values: dict[fx.Node, Any] = {}
    places: dict[str, Place] = {}
    called: set[str] = set()
    outputs = None
    for node in graph.nodes:
        try:
            match node.op:
                case "placeholder":
                    values[node] = image
                case "output":
                    outputs = values[node.args[0]]
                case "call_module" if isinstance(modules[str(node.target)], DropPath):
                    x = values[node.args[0]]
                    values[node] = x if keep is None else _drop_path(model, node, x, keep)
                case "call_module":
                    values[node] = _part(modules, node, values, places, called)
                case _:
                    values[node] = _function(node, values)
        except NoTwin as fault:
            raise StudyError(_words(name, node, modules, fault)) from None
        except (TypeError, ValueError) as error:  # Keras's own, over many lines
            first = str(error).strip().partition("\n")[0]
            raise StudyError(_words(name, node, modules, NoTwin(first))) from None
    counts = [key for key in model.state_dict() if key.rpartition(".")[2] == COUNTS]
    _check_called(name, model, {*places, *counts})
    ordered = {key: places[key] for key in model.state_dict() if key not in counts}
    scope = name.replace(":", ".")  # of someone's own model; TensorFlow takes no colon
    return Twin(keras.Model(inputs, outputs, name=scope), ordered, counts, blocks)


def _check_called(name: str, model: nn.Module, known: Collection[str]) -> None:
    """StudyError if a tensor of a model is in no part that its forward calls."""
    for key in model.state_dict():
        if key not in known:
            layer = key.rpartition(".")[0]
            kind = type(model.get_submodule(layer)).__name__
            part = f"layer {layer} is a {kind} that is never called"
            raise StudyError(f"model {name} has no twin: {part}; allowed: layers that are called")


def _part(
    modules: Mapping[str, nn.Module],
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    places: dict[str, Place],
    called: set[str],
) -> Any:
    """What the Keras layers of a part of the model return; notes where its tensors are.

    called: names of the parts called before, which gets this one's.
    """
    target = str(node.target)
    module = modules[target]
    if type(module) not in PARTS:
        raise NoTwin("")
    if target in called:
        raise NoTwin("a second call", "a layer for each call")
    called.add(target)
    part = PARTS[type(module)](module, target.replace(".", "-"))
    x = values[node.args[0]]  # type: ignore[index]
    for layer in part.layers:
        x = layer(x)
    for own, place in part.places.items():
        places[f"{target}.{own}"] = place
    return x


def _drop_path(model: nn.Module, node: fx.Node, x: Any, keep: Any) -> Any:
    """A block's output times its column of the factors `keep`."""
    name = str(node.target)
    block = paths(model).index(model.get_submodule(name))  # type: ignore[arg-type]
    layer = layers.DropPath(block, name=name.replace(".", "-"), autocast=False)
    return layer([x, keep])


def _function(node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    """What a function between the parts returns."""
    if node.target not in FUNCTIONS:
        raise NoTwin("")
    args = [values[arg] if isinstance(arg, fx.Node) else arg for arg in node.args]
    return FUNCTIONS[node.target](node.name, *args, **node.kwargs)


def _words(name: str, node: fx.Node, modules: Mapping[str, nn.Module], fault: NoTwin) -> str:
    """Which part of a model has no twin, and which parts may be used."""
    if node.op == "call_module":
        part = f"layer {node.target} is a {type(modules[str(node.target)]).__name__}"
    else:
        part = f"{node.name} calls {getattr(node.target, '__name__', node.target)}"
    layers_allowed = ", ".join(sorted(kind.__name__ for kind in PARTS))
    names = sorted({getattr(kind, "__name__", str(kind)) for kind in FUNCTIONS})
    allowed = fault.allowed or f"layers {layers_allowed}; functions {', '.join(names)}"
    reason = f" with {fault}" if str(fault) else ""
    return f"model {name} has no twin: {part}{reason}; allowed: {allowed}"
