"""What a name that no activation has may mean, in words: someone's own code, or torch's."""

from collections.abc import Iterable
from pathlib import Path

from actstudy.contract import own, own_faults
from actstudy.contract.errors import StudyError, choices
from actstudy.contract.own_faults import FUNCTIONS

MAX_FILES = 50  # per folder whose names are looked at
TORCH = {  # as people write a module of torch -> its path
    "nn": "torch.nn",
    "torch.nn": "torch.nn",
    "F": FUNCTIONS,
    "functional": FUNCTIONS,
    "nn.functional": FUNCTIONS,
    FUNCTIONS: FUNCTIONS,
}


def unknown_activation(name: str, registered: Iterable[str]) -> str:
    """The line that refuses a name which is neither registered nor an import path."""
    known = list(registered)
    module = name.removesuffix(".py")
    if offered := own.offered(module):
        return (
            f"{module} is a module of yours; allowed: {module}:NAME, such as {module}:{offered[-1]}"
        )
    if module != name and module.isidentifier():
        return own_faults.no_module(module, own.folders())
    allowed = f"allowed: {own_faults.ALLOWED}"
    module, dot, last = name.rpartition(".")
    same = [other for other in known if other.lower() == last.lower()]
    if dot and same and module in TORCH:
        return f"unknown activation; did you mean {same[0]!r}? {allowed}"
    if dot:
        path = f"{TORCH.get(module, module)}:{last}"
        return f"unknown activation; did you mean {path!r}? {allowed}"
    if path := _own_path(name):
        return f"unknown activation; did you mean {path!r}? {allowed}"
    return f"unknown activation; {choices(name, known)}"


def _own_path(name: str) -> str:
    """The import path of a name that a file of someone's own beside the study defines, or empty."""
    for folder in own.folders():
        for file in sorted(folder.glob("*.py"))[:MAX_FILES]:
            for other in _offered(file):
                if other.lower() == name.lower():
                    return f"{file.stem}:{other}"
    return ""


def _offered(file: Path) -> list[str]:
    """The public names of a module; none of one that cannot be read."""
    try:
        return own.offered(file.stem)
    except StudyError:
        return []
