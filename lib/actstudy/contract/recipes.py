"""Which version of the meaning of training a run has."""

from actstudy.contract import pack_kernels
from actstudy.contract.spec import RECIPE, RunSpec

# Task, precision -> that of runs whose meaning alone has changed since; raising RECIPE empties it.
RECIPES = {("contrastive", name): 2 for name in ("tf32", "bf16", "fp16")}  # scored in float32
# Activations whose slope follows from their value, which the next layer needs anyway.
SLOPE_FROM_VALUE = ("relu", "tanh", "sigmoid", "identity")


def why_no_kernels(spec: RunSpec) -> str | None:
    """The reason for which a run has no kernels of nets/kernels on a GPU; None if it has them."""
    for name, value in {"task": "lm", "engine": "compiled", "precision": "bf16"}.items():
        if getattr(spec, name) != value:
            return f"{name} {getattr(spec, name)}"
    if spec.model is not None:
        return f"model {spec.model}"
    if spec.label_smoothing:
        return f"label_smoothing {spec.label_smoothing:g}"
    return "strict" if spec.strict else None


def recomputes(spec: RunSpec) -> bool:
    """Whether a GPU computes what activations were given again, rather than keep and write it."""
    if (spec.task, spec.model, spec.engine, spec.precision) != ("vision", None, "compiled", "bf16"):
        return False
    choice = spec.activation
    names = [choice] if isinstance(choice, str) else [name for _, name in choice]
    return not set(names) <= set(SLOPE_FROM_VALUE)


def recipe_of(spec: RunSpec) -> int:
    """The version of the meaning of a run's training."""
    recipe = RECIPES.get((spec.task, spec.precision), RECIPE) + (why_no_kernels(spec) is None)
    recipe += recomputes(spec)
    # momentum in fp16: until then a step that the loss scale skipped spoilt it
    # (torch's alone, but runs that differ in their framework share a recipe)
    if spec.precision == "fp16" and spec.optimizer == "sgd":
        return recipe + (spec.momentum > 0)
    if spec.engine == "pack":
        # until then softplus in a pack changed how the values of its company were rounded
        recipe += spec.precision == "bf16"
        # until then dropout was part of the compiled code of a pack's activations
        recipe += spec.dropout > 0
    # until then all packs were trained layer by layer, evaluated so, then probed so
    return recipe + 3 * (pack_kernels.why_not(spec) is None)
