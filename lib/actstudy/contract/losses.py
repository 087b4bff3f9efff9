"""The contrastive losses that a run may name, read from their files so that planning needs no torch.

Those of `losses.py`, and of `unstable_losses.py` what these mend, as controls.
"""

from typing import Any

from actstudy.contract import errors, registry

STABLE = ("losses.py", "LOSSES")
UNSTABLE = ("unstable_losses.py", "TWINS")


def names() -> list[str]:
    """All losses, the stable ones first."""
    return [*registry.arguments(*STABLE), *registry.arguments(*UNSTABLE)]


def check_name(name: str) -> str:
    """The name of a loss; else StudyError with the nearest one."""
    return errors.check_name(name, "loss", names())


def arguments(name: str) -> dict[str, Any]:
    """The arguments of a loss, all numbers, with their defaults."""
    return {**registry.arguments(*UNSTABLE), **registry.arguments(*STABLE)}[name]
