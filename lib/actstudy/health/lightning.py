"""The Monitor in Lightning: a callback for any LightningModule, or a mixin for your own."""

from typing import Any, ClassVar

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from actstudy.health.monitor import Monitor


class HealthCallback(Callback):
    """For a Trainer: `callbacks=[HealthCallback(every=100)]`.

    `health` is the Monitor of the model in training. A step is one of the optimizer: of accumulated
    batches the last one ends it. What `training_step` calls outside of modules is seen, too.

    clip_above: gradients whose global norm is above it are scaled to norm 1, before whatever the
    Trainer clips; settings: of the Monitor.
    """

    def __init__(self, clip_above: float | None = None, **settings: Any) -> None:
        self.clip_above = clip_above
        self.settings = settings
        self.health: Monitor

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        clip = getattr(trainer, "gradient_clip_val", None)
        settings = {"clip": clip, **self.settings} if clip else self.settings
        self.health = Monitor(pl_module, **settings).__enter__()
        self._steps = trainer.global_step
        self._scale = 1.0

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.health.hear(outside=True)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self.health.hear(outside=False)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler:
            self._scale = scaler.get_scale()  # it changes in the optimizer's step
        if self.clip_above is not None:
            self.health.clip(1.0, above=self.clip_above)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.health.hear(outside=False)
        if trainer.global_step != self._steps:
            self._steps = trainer.global_step
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            self.health.step(loss, self._scale)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.health.__exit__(None, None, None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if hasattr(self, "health"):
            self.health.__exit__(None, None, None)


class HealthMixin:
    """Adds the callback with `health_settings`; stands before LightningModule among the bases."""

    health_settings: ClassVar[dict[str, Any]] = {}

    def configure_callbacks(self) -> list[Callback]:
        self._health = HealthCallback(**self.health_settings)
        return [*super().configure_callbacks(), self._health]  # type: ignore[misc]

    @property
    def health(self) -> Monitor:
        """The Monitor of the last training."""
        return self._health.health
