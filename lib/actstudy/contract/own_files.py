"""Which files someone's own code consists of: theirs, and of an installed package its own."""

import ast
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import islice
from pathlib import Path

from actstudy.contract import own, syntax
from actstudy.contract.own import Definition

Followed = Callable[[Path], bool]  # whether a file is followed
MAX_FILES = 200  # of an installed package that is followed; one with more is known by its version


def followed(start: Definition) -> Followed:
    """Whether a file is followed from a definition: not installed, or of its small package."""
    root = _root(start)
    if root is None or _is_large(root):
        return own.is_own

    def is_followed(file: Path) -> bool:
        return own.is_own(file) or file == root or root in file.parents

    return is_followed


def versions(start: Definition) -> list[str]:
    """The versions of the distributions of a definition that is in a large installed package."""
    root = _root(start)
    if root is None or not _is_large(root):
        return []
    names = metadata.packages_distributions().get(root.name, [])
    return sorted(f"{name} {metadata.version(name)}" for name in set(names))


def prefixes(module: str) -> list[str]:
    """A module's packages, the outermost first, and the module itself."""
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def imports(tree: ast.Module) -> list[ast.stmt]:
    """The imports at the top of a file."""
    return [part for part in syntax.body(tree) if isinstance(part, ast.Import | ast.ImportFrom)]


def _root(start: Definition) -> Path | None:
    """The folder of the outermost package of an installed definition, or its file.

    None of one that is not installed, and of this package, whose pieces have hashes of their own.
    """
    name = start.module.partition(".")[0]
    if own.is_own(start.file) or name == __name__.partition(".")[0]:
        return None
    outermost = [spec for prefix in prefixes(start.module) if (spec := own.module_spec(prefix))]
    file = Path(str(outermost[0].origin))
    return file.parent if outermost[0].submodule_search_locations is not None else file


def _is_large(root: Path) -> bool:
    files: Iterator[Path] = root.rglob("*.py")
    return len(list(islice(files, MAX_FILES + 1))) > MAX_FILES
