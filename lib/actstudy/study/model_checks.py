"""What a run's model can be made of: arguments, sizes and sites that go together, checked without making it."""

import fnmatch

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import DEFAULTS, RunSpec

FIELDS = (
    "hidden",
    "depth",
    "width",
    "stem",
    "heads",
    "norm",
    "dropout",
    "vocabulary",
    "context",
    "augment",
)
MOST = {
    "depth": 10_000,
    "width": 2**20,
    "vocabulary": 2**24,
    "context": 2**20,
    "batch_size": 2**24,
}  # else no memory


def check(spec: RunSpec, where: str) -> None:
    """StudyError where fields of the model that are each allowed do not go together."""
    _check_arguments(spec, where)
    _check_sizes(spec, where)
    if not isinstance(spec.activation, str):
        found = sites(spec)
        patterns = [pattern for pattern, _ in spec.activation]
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(site, pattern) for site in found):
                fault = f"got {pattern!r}, which matches no site"
                near = errors.nearest(pattern, found)
                raise StudyError(
                    f"{where}: activation: {fault}; allowed: {found[0]} to {found[-1]}{near}"
                )
        for site in found:
            if not any(fnmatch.fnmatchcase(site, pattern) for pattern in patterns):
                raise StudyError(
                    f"{where}: activation: no pattern matches {site}; allowed: a pattern '*' at the end"
                )


def sites(spec: RunSpec) -> list[str]:
    """The places where activations act, as the task's model in nets/ names them."""
    depth = len(spec.hidden) if spec.hidden else spec.depth or 0
    if spec.task == "vision":
        return [
            "act1",
            *(
                f"stages.{stage}.{block}.act{i}"
                for stage in range(4)
                for block in (0, 1)
                for i in (1, 2)
            ),
        ]
    return [f"{'layers' if spec.task == 'mlp' else 'blocks'}.{index}" for index in range(depth)]


def _check_arguments(spec: RunSpec, where: str) -> None:
    names = (
        [spec.activation]
        if isinstance(spec.activation, str)
        else [name for _, name in spec.activation]
    )
    arguments = {argument for name in names for argument in registry.activations()[name]}
    policy = registry.init_policies()[spec.init]
    for key, got, known in (
        ("activation_args", spec.activation_args, arguments),
        ("init_args", spec.init_args, policy),
    ):
        for name in got:
            if name not in known:
                near = errors.nearest(name, known)
                raise StudyError(
                    f"{where}: {key}: got {name!r}; allowed: {', '.join(sorted(known)) or 'none'}{near}"
                )
    init = {**policy, **spec.init_args}
    for name in ("std", "factor", "gain"):
        if init.get(name, 1) <= 0:
            raise StudyError(
                f"{where}: init_args.{name}: got {init[name]}; allowed: greater than 0"
            )
    if "low" in init and init["low"] >= init["high"]:
        raise StudyError(
            f"{where}: init_args.low: got {init['low']}; allowed: below high, {init['high']}"
        )
    for name, argument in (("celu", "alpha"), ("softplus", "beta")):  # they divide by it
        value = spec.activation_args.get(argument, 1)
        if name in names and value <= 0:
            raise StudyError(
                f"{where}: activation_args.{argument}: got {value} for {name}; allowed: greater than 0"
            )


def _check_sizes(spec: RunSpec, where: str) -> None:
    uses = registry.task(spec.task)["model_fields"]
    for name in FIELDS:
        if name not in uses and getattr(spec, name) != DEFAULTS[name]:
            raise StudyError(
                f"{where}: {name}: set, but task {spec.task} has no use for it; allowed: {', '.join(uses)}"
            )
    for name in uses:
        absent = getattr(spec, name) is None and name != "hidden"
        if absent and not (name in ("depth", "width") and spec.hidden is not None):
            raise StudyError(f"{where}: {name}: missing; task {spec.task} needs it")
    for name, most in MOST.items():
        size = max(spec.hidden) if name == "width" and spec.hidden else getattr(spec, name) or 0
        if size > most:
            raise StudyError(f"{where}: {name}: got {size}; allowed: at most {most:,}")
    if "heads" in uses and (spec.width or 0) % spec.heads:
        raise StudyError(
            f"{where}: heads: got {spec.heads}; allowed: a divisor of width {spec.width}"
        )
    if spec.norm == "batch" and spec.batch_size == spec.accumulate:
        raise StudyError(
            f"{where}: batch_size: got {spec.batch_size} in parts of 1; norm batch allows parts of 2 on"
        )
