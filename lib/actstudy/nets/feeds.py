"""Which activation feeds each weight, read from the autograd graph of one training pass.

A weight is fed by a site if the site's output reaches a product with the weight without passing
another weight, a norm, or an average. Sums, dropout, max-pools and reshapes pass an output on.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.errors import StudyError

Node = Any  # of the autograd graph; its next_functions lead towards the inputs
SUM = re.compile(r"(Add|Sub|Rsub|Cat|Stack|Where)Backward\d*")
SCALING = re.compile(r"(Mul|Div)Backward\d*")
REDUCED = re.compile(r"Norm|Mean|AvgPool|Softmax")  # its scale is no longer that of its input


def feeds(
    model: nn.Module, sites: Mapping[str, nn.Module], loss: Callable[[], Tensor], drawn: set[str]
) -> dict[str, set[str]]:
    """Name of each matrix that takes part in the loss -> the sites that feed it.

    loss: a pass of the model; drawn: names of parameters that are weights also where they only
    scale. StudyError if a site is never called.
    """
    with _as_before(model):
        end, site_of = _pass(sites, loss)
    names = {parameter: name for name, parameter in model.named_parameters()}
    nodes = _inputs_first(end)
    alone = _parameters_alone(nodes, names, site_of)
    factors: dict[Node, set[str]] = {}
    fed: dict[str, set[str]] = {}
    for node in nodes:
        factors[node] = _factors(node, alone, drawn)
        for name in alone[node] or ():
            fed[name] = set()
    for node, weights in factors.items():
        data = [parent for parent in _parents(node) if alone[parent] is None]
        for name in weights:
            fed[name] |= _sources(data, site_of, factors)
    return fed


@contextmanager
def _as_before(model: nn.Module) -> Iterator[None]:
    """The model's buffers and torch's generator are as before when the block is left."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        yield
    for buffer, before in buffers:
        buffer.copy_(before)


def _pass(
    sites: Mapping[str, nn.Module], loss: Callable[[], Tensor]
) -> tuple[Node, dict[Node, str]]:
    """The graph's last node, and the node of each output of a site."""
    site_of: dict[Node, str] = {}
    called = set()
    hooks = []
    for site, module in sites.items():

        def note(_module: nn.Module, _inputs: Any, output: Tensor, site: str = site) -> None:
            called.add(site)
            site_of[output.grad_fn] = site

        hooks.append(module.register_forward_hook(note))
    try:
        end = loss().grad_fn
    finally:
        for hook in hooks:
            hook.remove()
    for site in sites:
        if site not in called:
            raise StudyError(f"activation: site {site!r} is made and the model never calls it")
    return end, site_of


def _parents(node: Node) -> list[Node]:
    return [parent for parent, _ in node.next_functions if parent is not None]


def _inputs_first(end: Node) -> list[Node]:
    """All nodes of a graph, each after its parents."""
    order = dict[Node, None]()
    entered = set()
    stack = [end] if end is not None else []
    while stack:
        node = stack[-1]
        if node in entered:
            order[stack.pop()] = None
            continue
        entered.add(node)
        stack += [parent for parent in _parents(node) if parent not in entered]
    return list(order)


def _parameters_alone(
    nodes: list[Node], names: Mapping[nn.Parameter, str], site_of: Mapping[Node, str]
) -> dict[Node, set[str] | None]:
    """Node -> the matrices that it is made of, None if data are in it too."""
    alone: dict[Node, set[str] | None] = {}
    for node in nodes:
        alone[node] = None
        variable = getattr(node, "variable", None)
        if variable is not None:
            if variable in names:
                alone[node] = {names[variable]} if variable.ndim >= 2 else set()
        elif node not in site_of and "Embedding" not in node.name():
            alone[node] = _joined([alone[parent] for parent in _parents(node)])
    return alone


def _joined(parts: list[set[str] | None]) -> set[str] | None:
    """All names of some sets; None if one of them is None."""
    names: set[str] = set()
    for part in parts:
        if part is None:
            return None
        names |= part
    return names


def _factors(node: Node, alone: Mapping[Node, set[str] | None], drawn: set[str]) -> set[str]:
    """The matrices that are multiplied with data at a node."""
    if alone[node] is not None or SUM.fullmatch(node.name()):
        return set()
    weights: set[str] = set()
    for parent in _parents(node):
        weights |= alone[parent] or set()
    return weights & drawn if SCALING.fullmatch(node.name()) else weights


def _sources(
    starts: list[Node], site_of: Mapping[Node, str], factors: Mapping[Node, set[str]]
) -> set[str]:
    """The sites whose outputs reach some nodes without passing a weight or a reduction."""
    sources = set()
    seen = set()
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in site_of:
            sources.add(site_of[node])
        elif not factors[node] and not REDUCED.search(node.name()):
            stack += _parents(node)
    return sources
