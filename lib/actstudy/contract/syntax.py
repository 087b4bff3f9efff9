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
        parts: dict[str, ast.stmt] = {}
        for name in dict.fromkeys(map(bound_name, statement.names)):  # `import a.b, a.c` binds a
            parts[name] = ast.Import([part for part in statement.names if bound_name(part) == name])
        return parts
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


def bound_name(alias: ast.alias) -> str:
    """The name that a part of an `import` binds."""
    return alias.asname or alias.name.split(".")[0]


def binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement such as `try` or `if` may define a name."""
    for node in ast.walk(statement):
        if name in (getattr(node, "id", None), getattr(node, "name", None)):
            return True
        if isinstance(node, ast.alias) and name in (node.asname, node.name):
            return True
    return False


def origin(node: ast.expr, tree: ast.Module, package: str, module: str) -> tuple[str, str] | None:
    """The module and the name that `Base` or `bases.Base` stands for in a module; None of others.

    tree, package: of the module.
    """
    first, *middle = ast.unparse(node).split(".")
    statement = top_level(tree)[0].get(first, [None])[-1]
    if isinstance(statement, ast.ImportFrom):
        source = absolute(statement, package)
        name = statement.names[0].name
        return (".".join([source, name, *middle[:-1]]), middle[-1]) if middle else (source, name)
    if isinstance(statement, ast.Import) and middle:
        alias = statement.names[0]
        start = alias.name if alias.asname else first
        return ".".join([start, *middle[:-1]]), middle[-1]
    return None if middle else (module, first)


def changes(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements that may change what a file has assigned to a name at first, in order."""
    first = True
    changing = []
    for statement in body(tree):
        is_literal = first and name in defined(statement)
        first = first and not is_literal
        if not is_literal and any(_changes(node, name) for node in ast.walk(statement)):
            changing.append(statement)
    return changing


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a node assigns to a name or to its parts, deletes them, or calls a method of it."""
    if isinstance(node, ast.Global):
        return name in node.names
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        is_read = isinstance(node.ctx, ast.Load)
        return getattr(node.value, "id", "") == name and not is_read
    return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == name


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


def literal_value(expression: ast.expr | None) -> Any:
    """The value of a literal, else `...`."""
    if expression is None:
        return ...
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        return ...
