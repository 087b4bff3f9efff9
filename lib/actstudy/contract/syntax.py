"""Source files as syntax trees: what they say, whatever their layout and comments."""

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

SKIPPED = ("ctx", "kind", "type_comment", "type_ignores")  # fields of a node without meaning
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Definitions = dict[str, list[ast.stmt]]  # name -> the statements that define it


def digest(content: Any) -> str:
    """12 hex digits of the SHA-256 of what `content` returned."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def content(node: Any) -> Any:
    """A syntax tree as lists and text, without docstrings and empty fields.

    So it does not depend on Python's version, which may add fields.
    """
    if isinstance(node, list):
        return [content(part) for part in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, (ast.Module, *DEFINITIONS)):
            value = body(node)
        if name not in SKIPPED and value not in (None, []):
            fields.append([name, content(value)])
    return [type(node).__name__, sorted(fields)]


def body(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> list[Any]:
    """The statements of a file, class or function, without its docstring."""
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return node.body[1:] if has_docstring else node.body


def without_keys(tree: ast.Module, keys: dict[str, Sequence[str]]) -> ast.Module:
    """A file without some keys of the dictionaries that it assigns to names; keys: name -> keys."""
    statements = []
    for statement in body(tree):
        targets = set(defined(statement)) & set(keys)
        value = getattr(statement, "value", None)
        if targets and isinstance(value, ast.Dict):
            dropped = keys[targets.pop()]
            statement = ast.Assign(getattr(statement, "targets", []), _without(value, dropped))
        statements.append(statement)
    return ast.Module(statements, [])


def _without(dictionary: ast.Dict, dropped: Sequence[str]) -> ast.Dict:
    pairs = []
    for key, value in zip(dictionary.keys, dictionary.values, strict=True):
        if getattr(key, "value", None) not in dropped:
            pairs.append((key, value))
    return ast.Dict([key for key, _ in pairs], [value for _, value in pairs])


def top_level(tree: ast.Module) -> tuple[Definitions, list[ast.stmt]]:
    """The definitions at the top of a file, and its other statements there."""
    definitions: Definitions = {}
    others = []
    for statement in body(tree):
        definition_of = defined(statement)
        if not definition_of:
            others.append(statement)
        for name, definition in definition_of.items():
            definitions.setdefault(name, []).append(definition)
    return definitions, others


def defined(statement: ast.stmt) -> dict[str, ast.stmt]:
    """Name -> what defines it in a statement; of an import the part of that name alone."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name: statement}
    if isinstance(statement, ast.Import):
        names = [alias.asname or alias.name.split(".")[0] for alias in statement.names]
        parts = [ast.Import([alias]) for alias in statement.names]
        return dict(zip(names, parts, strict=True))
    if isinstance(statement, ast.ImportFrom):
        names = [alias.asname or alias.name for alias in statement.names]
        module = statement.module
        level = statement.level
        froms = [ast.ImportFrom(module, [alias], level) for alias in statement.names]
        return dict(zip(names, froms, strict=True))
    targets = list(getattr(statement, "targets", []))
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    if not all(isinstance(target, ast.Name) for target in targets):
        return {}
    return {target.id: statement for target in targets}


def closure(roots: Iterable[ast.AST], definitions: Definitions, but: str) -> list[str]:
    """The names that some nodes use, directly or by others, all but one."""
    todo = list(roots)
    names: set[str] = set()
    while todo:
        for node in ast.walk(todo.pop()):
            name = getattr(node, "id", "")
            if name in definitions and name not in names and name != but:
                names.add(name)
                todo += definitions[name]
    return sorted(names)


def imported_modules(nodes: Iterable[ast.AST], package: str) -> list[str]:
    """Every module that nodes may import, inside functions too; package: of their file."""
    modules = []
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                module = absolute(node, package)
                modules += [module, *[f"{module}.{alias.name}" for alias in node.names]]
    return modules


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The module of a `from` import; package: the one that a relative import starts from."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])
