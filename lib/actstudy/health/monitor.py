"""Health of any torch model in any training loop: hooks on due steps only, one transfer a due step.

with Monitor(model, every=100) as health:
    for x, y in batches:
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        health.step(loss)
        optimizer.zero_grad()
print(health)
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from actstudy.advice import rules
from actstudy.contract import schema, store
from actstudy.health import probes, values
from actstudy.health.clipping import Clipper
from actstudy.health.sites import SiteHooks, find_sites

OF_GRADIENTS = ("non_finite_gradient", "vanishing", "exploding", "gradient_norm", "update_ratio")
OF_ACTIVATIONS = ("non_finite", "dead", "dead_from_start", "saturated")


class Monitor:
    """Reads a model's health at each `every`-th step.

    `step` comes after the optimizer's step, before gradients are cleared. On due steps the model
    runs as it was written, even if it is compiled.

    sites: patterns of further modules that are activations, such as "*.act"; mirror: called with
    tag, value and step, as TensorBoard's `writer.add_scalar` is; facts: what findings may use
    (batch_size=32, optimizer="adamw", ...).
    A site's second call in a forward pass is a site of its own, `name#2`.
    """

    def __init__(
        self,
        model: nn.Module,
        every: int = 100,
        sites: Sequence[str] = (),
        mirror: Callable[[str, float, int], object] | None = None,
        **facts: Any,
    ) -> None:
        if every < 1:
            raise ValueError(f"every: got {every}; allowed: 1 or more steps")
        self.model: nn.Module = getattr(model, "_orig_mod", model)
        self.every = every
        self.mirror = mirror
        self.compiled = self.model is not model or any(
            module._compiled_call_impl is not None for module in self.model.modules()
        )
        self.sites = find_sites(self.model, sites)
        if not self.sites:
            warnings.warn(
                f"Monitor: {type(self.model).__name__} has no activation module that it could "
                "watch (functions such as F.relu leave none; sites=['*.act'] names modules of your "
                "own); parameters are read",
                stacklevel=2,
            )
        self._hooks = SiteHooks(self.sites, self._survived)
        activations = set(self._hooks.activations.values())
        self.facts = {**facts_of(self.model, activations), **facts}
        self.rows: list[dict[str, Any]] = []
        self.steps_done = 0
        self._watching = ExitStack()
        self._armed = False
        self._open = False
        self._clippers: dict[tuple[float, float | None, float | None], Clipper] = {}

    def __enter__(self) -> Self:
        self._open = True
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._open = False
        self._disarm()

    def step(self, loss: Tensor | float | None = None, scale: float = 1.0) -> None:
        """End a training step.

        loss: reported and judged; scale: the factor of that loss and its gradients (fp16). With
        fp16, `scaler.unscale_(optimizer)` comes before the optimizer's step, as for clipping.
        """
        if self._armed and self._open:
            with self._survived():
                self._read(loss, scale)
        self._disarm()
        self.steps_done += 1
        if self._open and self.steps_done % self.every == 0:
            self._arm()

    def findings(self) -> list[rules.Finding]:
        """What the health read so far means, the worst first."""
        curves = []
        for row in self.rows:
            if row["probe"] == "loss":
                point = {"step": row["step"], "value": row["value"]}
                curves.append({**point, "split": "train", "metric": "loss"})
        return rules.advise(self.rows, curves, self.facts)

    def check_gradients(self) -> list[rules.Finding]:
        """Findings on gradients: not finite, vanishing, exploding; norms, updates out of range."""
        return [finding for finding in self.findings() if finding.rule in OF_GRADIENTS]

    def check_activations(self) -> list[rules.Finding]:
        """Findings on activations: not finite, dead, saturated."""
        return [finding for finding in self.findings() if finding.rule in OF_ACTIVATIONS]

    def __str__(self) -> str:
        return rules.format_findings(self.findings())

    def clip(
        self, to: float = 1.0, above: float | None = None, quantile: float | None = None
    ) -> Tensor:
        """The gradients' global norm; above a threshold they are scaled to `to` (see Clipper)."""
        key = (to, above, quantile)
        if key not in self._clippers:
            self._clippers[key] = Clipper(*key)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return self._clippers[key](gradients)

    def write(self, file: Path, name: str = "monitor") -> None:
        """Write all rows so far as Parquet, as in the table `health`; `name` is the run's."""
        with store.replacing(Path(file)) as draft:
            pq.write_table(schema.table("health", name, self.rows), draft)

    @contextmanager
    def _survived(self) -> Iterator[None]:
        """A model that cannot be read goes on training; the watching ends with a warning."""
        try:
            yield
        except Exception as error:
            if self._open:
                warnings.warn(
                    f"Monitor: reading failed, watching ends: {type(error).__name__}: {error}",
                    stacklevel=4,
                )
            self._open = False

    def _arm(self) -> None:
        trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._update = probes.Update(trainable)
        self._watching.enter_context(self._hooks.watch())
        if self.compiled:  # compiled code would not run the hooks
            self._watching.enter_context(torch.compiler.set_stance("force_eager"))
        self._armed = True

    def _disarm(self) -> None:
        self._watching.close()
        self._armed = False

    def _read(self, loss: Tensor | float | None, scale: float) -> None:
        """Append the rows of this step, fetched in one transfer, and mirror them."""
        rows = values.rows(self.steps_done, *self._stacked(loss, scale))
        self.rows += rows
        if self.mirror is None:
            return
        for row in rows:
            tag = f"{row['kind']}/{row['name']}/{row['probe']}"
            self.mirror(tag, row["value"], self.steps_done)

    def _stacked(
        self, loss: Tensor | float | None, scale: float
    ) -> tuple[list[values.Key], Tensor]:
        """The keys of all values of this step, and the values as one tensor."""
        for site in self._hooks.probes.values():
            if "gradient_norm" in site:
                site["gradient_norm"] = site["gradient_norm"] / scale
        self._update.gradients()
        read = values.with_flow(self._hooks.probes) | self._update.values()
        for name, parameter in self._update.parameters.items():
            if name.rpartition(".")[2] == "logit_scale" and parameter.numel() == 1:
                read["model", "model", 0, "logit_scale"] = parameter.detach().exp().view(1)
        device = next(iter(read.values())).device if read else None
        if scale != 1.0:
            read["model", "model", 0, "loss_scale"] = torch.tensor([scale], device=device)
        if loss is not None:
            mean = torch.as_tensor(loss, device=device).detach().mean()
            read["model", "model", 0, "loss"] = mean.view(1)
        return list(read), values.stacked(read)


def facts_of(model: nn.Module, activations: set[str | None]) -> dict[str, Any]:
    """What findings may use of a model: whether it has norms, their epsilon, its one activation."""
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    facts: dict[str, Any] = {"norm": "some" if norms else "none"}
    if len(activations) == 1:
        (activation,) = activations
        facts["activation"] = activation or "another"
    epsilons = []
    for module in norms:
        epsilon: Any = getattr(module, "eps", None)
        if isinstance(epsilon, float):
            epsilons.append(epsilon)
    if epsilons:
        facts["norm_epsilon"] = min(epsilons)
    return facts
