"""The contrastive losses that a run may name, read from their files: planning needs no torch.

Those of `losses/__init__.py`, and of `losses/unstable.py` twins without what keeps them finite.
"""

from math import comb
from typing import Any

from actstudy.contract import errors, registry

FILE = "losses/__init__.py"
TWINS = ("losses/unstable.py", "TWINS")


def names() -> list[str]:
    """All losses, the stable ones first."""
    return [*stable(), *registry.entries(*TWINS, "of")]


def stable() -> list[str]:
    """The losses that stay finite."""
    return list(registry.arguments(FILE, "LOSSES"))


def check_name(name: str) -> str:
    """The name of a loss; else StudyError with the nearest one."""
    return errors.check_name(name, "loss", names())


def base(name: str) -> str:
    """The loss itself, or the one that a twin is of."""
    return str(registry.entries(*TWINS, "of").get(name, name))


def arguments(name: str) -> dict[str, Any]:
    """The arguments of a loss, all numbers, with their defaults; a twin lacks some."""
    lacks = registry.entries(*TWINS, "lacks").get(name) or ()
    own = registry.arguments(FILE, "LOSSES")[base(name)]
    known = {**registry.literal(FILE, "ARGS"), **own}
    return {argument: value for argument, value in known.items() if argument not in lacks}


def axes_of_logits(name: str, views: int) -> int:
    """How often the batch size multiplies with itself in a loss's logits: 2, or once per view."""
    per_view = registry.entries(FILE, "LOSSES", "axis_per_view")[base(name)]
    return views if per_view else 2


def copies(name: str, views: int, clamps: bool) -> float:
    """Peak bytes of a step of a loss over those of one tensor of its logits, as a loss counts them.

    A twin counts as the loss that it is of, though some of its own tensors are (B, .., B, D).
    """
    of_loss = base(name)
    fixed, each = registry.entries(FILE, "LOSSES", "copies")[of_loss]
    if registry.entries(FILE, "LOSSES", "pairwise")[of_loss]:
        n_pairs = comb(views, 2)
        return float(fixed + (each + clamps) * n_pairs)
    return float(fixed + each * views + clamps)
