"""Whether a run's model can be made: arguments, sizes and sites, checked without making it."""

import fnmatch
from typing import Any

from actstudy.contract import errors, nets, own, own_parameters, registry
from actstudy.contract.declarations import MODEL_FIELDS
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import DEFAULTS, RunSpec, names_in

MAX_SIZES = {  # more would not fit into memory
    "depth": 10_000,
    "width": 2**20,
    "vocabulary": 2**24,
    "context": 2**20,
    "batch_size": 2**24,
}
LIMITS = {  # (activation, argument) -> the bound that it must be above
    ("celu", "alpha"): 0,
    ("softplus", "beta"): 0,
    ("xielu", "alpha_p"): 0,
    ("xielu", "alpha_n"): 0.5,
}
FEED_FORWARD_NETS = ("transformer",)  # models whose activation may change the number of values


def check(spec: RunSpec, where: str) -> None:
    """StudyError if fields of the model, each allowed, do not go together."""
    nets.check(spec.task, spec.model, where)
    _check_feed_forward(spec, where)
    _check_dropout(spec, where)
    _check_arguments(spec, where)
    _check_sizes(spec, where)
    names = sites(spec)
    if names is not None:
        check_patterns(spec, names, where)


def sites(spec: RunSpec) -> list[str] | None:
    """The activation sites of a run's model, in order; None if only the model itself says them."""
    net = nets.of_run(spec)
    if net is None:
        return None
    return nets.sites(net, len(spec.hidden) if spec.hidden else spec.depth)


def activation_names(spec: RunSpec) -> list[str]:
    """The activations of a run: one, or those of a hybrid in order."""
    return names_in(spec.activation)


def check_patterns(spec: RunSpec, names: list[str], where: str) -> None:
    """StudyError unless every pattern of a hybrid matches a site, and every site a pattern."""
    if isinstance(spec.activation, str):
        return
    patterns = [pattern for pattern, _ in spec.activation]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            allowed = f"{errors.nearest(pattern, names)}allowed: {names[0]} to {names[-1]}"
            fault = f"got {pattern!r}, which matches no site; {allowed}"
            raise StudyError(f"{where}: activation: {fault}")
    for site in names:
        if not any(fnmatch.fnmatchcase(site, pattern) for pattern in patterns):
            fault = f"no pattern matches {site}; allowed: a pattern '*' at the end"
            raise StudyError(f"{where}: activation: {fault}")


def feed_forward_tasks() -> list[str]:
    """The tasks whose model takes activations of a feed-forward part."""
    return [task for task in registry.tasks() if nets.of_task(task) in FEED_FORWARD_NETS]


def _check_feed_forward(spec: RunSpec, where: str) -> None:
    """StudyError if an activation takes several values per unit in a model that gives it one."""
    if nets.of_run(spec) in FEED_FORWARD_NETS:
        return
    for name in activation_names(spec):
        if name in registry.feed_forward():
            got = f"got {name!r}, which acts in a Transformer's feed-forward part alone"
            allowed = f"allowed: task {' or '.join(feed_forward_tasks())} with its own model"
            raise StudyError(f"{where}: activation: {got}; {allowed}")


def _check_dropout(spec: RunSpec, where: str) -> None:
    """StudyError if alpha dropout follows another activation than SELU, or drops nothing."""
    if spec.dropout_kind == DEFAULTS["dropout_kind"]:
        return
    for name in activation_names(spec):
        if name != "selu":
            got = f"got {spec.dropout_kind!r} with activation {name}, whose lowest value it is not"
            raise StudyError(f"{where}: dropout_kind: {got}; allowed: plain, or activation selu")
    if not spec.dropout:
        got = f"got {spec.dropout_kind!r} with dropout 0"
        raise StudyError(f"{where}: dropout_kind: {got}; allowed: plain, or dropout above 0")


def _check_arguments(spec: RunSpec, where: str) -> None:
    names = activation_names(spec)
    policy = registry.init_policies()[spec.init]
    check_activation_args(names, spec.activation_args, f"{where}: activation_args")
    _check_known(f"{where}: init_args", spec.init_args, set(policy))
    init = {**policy, **spec.init_args}
    for name in ("std", "factor", "gain"):
        if init.get(name, 1) <= 0:
            got = f"got {init[name]}; allowed: greater than 0"
            raise StudyError(f"{where}: init_args.{name}: {got}")
    if "low" in init and init["low"] >= init["high"]:
        got = f"got {init['low']}; allowed: below high, {init['high']}"
        raise StudyError(f"{where}: init_args.low: {got}")


