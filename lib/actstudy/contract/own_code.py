"""The hash of someone's own code: what an import path names, and all that this uses.

Followed are names of the same file, names and modules that it imports from files which are not
installed (`own_files.followed`), and what such modules do while they are imported. Layout, comments
and docstrings do not count, nor do functions, classes and values that are not used. A module that
declares `VERSIONS = {"Squash": 2}` is believed: then that number alone counts.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from actstudy.contract import own, own_files, syntax
from actstudy.contract.errors import StudyError
from actstudy.contract.own import Definition
from actstudy.contract.own_files import Followed

VERSIONS = "VERSIONS"
GUARD = "__name__ == '__main__'"
ON_IMPORT = "import"  # no name: the part of a module that does something when it is imported


def digest(path: str) -> str:
    """12 hex digits of the SHA-256 of what defines a path; StudyError if it is not there."""
    return _digest(path, own.folders())


@cache
def _digest(path: str, _places: tuple[Path, ...]) -> str:
    version = declared_version(path)
    if version is not None:
        return syntax.digest([VERSIONS, version])
    contents = []
    for part in _needed(path):
        content = _content(part)
        if content:
            contents.append([part.module, part.name, content])
    return syntax.digest([sorted(contents), *own_files.versions(own.find(path))])


def imported_modules(path: str) -> tuple[str, ...]:
    """Every module that the code of a path may import."""
    return _imported_modules(path, own.folders())


@cache
def _imported_modules(path: str, _places: tuple[Path, ...]) -> tuple[str, ...]:
    modules: dict[str, None] = {}
    for part in _needed(path):
        modules |= dict.fromkeys(syntax.imported_modules(_statements(part), part.package))
    return tuple(modules)


def files(path: str) -> dict[str, Path]:
    """Module -> its file, of all modules that the code of a path consists of."""
    return {part.module: part.file for part in _needed(path)}


def declared_version(path: str) -> Any:
    """The version that the file which defines a path declares for it; None if it declares none.

    StudyError if the declaration is computed, or changed after its literal.
    """
    definition = own.find(path)
    if definition.file.suffix != ".py":
        return None
    definitions, _ = syntax.top_level(own.tree(definition.file))
    statements = definitions.get(VERSIONS, [])
    if not statements or isinstance(statements[0], ast.ImportFrom | ast.Import):
        return None
    changes = syntax.changes(own.tree(definition.file), VERSIONS)
    if changes:
        where = f"{definition.file}: line {changes[0].lineno}: {VERSIONS}"
        raise StudyError(f"{where}: changed after its literal; allowed: the literal alone")
    versions = own.literal(f"{definition.module}:{VERSIONS}")
    return versions.get(definition.name) if isinstance(versions, dict) else None


def _needed(path: str) -> Iterator[Definition]:
    """Each part of a file that a path needs, its definition first.

    A part without a name is a whole file, one called ON_IMPORT what runs when it is imported.
    """
    start = own.find(path)
    is_followed = own_files.followed(start)
    todo = [*_on_import(path.partition(":")[0]), start]
    seen = set()
    while todo:
        part = todo.pop()
        key = (part.module, part.name)
        if key in seen or not (part is start or is_followed(part.file)):
            continue
        seen.add(key)
        yield part
        todo += _on_import(part.module)
        if part.file.suffix == ".py":
            todo += _uses(_statements(part), part.package, is_followed)
        if part.file.suffix == ".py" and part.name == ON_IMPORT:
            imports = own_files.imports(own.tree(part.file))
            for module in syntax.imported_modules(imports, part.package):
                todo += _on_import(module)


def _on_import(module: str) -> list[Definition]:
    """The parts of a module and of its packages that run when it is imported."""
    names = own_files.prefixes(module)
    return [part for name in names if (part := _of_module(name, ON_IMPORT)) is not None]


def _content(part: Definition) -> list[Any]:
    """What of a part counts; of compiled code the hash of its bytes."""
    if part.file.suffix != ".py":
        return [hashlib.sha256(part.file.read_bytes()).hexdigest()]
    return [syntax.content(node) for node in _statements(part)]


def _statements(part: Definition) -> list[ast.stmt]:
    """The statements of a part and those that they use in its file, without a guarded main part.

    What runs on import are statements that define no name, such as `ACTS["squash"] = ...`.
    """
    if part.file.suffix != ".py":
        return []
    tree = own.tree(part.file)
    definitions, others = syntax.top_level(tree)
    roots = list(part.statements)
    if part.name == ON_IMPORT:
        roots = [statement for statement in others if not _is_main(statement)]
    elif not roots:
        return [statement for statement in syntax.body(tree) if not _is_main(statement)]
    statements = list(roots)
    for name in syntax.closure(roots, definitions, but=VERSIONS):
        statements += [node for node in definitions[name] if node not in roots]
    stars = definitions.get("*", []) if roots else []
    return [*statements, *stars]


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == GUARD


def _uses(nodes: Iterable[ast.AST], package: str, is_followed: Followed) -> list[Definition]:
    """What nodes import, names only of files that are followed; package: of the nodes' file."""
    used: list[Definition | None] = []
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.Import):
                for alias in node.names:  # `import a.b` is used as a, too
                    names = [alias.name] if alias.asname else own_files.prefixes(alias.name)
                    used += [_of_module(name, "") for name in names]
                    used += _on_import(alias.name)
            if isinstance(node, ast.ImportFrom):
                module = syntax.absolute(node, package)
                whole = _of_module(module, "")
                if whole is not None and not is_followed(whole.file):
                    continue
                used += _on_import(module)
                for alias in node.names:
                    used += _named(module, alias.name)
    return [part for part in used if part is not None]


def _named(module: str, name: str) -> list[Definition | None]:
    """A name of a module, or the module's own module of that name; `*` is all of the module."""
    part = None if name == "*" else own.define(module, name)
    if part is not None and part.statements and not isinstance(part.statements[-1], ast.ImportFrom):
        return [part]
    return [part or _of_module(module, ""), _of_module(f"{module}.{name}", "")]


def _of_module(module: str, name: str) -> Definition | None:
    """A part of a module: a whole file or ON_IMPORT; None if it is nowhere, or built in."""
    spec = own.module_spec(module)
    if spec is None or not own.has_file(spec):
        return None
    return Definition(Path(str(spec.origin)), module, own.package(spec), name, ())
