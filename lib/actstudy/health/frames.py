"""Which modules run in a thread, and from when to when its calls of functions are listened to."""

import threading
from dataclasses import dataclass, field

from torch import Tensor, nn

from actstudy.health import calls
from actstudy.health.calls import Call, Listener


@dataclass
class Frame:
    """A module while it runs.

    x, pre: its input, and a copy if it may be overwritten, if the module may be an activation;
    calls: those it made itself.
    """

    name: str
    module: nn.Module
    in_site: bool
    x: Tensor | None = None
    pre: Tensor | None = None
    calls: list[Call] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Its name; of the whole model, that of its class."""
        return self.name or type(self.module).__name__


class Frames:
    """The modules that run, and whether the listener hears this thread's calls.

    It hears those in modules, and all others from `open` to `close`.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.reset()

    def reset(self) -> None:
        """Begin a step."""
        self._of_thread = threading.local()

    @property
    def stack(self) -> list[Frame]:
        """The modules that run in this thread, the outermost first."""
        if not hasattr(self._of_thread, "stack"):
            self._of_thread.stack = []
        stack: list[Frame] = self._of_thread.stack
        return stack

    @property
    def is_open(self) -> bool:
        """Whether calls outside of modules are heard."""
        return getattr(self._of_thread, "is_open", False)

    def open(self) -> None:
        """Hear what this thread calls outside of modules, too."""
        if not self.is_open:
            self._of_thread.is_open = True
            calls.listen(self.listener)

    def close(self) -> None:
        """Hear calls in modules only."""
        if self.is_open:
            self._of_thread.is_open = False
            calls.unlisten(self.listener)

    def listen(self) -> None:
        """Hear the calls of the outermost module."""
        if not self.is_open:
            calls.listen(self.listener)

    def unlisten(self) -> None:
        """The outermost module has ended."""
        if not self.is_open:
            calls.unlisten(self.listener)
