"""Which activation function should I use here, and can I trust the difference?

`load` reads the results of a study, `verdicts` and `ranks` judge anyone's numbers (docs/api.md).
They are imported when first used: the package itself starts at once, and needs no torch.
"""

import importlib
import time
from typing import Any

__version__ = "0.1.0"  # setuptools reads it here
__all__ = ["load", "ranks", "verdicts"]
STARTED = time.time()  # seconds since the epoch: the process's start, before all other imports
_MODULES = {
    "load": "actstudy.judging.results",
    "ranks": "actstudy.judging.ranks",
    "verdicts": "actstudy.judging.verdicts",
}


def __getattr__(name: str) -> Any:
    """What is imported late; the stub `__init__.pyi` has the types."""
    if name not in _MODULES:
        raise AttributeError(f"module 'actstudy' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
