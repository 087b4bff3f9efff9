"""Health of any torch model in any loop: hooks on due steps only, one transfer a due step."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq
from torch import Tensor, nn

from actstudy.advice import report, rules
from actstudy.contract import schema, store
from actstudy.health import coverage, probes, values
from actstudy.health.clipping import Clipper
from actstudy.health.eager import eager
from actstudy.health.gradients import Gradients
from actstudy.health.guard import Guard, tell
from actstudy.health.passes import Passes
from actstudy.health.sites import facts_of, labels, unmatched

OF_GRADIENTS = (
    *("non_finite_gradient", "vanishing", "exploding", "gradient_norm"),
    *("updates_large", "updates_small"),
)
OF_ACTIVATIONS = ("non_finite", "dead", "dead_from_start", "saturated")
SCALED = (
    "fp16 and no scale in step(): gradients may be those of a scaled loss (gradient_norm_scaled)"
)


class Monitor:
    """Reads a model's health at each `every`-th step, and says what it has read.

    `step` comes after the optimizer's step. On due steps what is compiled runs as it was written.

    sites: patterns of further modules that are activations, such as "*.act"; mirror: called with
    tag, value and step, as TensorBoard's `writer.add_scalar` is; facts: what findings may use and
    a Monitor does not see: batch_size=32, clip=1.0 (if gradients are clipped by other code).
    A site's second call in a forward pass is a site of its own, `name#2`.
    `coverage` holds what was read and what was not. What goes wrong while watching ends the
    watching with one warning, never the training.
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
        if isinstance(sites, str):
            raise ValueError(f"sites: got {sites!r}; allowed: a list of patterns, [{sites!r}]")
        self.every = every
        self.mirror = mirror
        self.facts = facts
        self.labels: dict[str, str] = {}  # place -> how findings call it
        self.rows: list[dict[str, Any]] = []
        self.steps_done = 0
        self._own_facts = frozenset(facts)
        self._guard = Guard()
        self.coverage = coverage.Coverage(self._guard)
        self._watching = ExitStack()
        self._armed = False
        self._open = False
        self._clippers: dict[tuple[float, float | None, float | None], Clipper] = {}
        self.model = model
        self._passes = Passes(model, sites, self._guard)
        self._guard(self._look)(sites)

    def _look(self, patterns: Sequence[str]) -> None:
        """Find the model's activations and the facts that its modules show."""
        self.model = getattr(self.model, "_orig_mod", self.model)
        self._passes.model = self.model
        self._passes.find()
        self.facts = {**facts_of(self.model), **self.facts}
        self.labels = labels(self.model)
        for pattern in unmatched(self.model, patterns):
            remark = f"sites: no module matches {pattern}"
            self.coverage.remarks[pattern] = remark
            tell(remark)

    @property
    def sites(self) -> dict[str, nn.Module]:
        """Name -> module of the activations that are modules."""
        return self._passes.sites

    def __enter__(self) -> Self:
        self._open = True
        self.coverage.was_opened = True
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._open = False
        self._disarm()

    def step(self, loss: Tensor | float | None = None, scale: float | None = None) -> None:
        """End a training step, after the optimizer's step.

        loss: reported and judged; scale: the factor by which the loss that went backward was
        larger (fp16: `scaler.get_scale()` before `scaler.update()`).
        """
        if not self.coverage.was_opened and not self.steps_done:
            tell("step() without `with Monitor(model) as health:`; nothing is read")
        if self._open or not self.coverage.was_opened:
            self.coverage.steps_seen += 1
        if self._armed and self._open:
            self._guard(self._read)(loss, scale)
        self._disarm()
        self.steps_done += 1
        if self._open and self.steps_done % self.every == 0:
            self._arm()

    def hear(self, outside: bool) -> None:
        """From now on see, on a due step, what is called outside of modules as well, or not."""
        frames = self._passes.frames
        self._guard(frames.open if outside and self._armed else frames.close)()

    def advice(self) -> rules.Advice:
        """What the health read so far means, with the readings that it rests on."""
        curves = []
        for row in self.rows:
            if row["probe"] == "loss":
                point = {"step": row["step"], "value": row["value"]}
                curves.append({**point, "split": "train", "metric": "loss"})
        return rules.examine(self.rows, curves, self.facts, self.labels)

    def findings(self) -> list[rules.Finding]:
        """What was found so far, the worst first, each with its consequences behind it."""
        return self.advice().findings

    def check_gradients(self) -> list[rules.Finding]:
        """Findings on gradients: not finite, vanishing, exploding; norms, updates out of range."""
        return [finding for finding in self.findings() if finding.rule in OF_GRADIENTS]

    def check_activations(self) -> list[rules.Finding]:
        """Findings on activations: not finite, dead, saturated."""
        return [finding for finding in self.findings() if finding.rule in OF_ACTIVATIONS]

    def __str__(self) -> str:
        """What was read and checked, the sites, and the findings or that there are none."""
        lines = [str(self.coverage), *self.coverage.nothing()]
        advice = self.advice()
        checked = report.checked(advice, self.labels) if self.rows else []
        verdict = report.in_lines(advice.findings) or self.coverage.nothing_found()
        return "\n".join([*lines, *checked, *verdict])

    def __repr__(self) -> str:
        """What was read and found, in a line."""
        verdict = report.in_brief(self.findings())
        return f"<Monitor of {type(self.model).__name__}: {self.coverage.in_brief()}; {verdict}>"

    def clip(
        self, to: float = 1.0, above: float | None = None, quantile: float | None = None
    ) -> Tensor:
        """The gradients' global norm; above a threshold they are scaled to `to` (see Clipper)."""
        key = (to, above, quantile)
        if key not in self._clippers:
            self._clippers[key] = Clipper(*key)
        if self._armed:
            self._guard(self._gradients.read_rest)(at_clip=True)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return self._clippers[key](gradients)

    def write(self, file: Path, name: str = "monitor") -> None:
        """Write all rows so far as Parquet, as in the table `health`; `name` is the run's."""
        with store.replacing(Path(file)) as draft:
            pq.write_table(schema.table("health", name, self.rows), draft)

    def _arm(self) -> None:
        self._disarm()
        if self._guard.fault is None:
            self._guard(self._watch)()
        if self._guard.fault is None:
            self._armed = True
        else:
            self._disarm()

    def _watch(self) -> None:
        """Set the hooks of a step that will be read."""
        trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._gradients = Gradients(trainable, self._guard)
        self._update = probes.Update(self._gradients.parameters)
        self._gradients.restart = self._update.restart
        self._watching.callback(self._update.before.clear)  # copies of the weights
        self._watching.enter_context(self._passes.watch(self._gradients.first))
        self._watching.enter_context(self._gradients.watch())
        self._watching.enter_context(eager())

    def _disarm(self) -> None:
        self._armed = False
        self._guard(self._watching.close)()

    def _read(self, loss: Tensor | float | None, scale: float | None) -> None:
        """Append the rows of this step, fetched in one transfer, and mirror them."""
        if self._guard.fault:
            return
        self._gradients.read_rest()
        rows = values.rows(self.steps_done, *self._stacked(loss, scale))
        self._note()
        self.coverage.note_updates(rows)
        rows = self.coverage.rows(self.steps_done) + rows
        self.rows += rows
        if self.mirror is None:
            return
        for row in rows:
            tag = f"{row['kind']}/{row['name']}/{row['probe']}"
            self.mirror(tag, row["value"], self.steps_done)

    def _stacked(
        self, loss: Tensor | float | None, scale: float | None
    ) -> tuple[list[values.Key], Tensor]:
        """The keys of all values of this step, and the values as one tensor."""
        suffix = ""
        if scale is None and self._passes.is_fp16:
            suffix = "_scaled"
            self.coverage.remarks["scale"] = SCALED
        read = self._passes.values.values(scale or 1.0, suffix)
        read |= self._gradients.values(scale or 1.0, suffix) | self._update.values()
        read |= self._passes.contrast.values()
        device = next(iter(read.values())).device if read else None
        reason = coverage.why_no_loss(loss)
        if reason:
            self.coverage.remarks["loss"] = reason
        read |= coverage.of_loss(None if reason else loss, scale, device)
        return list(read), values.stacked(read)

    def _note(self) -> None:
        """Add this step to the coverage, and what its calls show to the facts."""
        covered = self.coverage
        covered.steps_read += 1
        covered.activations.note(self._passes.values.probes, self._passes.not_read())
        covered.gradients.note(self._gradients.names_read(), self._gradients.not_read())
        covered.moment = self._gradients.moment()
        covered.remarks |= self._passes.values.remarks() | self._passes.contrast.remarks()
        if covered.steps_read == 1:
            for line in covered.nothing():
                tell(line)
        seen = self._passes.facts() | self._gradients.facts()
        if self._clippers:
            seen["clip"] = True
        self.facts |= {name: fact for name, fact in seen.items() if name not in self._own_facts}
