"""What is wrong with an import path of someone's own code, in words that say what to do."""

from collections.abc import Iterable
from pathlib import Path

from actstudy.contract.errors import choices, nearest

ALLOWED = "a registered name, or an import path such as mypackage.acts:Squash"
PATH = "an import path MODULE:NAME"  # of whatever a study takes by one
FUNCTIONS = "torch.nn.functional"  # has by `def` what torch has as it runs
TORCH = ("torch", "torch.nn", "torch.special")


def no_path(path: str) -> str:
    """Of a text that is no import path."""
    module = path.partition(":")[0]
    if "-" in module:
        last = module.rpartition(".")[2]
        fix = f"to fix: rename {last}.py to {last.replace('-', '_')}.py"
        return f"got {path!r}: a module's name has no hyphen; {fix}"
    return f"got {path!r}; allowed: {PATH}"


def no_module(name: str, places: Iterable[Path]) -> str:
    """Of a module that is in none of some folders, nor where Python looks."""
    near = []
    for folder in places:
        near += [file.stem for file in folder.glob("*.py")]
        near += [file.parent.name for file in folder.glob("*/__init__.py")]
    hint = nearest(name, near)
    where = ", ".join(map(str, places))
    return f"no module {name} in {where} or the environment; {hint}allowed: {PATH}"


def no_name(path: str, file: str, offered: Iterable[str]) -> str:
    """Of a name that a module of someone's own does not define."""
    name = path.partition(":")[2]
    return f"{path}: {file} has no {name!r}; {choices(name, offered)}"


def not_shown(path: str, is_function: bool, offered: Iterable[str]) -> str:
    """Of a name that the source of an installed module does not show, but may set as it runs.

    is_function: whether FUNCTIONS has it, for a module of TORCH.
    """
    module, _, name = path.partition(":")
    fault = f"{path}: the source of {module} does not show {name!r}"
    if is_function:
        return f"{fault}; did you mean '{FUNCTIONS}:{name}'? allowed: names that it shows"
    hint = "" if module.partition(".")[0] == "torch" else nearest(name, offered)
    allowed = f"{hint}allowed: names that it shows, such as those of torch.nn and {FUNCTIONS}"
    return f"{fault}; {allowed}; to fix: def {name}(x): return {module}.{name}(x) in your module"
