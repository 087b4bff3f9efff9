"""The hash of someone's own code: what an import path names, and all that this uses.

Followed are names of the same file, and names and modules that it imports from files which are not
installed (`own.is_own`). Layout, comments and docstrings do not count, nor does what is not used.
A module that declares `VERSIONS = {"Squash": 2}` is believed: then that number alone counts.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from actstudy.contract import own, syntax
from actstudy.contract.own import Definition

VERSIONS = "VERSIONS"
GUARD = "__name__ == '__main__'"


def digest(path: str) -> str:
    """12 hex digits of the SHA-256 of what defines a path; StudyError if it is not there."""
    return _digest(path, own.folders())


@cache
def _digest(path: str, _places: tuple[Path, ...]) -> str:
    definition = own.find(path)
    if definition.file.suffix != ".py":
        return hashlib.sha256(definition.file.read_bytes()).hexdigest()[:12]
    version = declared_version(path)
    if version is not None:
        return syntax.digest([VERSIONS, version])
    contents = []
    for part in _needed(definition):
        nodes = [syntax.content(node) for node in _statements(part)]
        contents.append([part.module, part.name, nodes])
    return syntax.digest(sorted(contents))


def imported_modules(path: str) -> tuple[str, ...]:
    """Every module that the code of a path may import."""
    return _imported_modules(path, own.folders())


@cache
def _imported_modules(path: str, _places: tuple[Path, ...]) -> tuple[str, ...]:
    modules: dict[str, None] = {}
    for part in _needed(own.find(path)):
        modules |= dict.fromkeys(syntax.imported_modules(_statements(part), part.package))
    return tuple(modules)


def declared_version(path: str) -> Any:
    """The version that the module of a path declares for it; None if it declares none."""
    module, _, name = path.partition(":")
    declared = own.define(module, VERSIONS)
    versions = own.literal(f"{module}:{VERSIONS}") if declared else {}
    return versions.get(name) if isinstance(versions, dict) else None


def _needed(start: Definition) -> Iterator[Definition]:
    """Each definition that one needs, itself among them; none in files that are no Python.

    One without a name is a whole file.
    """
    todo = [start]
    seen = set()
    while todo:
        definition = todo.pop()
        key = (definition.module, definition.name)
        if key in seen or definition.file.suffix != ".py":
            continue
        seen.add(key)
        yield definition
        todo += _uses(_statements(definition), definition)


def _statements(definition: Definition) -> list[ast.stmt]:
    """The statements of a definition, in order; of a whole file all but its guarded main part.

    Statements that define no name, such as `ACTS["squash"] = ...`, count for each definition.
    """
    definitions, others = syntax.top_level(own.tree(definition.file))
    others = [part for part in others if not _is_main(part)]
    if not definition.statements:
        body = syntax.body(own.tree(definition.file))
        return [part for part in body if not _is_main(part)]
    names = syntax.closure([*definition.statements, *others], definitions, but=VERSIONS)
    statements = [*definition.statements]
    for name in names:
        statements += [part for part in definitions[name] if part not in definition.statements]
    return [*statements, *others]


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == GUARD


def _uses(nodes: Iterable[ast.AST], definition: Definition) -> list[Definition]:
    """What nodes of a definition's file import from files that are not installed."""
    used = []
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.Import):
                used += [_whole(alias.name) for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                module = syntax.absolute(node, definition.package)
                for alias in node.names:
                    used.append(_part(module, alias.name))
    return [part for part in used if part is not None and own.is_own(part.file)]


def _part(module: str, name: str) -> Definition | None:
    """A name of a module, or the module's own module of that name."""
    part = None if name == "*" else own.define(module, name)
    return part or _whole(f"{module}.{name}") or _whole(module)


def _whole(module: str) -> Definition | None:
    """The file of a module as one definition; None if it is nowhere."""
    spec = own.module_spec(module)
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    return Definition(Path(str(spec.origin)), module, module.rpartition(".")[0], "", ())
