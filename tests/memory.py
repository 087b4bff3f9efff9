"""What a process remembers of the package's source files, for tests that edit copies of them."""

import sys
from pathlib import Path

from actstudy.contract import literals, nets, own, registry

ROOT = Path(__file__).parents[1]
READ = (
    literals.tree,
    literals.assignments,
    registry.literal,
    registry.entries,
    registry.arguments,
    registry.files,
    registry.task,
    registry.registered_dataset,
    nets.declared,
)


def forget(*more):
    """Read source files anew from now on; more: further functions with a cache."""
    for function in (*READ, *more):
        function.cache_clear()


def forget_own_modules():
    """No module of somebody's own is imported any more, whichever test has written it."""
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or __file__)
        if own.is_own(file) and ROOT not in file.parents:
            del sys.modules[name]
