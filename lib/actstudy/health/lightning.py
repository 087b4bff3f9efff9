"""The Monitor in Lightning: a callback for any LightningModule, or a mixin for your own."""

from typing import Any, ClassVar

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from actstudy.health.monitor import Monitor


class HealthMixin:
    """For a LightningModule, before it among the bases; `health` is its Monitor, made with `health_settings`."""

    health_settings: ClassVar[dict[str, Any]] = {}
    health: Monitor

    def on_train_start(self) -> None:
        self.health = Monitor(self, **self.health_settings).__enter__()  # type: ignore[arg-type]
        _parents(self, "on_train_start")

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.health.step(_loss(outputs))
        _parents(self, "on_train_batch_end", outputs, batch, batch_idx)

    def on_train_end(self) -> None:
        self.health.__exit__(None, None, None)
        _parents(self, "on_train_end")


class HealthCallback(Callback):
    """For a Trainer: `callbacks=[HealthCallback(every=100)]`; `health` is the Monitor of the model in training."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.health: Monitor

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.health = Monitor(pl_module, **self.settings).__enter__()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.health.step(_loss(outputs))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.health.__exit__(None, None, None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if hasattr(self, "health"):
            self.health.__exit__(None, None, None)


def _loss(outputs: Any) -> Any:
    """The loss that `training_step` returned, alone or under its name."""
    return outputs.get("loss") if isinstance(outputs, dict) else outputs


def _parents(module: Any, hook: str, *arguments: Any) -> None:
    """Call what the classes behind the mixin have under the same name."""
    getattr(super(HealthMixin, module), hook)(*arguments)