def check_activation_args(names: list[str], args: dict[str, float], where: str) -> None:
    """StudyError if none of some activations has an argument, or one is out of its bounds."""
    known: set[str] = set()
    for name in names:
        known.update(registry.activation_arguments(name))
    silent = [name for name in names if own.is_path(name) and own_parameters.of(name) is None]
    fix = "; to fix: write an __init__ with defaults, as it is inherited or computed"
    note = f"{fix}, in {', '.join(silent)}" if silent else ""
    _check_known(where, args, known, note)
    for (name, argument), limit in LIMITS.items():
        value = args.get(argument, limit + 1)
        if name in names and value <= limit:
            got = f"got {value} for {name}; allowed: greater than {limit}"
            raise StudyError(f"{where}.{argument}: {got}")
    if "rrelu" in names:
        slopes = {**registry.activation_arguments("rrelu"), **args}
        if slopes["lower"] > slopes["upper"]:
            allowed = f"allowed: at most upper, {slopes['upper']:g}"
            raise StudyError(f"{where}.lower: got {slopes['lower']:g} for rrelu; {allowed}")


def _check_known(where: str, arguments: dict[str, Any], known: set[str], note: str = "") -> None:
    """StudyError, with a note, if an argument is not known."""
    for name in arguments:
        if name not in known:
            allowed = errors.choices(name, sorted(known))
            raise StudyError(f"{where}: got {name!r}; {allowed}{note}")


def _check_fields(spec: RunSpec, uses: list[str], where: str) -> None:
    """StudyError if a run sets a field that its model does not use, or lacks one that it needs."""
    user = f"model {spec.model}" if spec.model else f"task {spec.task}"
    for name in MODEL_FIELDS:
        if name not in uses and getattr(spec, name) != DEFAULTS[name]:
            fault = f"set, but {user} has no use for it; allowed: {', '.join(uses) or 'none'}"
            raise StudyError(f"{where}: {name}: {fault}")
    for name in uses:
        absent = getattr(spec, name) is None and name != "hidden"
        replaced = name in ("depth", "width") and spec.hidden is not None
        if nets.is_optional(spec.model, name):
            continue
        if absent and not replaced:
            raise StudyError(f"{where}: {name}: missing; {user} needs it")


def _check_sizes(spec: RunSpec, where: str) -> None:
    uses = nets.fields(spec.task, spec.model)
    _check_fields(spec, uses, where)
    for name, limit in MAX_SIZES.items():
        size = max(spec.hidden) if name == "width" and spec.hidden else getattr(spec, name) or 0
        if size > limit:
            raise StudyError(f"{where}: {name}: got {size}; allowed: at most {limit:,}")
    if "heads" in uses and not spec.model and (spec.width or 0) % spec.heads:
        got = f"got {spec.heads}; allowed: a divisor of width {spec.width}"
        raise StudyError(f"{where}: heads: {got}")
    n_train = registry.train_size(spec.dataset)
    if n_train is not None and spec.batch_size > n_train:
        title = registry.dataset(spec.dataset)["title"]
        got = f"got {spec.batch_size}; allowed: at most the {n_train} train examples of {title}"
        raise StudyError(f"{where}: batch_size: {got}")
    least = nets.min_pixels(spec)
    channels, *pixels = registry.dataset(spec.dataset).get("shape", [1])
    if min(pixels, default=least) < least:
        got = f"got {spec.model} with stem {spec.stem} for images of {pixels[0]} x {pixels[1]}"
        raise StudyError(f"{where}: model: {got}; allowed: of at least {least} x {least} pixels")
    if spec.augment == "crop_flip_jitter" and channels not in (1, 3):
        got = f"got {spec.augment!r} for images of {channels} channels"
        raise StudyError(f"{where}: augment: {got}; allowed: none, crop_flip")
    if spec.norm == "batch" and spec.batch_size == spec.accumulate:
        got = f"got {spec.batch_size} in parts of 1; norm batch allows parts of 2 on"
        raise StudyError(f"{where}: batch_size: {got}")
