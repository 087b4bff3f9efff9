"""What a training step shows of a contrastive loss: its scale, its pairs, its normalisations."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.health.calls import Seen
from actstudy.health.tracing import Traces
from actstudy.health.values import Values
from actstudy.losses import ContrastiveLoss, similarities

LARGEST_LOGARITHM = 10.0  # a logit_scale above it is no logarithm: e^10 is 22,026
GUESSED = "logit_scale: its use was not seen; read as a logarithm, or as it is above 10"
UNSEEN = "no normalisation of features seen; code outside of a module's forward is not"


class Contrast:
    """The scales, pairs and normalisations of one step.

    Scales are those of parameters called logit_scale, as they are used, of ContrastiveLoss, and
    numbers that multiply or divide products of normalised features.
    """

    def __init__(self) -> None:
        self.fault = ""  # what went wrong; nothing is traced from then on
        self.facts: dict[str, Any] = {}  # what findings may use
        self.reset(nn.Identity())

    def reset(self, model: nn.Module, first: Tensor | None = None) -> None:
        """Begin a step of a model; what is read goes to the device of `first`."""
        self._first = first
        self.parameters: dict[str, nn.Parameter] = {}
        for name, parameter in model.named_parameters():
            if name.rpartition(".")[2] == "logit_scale" and parameter.numel() == 1:
                self.parameters[name] = parameter
            if name.rpartition(".")[2] == "logit_bias":
                self.facts["loss"] = "siglip"
        self.losses: dict[str, ContrastiveLoss] = {}  # those that ran
        self.traces = Traces(self.parameters)

    def enter(self, name: str, module: nn.Module, inputs: Sequence[Any]) -> None:
        """Note a ContrastiveLoss that is called, and of how many pairs."""
        if not isinstance(module, ContrastiveLoss):
            return
        self.losses[name] = module
        views = [x for x in inputs if isinstance(x, Tensor) and x.ndim == 2]
        if views:
            self.traces.n_pairs = max(self.traces.n_pairs, len(views[0]))

    def see(self, modules: Iterable[nn.Module], place: str, call: Seen) -> None:
        """Note a call of a function at a place in modules; a fault ends the tracing."""
        if self.fault or type(call.result) is not Tensor or call.result.dtype is torch.bool:
            return
        if any(map(is_bounded, modules)):
            return
        try:
            with torch.no_grad(), torch._C.DisableTorchFunction():
                self.traces.see(place, call)
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}".splitlines()[0]

    def values(self) -> Values:
        """Scales, and of each place that divides by a norm its smallest divisor and that of 0."""
        read: Values = {}
        scales = self._scales()
        for index, (name, scale) in enumerate(scales.items()):
            place = name if len(scales) > 1 else "model"
            read["model", place, index, "logit_scale"] = scale
        places = list(dict.fromkeys(division.place for division in self.traces.divisions))
        for index, place in enumerate(places):
            parts = [division for division in self.traces.divisions if division.place == place]
            for probe in ("divisor", "floor"):
                smallest = torch.stack([getattr(part, probe) for part in parts]).amin()
                read["normalisation", place, index, probe] = smallest
        self._note_facts(scales)
        device = None if self._first is None else self._first.device
        return {key: value.detach().reshape(1).to(device) for key, value in read.items()}

    def remarks(self) -> dict[str, str]:
        """What limits the reading of the step."""
        remarks = {}
        if any(self._use(name) is None for name in self.parameters):
            remarks["scale of logits"] = GUESSED
        if self.fault:
            remarks["traces"] = f"scales and normalisations not read: {self.fault}"
        elif self.facts.get("contrastive") and not (self.traces.divisions or self.losses):
            remarks["normalisation"] = UNSEEN
        return remarks

    def _use(self, name: str) -> Tensor | None:
        """A logit_scale as it was used; None if that was not seen."""
        scale = self.traces.scales.get(name)
        return self.traces.exponentials.get(name) if scale is None else scale

    def _scales(self) -> dict[str, Tensor]:
        """Name of a parameter or loss -> its scale; that of a number only if there is no other."""
        scales: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            use = self._use(name)
            scales[name] = assumed(parameter.detach()) if use is None else use
        for name, loss in self.losses.items():
            scales[name] = loss.logit_scale
        if not scales and "" in self.traces.scales:
            scales["number"] = self.traces.scales[""]
        return scales

    def _note_facts(self, scales: dict[str, Tensor]) -> None:
        """Add what this step shows to the facts."""
        if self.traces.n_pairs:
            self.facts["contrastive"] = True
            self.facts["pairs"] = self.traces.n_pairs
        parameters = list(self.parameters.values())
        parameters += [loss.log_scale for loss in self.losses.values()]
        if scales:
            is_learnt = any(parameter.requires_grad for parameter in parameters)
            self.facts["learns_scale"] = is_learnt or self.traces.learns_number
        for loss in self.losses.values():
            similarity = loss.loss.similarity.__name__
            self.facts["loss"] = similarity if loss.bias is None else "siglip"


def is_bounded(module: nn.Module) -> bool:
    """Whether a module is a loss whose gradient is bounded for whatever norm its features have."""
    if not isinstance(module, ContrastiveLoss):
        return False
    return module.eps is None and module.loss.unit is similarities.unit


def assumed(parameter: Tensor) -> Tensor:
    """The scale that a parameter means whose use was not seen."""
    return torch.where(parameter > LARGEST_LOGARITHM, parameter, parameter.exp())
