"""Someone's own code by its import path, `package.module:NAME`: found and read, not run.

A module is looked for in the folders of `look_in`, in the present folder, then where Python looks.
"""

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from actstudy.contract import own_faults, syntax
from actstudy.contract.errors import StudyError
from actstudy.contract.own_faults import FUNCTIONS, TORCH

PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
TASK = "TASK"  # the literal of a task's module
_folders: list[Path] = []  # of this process: see look_in


@dataclass(frozen=True)
class Definition:
    """Where a name is defined: a source file, its module, and the name there.

    package: that relative imports start from; statements: those that define the name, empty if the
    file does not say it, as of compiled code.
    """

    file: Path
    module: str
    package: str
    name: str
    statements: tuple[ast.stmt, ...]


def is_path(name: object) -> bool:
    """Whether a name is an import path and not the name of something registered."""
    return isinstance(name, str) and ":" in name


def short(name: str) -> str:
    """A path's last part, of a task its module's; a registered name as it is."""
    module, colon, attribute = name.partition(":")
    if not colon:
        return name
    return module.rpartition(".")[2] if attribute == TASK else attribute


def labels(names: Iterable[str], registered: Iterable[str] = ()) -> dict[str, str]:
    """Name -> what a study shows for it: its short name, the whole path if that means two things.

    names: all of one kind in the study; registered: those that nobody else may be shown by.
    """
    distinct = dict.fromkeys(names)
    counts = Counter([short(name) for name in dict.fromkeys([*distinct, *registered])])
    return {name: short(name) if counts[short(name)] == 1 else name for name in distinct}


def look_in(folder: Path) -> None:
    """Look for modules in a folder before the present one and Python's own places."""
    folder = folder.resolve()
    if folder in _folders:
        _folders.remove(folder)
    _folders.insert(0, folder)


def folders() -> tuple[Path, ...]:
    """The folders that come before Python's own places."""
    return tuple(dict.fromkeys([*_folders, Path.cwd()]))


def find(path: str) -> Definition:
    """The definition of a path; StudyError if there is no such module or name."""
    if not PATH.fullmatch(path):
        raise StudyError(own_faults.no_path(path))
    return _find(path, folders())


def tree(file: Path) -> ast.Module:
    """A source file, parsed; StudyError, with the line, if it is not Python."""
    return _tree(file, file.stat().st_mtime_ns)


def literal(path: str) -> Any:
    """The literal that a module assigns to a path's name; StudyError if it is computed."""
    definition = find(path)
    value = syntax.literal_value(getattr((definition.statements or (None,))[-1], "value", None))
    if value is ...:
        raise StudyError(f"{path}: got a value that is computed; allowed: one that is written out")
    return value


def is_own(file: Path) -> bool:
    """Whether a file is neither installed, nor Python's, nor of this package."""
    package = Path(__file__).parents[1]
    text = str(file)
    installed = "site-packages" in file.parts or "dist-packages" in file.parts
    return not (installed or text.startswith((f"{package}/", _stdlib(), "<frozen")))


@cache
def _stdlib() -> str:
    return f"{Path(ast.__file__).parent}/"


@cache
def _find(path: str, places: tuple[Path, ...]) -> Definition:
    module_name, _, name = path.partition(":")
    spec = module_spec(module_name)
    if spec is None:
        raise StudyError(f"{path}: {own_faults.no_module(module_name, places)}")
    if not has_file(spec):
        fault = f"{module_name} is built into Python"
        raise StudyError(f"{path}: {fault}; allowed: {own_faults.PATH}")
    definition = _defined(spec, name, ())
    if definition is None:
        if is_own(Path(str(spec.origin))):
            raise StudyError(own_faults.no_name(path, str(spec.origin), _offered(spec)))
        is_function = module_name in TORCH and define(FUNCTIONS, name) is not None
        raise StudyError(own_faults.not_shown(path, is_function, _offered(spec)))
    return definition


