"""The probes of all sites in one training step of a model that is not ours."""

import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from actstudy.health import coverage, sites, values
from actstudy.health.guard import Guard


class SiteValues:
    """Probes of calls of activations, and why others have none.

    A site's second call in a forward pass is a site of its own, `name#2`.
    """

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.activations: dict[str, str | None] = {}  # site -> its name if it is registered
        self.without_rule: dict[str, None] = {}  # sites of which no flat part is known
        self.heads: dict[str, None] = {}  # sites whose output is the model's
        self.no_axis: dict[str, None] = {}  # sites of which the axis of the units is not known
        self.short: dict[str, None] = {}  # sites with too few values for dead units
        self.reset()

    def reset(self, first: Tensor | None = None) -> None:
        """Begin a step; what is on another device than `first` is not read."""
        self.first = first
        self.input_nonfinite: list[Tensor] = []  # counts, (1,)
        self.probes: dict[str, dict[str, Tensor]] = {}  # site -> probe -> (1,)
        self.unread: dict[str, str] = {}  # site -> why it was not read
        self.is_repeated = False  # whether a site ran first in the backward pass
        self._calls: Counter[str] = Counter()
        self._passed_back = False
        self.units: sites.Units | None = None  # of what ran last
        self._posts: dict[str, weakref.ref[Tensor]] = {}  # site -> its output

    def read(
        self,
        name: str,
        module: nn.Module,
        pre: Tensor | None,
        post: Any,
        activation: str | None = None,
        kind: str = "",
    ) -> None:
        """Read a call of an activation in a module.

        activation: its name if it is registered; kind: else the name of its function or class.
        """
        reason = self._why_unread(module, pre, post)
        if reason or pre is None:
            self.unread[name] = reason or coverage.NO_TENSOR
            return
        if self._is_old(name):
            return
        self._calls[name] += 1
        count = self._calls[name]
        self.activations[name] = activation
        with torch._C.DisableTorchFunction():  # calls of our own are not listened to
            probes = self._probes(name, kind, pre, post)
        site = name if count == 1 else f"{name}#{count}"
        self.probes[site] = probes
        self._posts[site] = weakref.ref(post)

        def backward(gradient: Tensor) -> None:
            self._passed_back = True
            probes["gradient_norm"] = values.norm(gradient[None])

        if post.requires_grad:
            post.register_hook(self.guard(backward))

    def read_output(self, output: Any) -> None:
        """Leave out the saturation of sites whose output, or a view of it, is the model's."""
        tensors = [x for x in tree_leaves(output) if isinstance(x, Tensor)]
        outputs = {id(x) for x in tensors} | {id(x._base) for x in tensors if x._is_view()}
        for site, post in self._posts.items():
            if id(post()) in outputs:
                self.probes[site].pop("saturated_fraction", None)
                self.heads[site] = None

    def read_input(self, module: nn.Module, inputs: Iterable[Any]) -> None:
        """Count what is not finite in the input of the whole model."""
        with torch._C.DisableTorchFunction():
            for x in inputs:
                if self._why_unread(module, x) is None:
                    self.input_nonfinite.append((x.detach() * 0 != 0).sum().double().view(1))

    def _is_old(self, name: str) -> bool:
        """Whether gradient checkpointing repeats a call that was read."""
        if torch._C._current_graph_task_id() != -1:
            if self._calls[name] and not self.is_repeated:
                return True
            self.is_repeated = True
        elif self._passed_back:  # a new pass: of accumulated gradients the last part is read
            self._passed_back = False
            self._calls.clear()
        return False

    def _why_unread(self, module: nn.Module, *tensors: Any) -> str | None:
        """Why a call is not read; None if it belongs to training and is of ordinary numbers."""
        if not module.training:
            return coverage.EVAL
        if not torch.is_grad_enabled():
            return coverage.NO_GRAD
        for x in tensors:
            if not isinstance(x, Tensor):
                return f"{coverage.NO_TENSOR} ({type(x).__name__})"
            reason = coverage.why_unread(x, self.first)
            if reason:
                return reason
        return None

    def _probes(self, name: str, kind: str, pre: Tensor, post: Tensor) -> dict[str, Tensor]:
        axis = self.units.axis_in(pre) if self.units and pre.ndim == post.ndim > 2 else None
        is_unknown = post.ndim == 3 and axis is None
        pre = values.by_unit(pre, axis)
        post = values.by_unit(post.detach(), axis)
        activation = self.activations[name]
        probes = values.of_site([activation], pre, post)
        if is_unknown:
            del probes["dead_fraction"]
            self.no_axis[name] = None
        elif post.shape[1] < values.MIN_UNIT_VALUES:
            self.short[name] = None
        if activation is None:
            is_known, flat = sites.flat_part(kind)
            if not is_known:
                self.without_rule[name] = None
            if flat:
                share = flat(pre, post).flatten(1).double().mean(1)
                probes["saturated_fraction"] = share
        return probes

    def values(self, scale: float, suffix: str) -> values.Values:
        """All probes, gradients divided by `scale`, their norms named with a suffix.

        The flow ratio is there if it compares two sites that ran in their order.
        """
        norms = [site["gradient_norm"] for site in self.probes.values() if "gradient_norm" in site]
        read: values.Values = {}
        for key, value in values.with_flow(self.probes).items():
            kind, name, index, probe = key
            if probe == "gradient_norm":
                read[kind, name, index, probe + suffix] = value / scale
            elif probe != "flow_ratio" or (len(norms) > 1 and not self.is_repeated):
                read[key] = value
        if self.input_nonfinite:
            read["model", "model", 0, "input_nonfinite"] = torch.stack(self.input_nonfinite).sum(0)
        return read

    def remarks(self) -> dict[str, str]:
        """What limits the reading of the sites so far."""
        remarks = {}
        if self.without_rule:
            remarks["flat"] = f"saturation not judged, no rule: {_counted(self.without_rule)}"
        if self.heads:
            remarks["heads"] = f"output of the model, saturation not judged: {_counted(self.heads)}"
        if self.no_axis:
            sites_text = _counted(self.no_axis)
            remarks["axis"] = f"dead units not judged, unit axis not known: {sites_text}"
        if self.short:
            limit = f"under {values.MIN_UNIT_VALUES} values per unit"
            remarks["short"] = f"dead units not judged, {limit}: {_counted(self.short)}"
        if self.is_repeated:
            remarks["flow"] = "no flow ratio, as sites ran first in the backward pass"
        return remarks


def _counted(names: Iterable[str]) -> str:
    """`2 sites: act` of the names of sites."""
    names = list(names)
    return f"{len(names)} site{'s' if len(names) > 1 else ''}, {names[0]}"
