"""What a comparison with torch depends on besides its cell: versions, and the code that compares.

The file of a cell has it as `stamp`. A file with another stamp is of something else than what would
train now. Nothing of Keras is imported for it.
"""

from functools import cache
from pathlib import Path

from actstudy.contract import frameworks, literals, store, syntax

FILES = ("frameworks/*.py", "training/keras_*.py", "training/parity*.py")


def stamp(framework: str) -> dict[str, str]:
    """Package -> version, of torch, Keras and the back end, and `code`: a hash of what compares."""
    torch = frameworks.version(frameworks.TORCH)
    return {"torch": torch, **frameworks.versions(framework), "code": code()}


@cache
def code() -> str:
    """12 hex digits of what a comparison and a Keras run depend on; comments do not count."""
    content = []
    for pattern in FILES:
        for path in sorted(literals.PACKAGE.glob(pattern)):
            file = str(path.relative_to(literals.PACKAGE))
            content.append([file, syntax.content(literals.tree(file))])
    return syntax.digest(content)


def is_present(file: Path, framework: str) -> bool:
    """Whether a cell's file is there and of the present versions and code."""
    content = store.read_note(file, None)
    return isinstance(content, dict) and content.get("stamp") == stamp(framework)