def offered(module: str) -> list[str]:
    """The public names of a module of someone's own; none if there is no such module."""
    spec = module_spec(module) if module.isidentifier() else None
    is_source = spec and str(spec.origin).endswith(".py") and is_own(Path(str(spec.origin)))
    return _offered(spec) if spec and is_source else []


def _offered(spec: ModuleSpec) -> list[str]:
    """The public names of a module that it defines, or imports from files not installed."""
    file = Path(str(spec.origin))
    definitions, _ = syntax.top_level(tree(file))
    names = []
    for name, statements in definitions.items():
        part = None if isinstance(statements[-1], ast.Import) else _defined(spec, name, ())
        if part and name[0] not in "_*" and (part.file == file or is_own(part.file)):
            names.append(name)
    return names


def define(module: str, name: str) -> Definition | None:
    """The definition of a module's name; None if there is no such module or name."""
    spec = module_spec(module)
    return _defined(spec, name, ()) if spec and has_file(spec) else None


def module_spec(name: str) -> ModuleSpec | None:
    """Where a module is, found without importing its packages; None if it is nowhere."""
    top, *rest = name.split(".")
    spec = PathFinder.find_spec(top, [str(folder) for folder in folders()])
    if spec is None or (spec.origin is None and not rest):  # a mere folder
        try:
            spec = importlib.util.find_spec(top) or spec
        except (ImportError, ValueError):
            return None
    full = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        full = f"{full}.{part}"
        spec = _submodule(full, list(spec.submodule_search_locations))
    return spec if spec is not None and spec.origin is not None else None


def _submodule(name: str, places: list[str]) -> ModuleSpec | None:
    """Where a module of a package is whose modules are in some places."""
    try:
        return PathFinder.find_spec(name, places)
    except (KeyError, AttributeError):  # a folder without __init__.py, not imported: no package
        spec = PathFinder.find_spec(name.rpartition(".")[2], places)
        if spec is not None:
            spec.name = name
        return spec


def has_file(spec: ModuleSpec) -> bool:
    """Whether a module that is somewhere is in a file, and not in Python itself."""
    return spec.origin not in ("built-in", "frozen")


def package(spec: ModuleSpec) -> str:
    """The package that relative imports of a module start from: of a package it is itself."""
    is_package = spec.submodule_search_locations is not None
    return spec.name if is_package else spec.name.rpartition(".")[0]


def _defined(spec: ModuleSpec, name: str, seen: tuple[str, ...]) -> Definition | None:
    """The definition of a module's name, also if the module has imported it; None if none is seen.

    Of compiled code and of names made while the module runs the whole file is the definition.
    """
    file = Path(str(spec.origin))
    whole_file = Definition(file, spec.name, package(spec), name, ())
    if file.suffix != ".py":
        return whole_file
    definitions, others = syntax.top_level(tree(file))
    statements = tuple(definitions.get(name, ()))
    if statements and not isinstance(statements[-1], ast.ImportFrom):
        return replace(whole_file, statements=statements)
    for statement in statements[-1:] or definitions.get("*", ()):
        imported = _imported(package(spec), statement, name, (*seen, spec.name))
        if imported or statements:
            return imported or replace(whole_file, statements=statements)
    is_dynamic = "__getattr__" in definitions or any(syntax.binds(part, name) for part in others)
    return whole_file if is_dynamic else None


def _imported(parent: str, statement: Any, name: str, seen: tuple[str, ...]) -> Definition | None:
    """The definition of a name that a module of a package imports by a `from` import."""
    (alias,) = statement.names
    source = module_spec(syntax.absolute(statement, parent))
    if source is None or source.name in seen or not has_file(source):
        return None
    return _defined(source, name if alias.name == "*" else alias.name, seen)


@cache
def _tree(file: Path, _mtime_ns: int) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        if line is None:  # null bytes, as UTF-16 has them, or bytes of another encoding
            allowed = "allowed: text in UTF-8; to fix: save it so"
            raise StudyError(f"{file}: cannot be read as Python ({error}); {allowed}") from None
        raise StudyError(f"{file}: line {line}: {getattr(error, 'msg', error)}") from None
