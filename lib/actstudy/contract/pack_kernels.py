"""Which runs of packs the kernel trains: by their specs alone, as it is part of what they mean."""

from actstudy.contract import registry
from actstudy.contract.spec import RunSpec

MAX_UNITS = 128  # of a hidden layer
MAX_EXAMPLES = 128  # of a batch


def why_not(spec: RunSpec) -> str | None:
    """The reason for which a run is not one for `training/pack_kernel`; None if it is one."""
    for name, values in {"engine": ("pack",), "precision": ("tf32", "bf16")}.items():
        if getattr(spec, name) not in values:
            return f"{name} {getattr(spec, name)}"
    if spec.norm != "none":
        return f"norm {spec.norm}"
    if spec.dropout:
        return f"dropout {spec.dropout:g}"
    if spec.batch_size > MAX_EXAMPLES:
        return f"batch_size {spec.batch_size}, above {MAX_EXAMPLES}"
    widths = set(spec.hidden or [spec.width or 0])
    if len(widths) > 1 or max(widths) > MAX_UNITS:
        return f"hidden layers of different widths, or above {MAX_UNITS}"
    if not isinstance(spec.activation, str):
        return "activations that differ by layer"
    if spec.activation not in registry.literal("training/pack_formulas.py", "NAMES"):
        return f"activation {spec.activation}, which it has not"
    edited = [piece for piece in spec.code if not piece.startswith(("init ", "data/"))]
    return f"own code of {edited[0]}" if edited else None
