"""What must hold between the fields of a run with a contrastive loss; every fault is one line."""

from typing import Any

from actstudy.contract import class_names, errors, losses, nets, own, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec

MAX_STEP_BYTES = 2**33  # of logits and all of their size that a step holds at its peak
BYTES = 4  # of a logit: float32
SWITCHES = ("learn_scale", "normalize")
ABOVE_ZERO = ("scale",)
NOT_BELOW_ZERO = ("max_scale", "eps", "clamp")
ALONE = {  # run field -> the value that it must have, and why
    "accumulate": (1, "as each example is compared with the whole batch"),
    "label_smoothing": (0.0, "as it is of classes"),
}


def check(spec: RunSpec, where: str) -> None:
    """StudyError if a run with views cannot be trained; nothing is said of other runs."""
    if spec.views is None or "views" not in registry.task(spec.task)["model_fields"]:
        return
    if own.is_path(spec.model):
        allowed = ", ".join(nets.names(spec.task))
        got = f"got {spec.model!r} for task {spec.task_name}"
        raise StudyError(f"{where}: model: {got}; allowed: {allowed}")
    nets.check(spec.task, spec.model, where)
    _check_views(spec, where)
    for name, (value, why) in ALONE.items():
        if getattr(spec, name) != value:
            got = f"got {getattr(spec, name)} for task {spec.task_name}"
            raise StudyError(f"{where}: {name}: {got}; allowed: {value}, {why}")
    if spec.batch_size < 2:
        got = f"got {spec.batch_size} for task {spec.task_name}"
        allowed = "at least 2, as each example is told from the others"
        raise StudyError(f"{where}: batch_size: {got}; allowed: {allowed}")
    if spec.loss:
        check_arguments(spec.loss, spec.loss_args, f"{where}: loss_args")
        _check_memory(spec, where)
    if nets.reads_names(spec) and not class_names.exist(spec.dataset):
        title = registry.dataset(spec.dataset)["title"]
        got = f"got {spec.model!r}, which reads class names, and {title} has none"
        raise StudyError(f"{where}: model: {got}; allowed: {_without_names(spec)}")


def _without_names(spec: RunSpec) -> str:
    """The models of a run's task that read no class names."""
    others = [name for name in nets.names(spec.task) if name != spec.model]
    return ", ".join(others)


def n_views(spec: RunSpec) -> int:
    """How many views a run's loss compares, the text among them."""
    return (spec.views or 0) + nets.reads_names(spec)


def _check_views(spec: RunSpec, where: str) -> None:
    """StudyError if a loss has nothing to compare, or equal things."""
    model = nets.of_run(spec)
    if n_views(spec) < 2:
        got = f"got {spec.views} with model {model}"
        raise StudyError(f"{where}: views: {got}; allowed: at least 2, or model dual")
    if (spec.views or 0) > 1 and spec.augment == "none":
        got = f"got 'none' with {spec.views} views, which would be equal"
        raise StudyError(f"{where}: augment: {got}; allowed: crop_flip, crop_flip_jitter")


def check_arguments(loss: str, args: dict[str, float], where: str) -> None:
    """StudyError if a loss lacks an argument, or one is out of its bounds."""
    known = losses.arguments(loss)
    for name, value in args.items():
        if name not in known:
            fault = f"got {name!r} for loss {loss}; {errors.choices(name, sorted(known))}"
            raise StudyError(f"{where}: {fault}")
        if name in SWITCHES and value not in (0, 1):
            raise StudyError(f"{where}.{name}: got {value:g}; allowed: 0, 1")
        if name in ABOVE_ZERO and value <= 0:
            raise StudyError(f"{where}.{name}: got {value:g}; allowed: greater than 0")
        if name in NOT_BELOW_ZERO and value < 0:
            raise StudyError(f"{where}.{name}: got {value:g}; allowed: at least 0")
    present: dict[str, Any] = {**known, **args}
    most = present.get("max_scale")
    if most and present["scale"] > most:
        got = f"got {present['scale']:g}; allowed: at most max_scale, {most:g}"
        raise StudyError(f"{where}.scale: {got}")


def _check_memory(spec: RunSpec, where: str) -> None:
    """StudyError if a loss's logits, of all combinations of a batch's samples, take too much."""
    loss = str(spec.loss)
    n = losses.axes_of_logits(loss, n_views(spec))
    copies = losses.copies(loss, n_views(spec), bool(spec.loss_args.get("clamp")))
    needed = int(BYTES * copies * spec.batch_size**n)
    if needed <= MAX_STEP_BYTES:
        return
    fits = int((MAX_STEP_BYTES / (BYTES * copies)) ** (1 / n))
    got = f"got {spec.batch_size}, of which {loss} makes {spec.batch_size}^{n} logits"
    fault = f"{got}, {needed:,} bytes in a step"
    allowed = f"at most {fits} with {n_views(spec)} views"
    raise StudyError(f"{where}: batch_size: {fault}; allowed: {allowed}")
