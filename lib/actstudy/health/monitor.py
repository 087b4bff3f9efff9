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

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
from actstudy.health.sites import activation_of, found_in, watched

OF_GRADIENTS = ("non_finite_gradient", "vanishing", "exploding", "gradient_norm", "update_ratio")
OF_ACTIVATIONS = ("non_finite", "dead", "dead_from_start", "saturated")


class Monitor:
    """Reads a model's health at each `every`-th step; `step` comes after the optimizer's, before gradients are cleared.

    sites: patterns of further modules that are activations, such as "*.act"; mirror: called with tag, value and step,
    as TensorBoard's `writer.add_scalar` is; facts: what findings may use (batch_size=32, optimizer="adamw", ...).
    A site's second call in a forward pass is a site of its own, `name#2`. On due steps compiled code is left alone and
    the model runs as it was written.
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
        self.model, self.every, self.mirror = getattr(model, "_orig_mod", model), every, mirror
        self.sites = found_in(self.model, sites)
        if not self.sites:
            warnings.warn(
                f"Monitor: {type(self.model).__name__} has no activation module that it could watch (functions such as "
                "F.relu leave none; sites=['*.act'] names modules of your own); parameters are read",
                stacklevel=2,
            )
        modules = list(self.model.modules())
        self.compiled = self.model is not model or any(
            m._compiled_call_impl is not None for m in modules
        )
        self._activations = {site: activation_of(module) for site, module in self.sites.items()}
        norms, kinds = (
            [m for m in modules if "Norm" in type(m).__name__],
            set(self._activations.values()),
        )
        known = {"norm": "some" if norms else "none"}
        if len(kinds) == 1:
            known["activation"] = kinds.pop() or "another"
        epsilons = [m.eps for m in norms if isinstance(getattr(m, "eps", None), float)]
        self.facts: dict[str, Any] = {
            **known,
            **({"norm_epsilon": min(epsilons)} if epsilons else {}),
            **facts,
        }
        self.rows: list[dict[str, Any]] = []
        self.number = 0
        self._undo: list[Callable[[], object]] = []
        self._armed = self._open = False
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
        """End a training step; loss: shown and judged; scale: that loss and gradients were multiplied with (fp16).

        With fp16, `scaler.unscale_(optimizer)` comes before the optimizer's step, as for clipping.
        """
        if self._armed and self._open:
            with self._survived():
                self._read(loss, scale)
        self._disarm()
        self.number += 1
        if self._open and self.number % self.every == 0:
            self._arm()

    def findings(self) -> list[rules.Finding]:
        """What health means so far, the worst first."""
        losses = [row for row in self.rows if row["probe"] == "loss"]
        curves = [
            {"step": row["step"], "split": "train", "metric": "loss", "value": row["value"]}
            for row in losses
        ]
        return rules.advise(self.rows, curves, self.facts)

    def check_gradients(self) -> list[rules.Finding]:
        """Findings on gradients: not finite, vanishing, exploding, norms and updates out of range."""
        return [finding for finding in self.findings() if finding.rule in OF_GRADIENTS]

    def check_activations(self) -> list[rules.Finding]:
        """Findings on activations: not finite, dead, saturated."""
        return [finding for finding in self.findings() if finding.rule in OF_ACTIVATIONS]

    def __str__(self) -> str:
        return rules.told(self.findings())

    def clip(
        self, to: float = 1.0, above: float | None = None, quantile: float | None = None
    ) -> Tensor:
        """The gradients' global norm; where it is above a threshold they are scaled to `to` (see Clipper)."""
        key = (to, above, quantile)
        if key not in self._clippers:
            self._clippers[key] = Clipper(*key)
        return self._clippers[key]([p.grad for p in self.model.parameters() if p.grad is not None])

    def write(self, file: Path, name: str = "monitor") -> None:
        """Write all rows so far as Parquet, in the columns of the table `health`; `name` stands for the run."""
        with store.replacing(Path(file)) as draft:
            pq.write_table(schema.table("health", name, self.rows), draft)

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        """Whatever a model may hold that cannot be read: its training goes on, and the watching ends."""
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
        self._seen: dict[str, dict[str, Tensor]] = {}
        self._calls: Counter[str] = Counter()
        self._passed_back = False
        self._update = probes.Update(
            {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        )
        self._inputs: dict[str, Tensor] = {}
        for name, module in self.sites.items():
            self._undo.append(
                module.register_forward_pre_hook(
                    partial(self._enters, name), with_kwargs=True
                ).remove
            )
            self._undo.append(module.register_forward_hook(partial(self._leaves, name)).remove)
        if self.compiled:  # whose code would not see the hooks
            stance = torch.compiler.set_stance("force_eager")
            self._undo.append(lambda: stance.__exit__(None, None, None))
        self._armed = True

    def _disarm(self) -> None:
        for undo in self._undo:
            undo()
        self._undo, self._armed = [], False

    def _enters(
        self, name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        pre = next(iter((*inputs, *named.values())), None)
        if isinstance(pre, Tensor) and watched(module, pre):
            self._inputs[name] = (
                pre.detach().clone() if getattr(module, "inplace", False) else pre.detach()
            )

    def _leaves(self, name: str, module: nn.Module, _: tuple[Any, ...], post: Any) -> None:
        pre = self._inputs.pop(name, None)
        if pre is None or not watched(module, post):
            return
        if self._passed_back:  # a new forward pass: of accumulated gradients the last part is read
            self._passed_back = False
            self._calls.clear()
        self._calls[name] += 1
        site = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
        found: dict[str, Tensor] = {}
        self._seen[site] = found
        with self._survived():
            found |= values.of_site(
                [self._activations[name]], values.by_unit(pre), values.by_unit(post)
            )

        def backward(gradient: Tensor) -> None:
            self._passed_back = True
            found["gradient_norm"] = values.norm(gradient[None])

        if post.requires_grad:
            post.register_hook(backward)

    def _read(self, loss: Tensor | float | None, scale: float) -> None:
        """Rows of this step, fetched in one transfer."""
        for found in self._seen.values():
            if "gradient_norm" in found:
                found["gradient_norm"] = found["gradient_norm"] / scale
        self._update.gradients()
        read = values.with_flow(self._seen) | self._update.values()
        for name, parameter in self._update.parameters.items():
            if name.rpartition(".")[2] == "logit_scale" and parameter.numel() == 1:
                read["model", "model", 0, "logit_scale"] = parameter.detach().exp().view(1)
        device = next(iter(read.values())).device if read else None
        if scale != 1.0:
            read["model", "model", 0, "loss_scale"] = torch.tensor([scale], device=device)
        if loss is not None:
            read["model", "model", 0, "loss"] = (
                torch.as_tensor(loss, device=device).detach().mean().view(1)
            )
        rows = values.rows(self.number, read, values.stacked(read))
        self.rows += rows
        if self.mirror is not None:
            for row in rows:
                self.mirror(
                    f"{row['kind']}/{row['name']}/{row['probe']}", row["value"], self.number
                )
