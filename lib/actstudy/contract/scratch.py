"""The disk of a node, ACTSTUDY_SCRATCH, where jobs keep copies of what a slower storage holds."""

import os
from pathlib import Path

VARIABLE = "ACTSTUDY_SCRATCH"
COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # read by torch, which keeps Triton's kernels below it


def folder() -> Path | None:
    """This user's folder on the node's disk; None unless the variable names one."""
    place = os.environ.get(VARIABLE)
    return Path(place, f"actstudy-{os.getuid()}") if place else None


def keep_compiled_code() -> None:
    """Have torch keep what it compiles on the node's disk, unless it is to be elsewhere.

    To be called before torch compiles anything.
    """
    own = folder()
    if own is not None:
        os.environ.setdefault(COMPILED, str(own / "compiled"))
