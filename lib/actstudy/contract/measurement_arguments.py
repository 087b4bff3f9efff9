"""The values of a measurement's arguments against its function's types, read without running it."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from actstudy.contract import errors, measurements, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.measurements import Kind

PLAIN = {  # type of a function -> types of YAML, and words
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "text"),
    "bool": ((bool,), "true or false"),
}
ANY = {"Any": "any value"}
LISTS = ("list", "Sequence")
ABOVE_0 = ("batch", "epochs", "n", "n_examples", "reach", "reaches", "seeds", "steps", "width")


def check(name: str, arguments: Mapping[str, Any], where: str) -> None:
    """StudyError for an argument that the measurement has not, one that it lacks, or its value."""
    kind = measurements.kinds()[name]
    for key in arguments:
        if key not in kind.allows:
            raise StudyError(
                f"{where}: unknown argument {key!r}; {errors.choices(key, kind.allows)}"
            )
    absent = [key for key in kind.needs if key not in arguments]
    if absent:
        raise StudyError(f"{where}: missing: {', '.join(absent)}")
    for key, value in arguments.items():
        if not fits(value, kind.allows[key], kind.group):
            allowed = words(kind.allows[key], kind.group)
            raise StudyError(f"{where}.{key}: got {value!r:.80}; allowed: {allowed}")
        try:
            _check_value(kind, key, value)
        except StudyError as fault:
            raise StudyError(f"{where}.{key}: {fault}") from None


def _check_value(kind: Kind, key: str, value: Any) -> None:
    """StudyError for a size that is not above 0, or a name that is not registered."""
    parts = value if isinstance(value, list) else [value]
    if key in ABOVE_0 and any(part <= 0 for part in parts):
        raise StudyError(f"got {value!r}; allowed: above 0")
    check_known = NAMES.get(key)
    if check_known is None or kind.group == measurements.RUNS:
        return
    for part in parts:
        for name in [part] if isinstance(part, str) else part:  # relu, {elu: {alpha: 2}}
            try:
                check_known(name)
            except StudyError as fault:
                raise StudyError(f"got {name!r}; {fault}") from None


def _check_init(name: str) -> str:
    return errors.check_name(name, "init", registry.init_policies())


NAMES: dict[str, Callable[[str], str]] = {  # argument -> what refuses an unknown name in it
    "activation": registry.function,
    "activations": registry.function,
    "init": _check_init,
    "inits": _check_init,
}


def fits(value: Any, kind: ast.expr, group: str) -> bool:
    """Whether a value of a file is of a type of a group's function."""
    if isinstance(kind, ast.BinOp):
        return fits(value, kind.left, group) or fits(value, kind.right, group)
    if isinstance(kind, ast.Constant):
        return value is kind.value
    name, parts = _outer(kind)
    if name in PLAIN:
        is_bool = isinstance(value, bool)
        return isinstance(value, PLAIN[name][0]) and is_bool == (name == "bool")
    if name in LISTS:
        return isinstance(value, list) and all(fits(item, parts[0], group) for item in value)
    if name == "Mapping":
        several = value.values() if isinstance(value, dict) else ()
        return isinstance(value, dict) and all(fits(item, parts[1], group) for item in several)
    meaning = measurements.expression(group, name)
    return fits(value, meaning, group) if meaning else name in ANY


def words(kind: ast.expr, group: str) -> str:
    """A type as a reader says it: `a number or [a number, ...]`; empty of what no file can hold."""
    if isinstance(kind, ast.BinOp):
        sides = dict.fromkeys(words(side, group) for side in (kind.left, kind.right))
        return " or ".join(filter(None, sides))
    if isinstance(kind, ast.Constant):
        return "null"
    name, parts = _outer(kind)
    if name in PLAIN:
        return PLAIN[name][1]
    if name in LISTS:
        return f"[{words(parts[0], group)}, ...]"
    if name == "Mapping":
        return f"{{NAME: {words(parts[1], group)}}}"
    meaning = measurements.expression(group, name)
    return words(meaning, group) if meaning else ANY.get(name, "")


def _outer(kind: ast.expr) -> tuple[str, list[ast.expr]]:
    """The name of a type, and the types in its brackets."""
    if not isinstance(kind, ast.Subscript):
        return ast.unparse(kind), []
    parts = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
    return ast.unparse(kind.value), parts
