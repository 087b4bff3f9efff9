"""The measurements of guides' claims, their groups and arguments, read without running anything."""

import ast
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from actstudy.contract import code, code_entries, frameworks, literals, registry, syntax
from actstudy.contract.errors import StudyError

ROOM = "guide"
TABLE = "MEASUREMENTS"  # of a group's file: kind -> its function
RUNS = "runs"  # the group that is answered from a study's tables, right of the wall
RUNS_FILE = "analysis/questions/ledger_runs.py"
READING = "contract/reading.py"  # makes every value and its interval
NOT_HASHED = (  # files; of both registries the entries that are named count
    "contract/",
    "own_data/",
    "__init__.py",  # the version of the package
    code_entries.ACTIVATIONS,
    code_entries.INITS,
)
N_OF_STUDY = 2  # arguments of a kind of RUNS that are no claim's: frames, plan


class Kind(NamedTuple):
    """A kind of measurement: its group, its arguments, and the first line of what it says it gives.

    allows: argument -> its type, an expression; defaults: those that a claim may leave out.
    """

    group: str
    allows: dict[str, ast.expr]
    defaults: dict[str, ast.expr]
    gives: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The arguments without a default."""
        return tuple(name for name in self.allows if name not in self.defaults)


def groups() -> tuple[str, ...]:
    """The groups of measurements, each a file of the room; last the one of runs."""
    return (*registry.files(ROOM, TABLE), RUNS)


def file_of(group: str) -> str:
    """The file of a group."""
    return RUNS_FILE if group == RUNS else f"{ROOM}/{group}.py"


def setting(group: str, name: str) -> Any:
    """The literal that a group's file gives DEVICE, DEVICES or ALONE; None if it has none."""
    file = file_of(group)
    return registry.literal(file, name) if name in literals.assignments(file) else None


@cache
def kinds() -> dict[str, Kind]:
    """Name -> kind of every measurement; StudyError if two groups have one of the same name."""
    by_name: dict[str, Kind] = {}
    for group in groups():
        for name, kind in _kinds_of(group):
            if name in by_name:
                where = f"{literals.path_of(file_of(group))}: {TABLE}"
                other = literals.path_of(file_of(by_name[name].group))
                raise StudyError(f"{where}: got {name!r}, which is in {other}; allowed: once")
            by_name[name] = kind
    return by_name


def _kinds_of(group: str) -> Iterable[tuple[str, Kind]]:
    """Names and kinds of a group's file, which has the functions that its table names."""
    file = file_of(group)
    where = f"{literals.path_of(file)}: {TABLE}"
    table = literals.assignments(file).get(TABLE)
    if not isinstance(table, ast.Dict):
        raise StudyError(f"{where}: allowed: names and functions in braces")
    functions = {}
    for node in literals.tree(file).body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    for key, value in zip(table.keys, table.values, strict=True):
        name = str(literals.value_of(key or value, where))
        function = functions.get(ast.unparse(value))
        if function is None:
            got = f"{name}: got {ast.unparse(value):.80}"
            raise StudyError(f"{where}: {got}; allowed: a function of the file")
        yield name, _kind(group, function)


def _kind(group: str, function: ast.FunctionDef) -> Kind:
    several = function.args.args[N_OF_STUDY if group == RUNS else 0 :]
    last = several[len(several) - len(function.args.defaults) :]
    defaults = {part.arg: of for part, of in zip(last, function.args.defaults, strict=True)}
    for part, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        several.append(part)
        if default is not None:
            defaults[part.arg] = default
    types = {part.arg: part.annotation or ast.Name("Any") for part in several}
    says = (ast.get_docstring(function) or "").partition("\n")[0]
    return Kind(group, types, defaults, says)


def to_json(arguments: Mapping[str, Any]) -> str:
    """The arguments of a measurement as one text, whatever their order."""
    return json.dumps(arguments, sort_keys=True)


def digest(group: str, requests: Iterable[tuple[str, str]]) -> str:
    """12 hex digits of what a group's readings depend on.

    These are the requests (kind, arguments as JSON), the code of the group, of all that it imports
    but NOT_HASHED, of READING, of the activations and init policies that either names, and torch's
    version, but for a group of a GPU: its file may come from another machine, and says which torch.
    """
    asked_for = sorted(requests)
    files = [file for file in _with_imports(file_of(group)) if not file.startswith(NOT_HASHED)]
    files.append(READING)
    texts = set[str]().union(*map(_texts_of, files))
    for _, arguments in asked_for:
        texts |= _texts(ast.parse(arguments, mode="eval"))
    names = {registry.aliases().get(text, text) for text in texts}
    pieces = [f"activation {name}" for name in sorted(names & set(registry.activations()))]
    pieces += [f"init {name}" for name in sorted(texts & set(registry.init_policies()))]
    pieces += files
    parts = [[piece, code.digest_of(piece)] for piece in pieces]
    is_of_gpu = setting(group, "DEVICE") == "cuda"
    version = None if is_of_gpu else frameworks.version(frameworks.TORCH)
    return syntax.digest([asked_for, parts, version])


def expression(group: str, name: str) -> ast.expr | None:
    """What a name of a group's types stands for, in its file or one that it imports, else None."""
    file = file_of(group)
    several = [literals.assignments(other).get(name) for other in (file, *_imports(file))]
    return next(filter(None, several), None)


def _with_imports(file: str) -> list[str]:
    """A file of the package and all of the package that it imports, directly or by others."""
    todo = [file]
    used: dict[str, None] = {}
    while todo:
        importing = todo.pop()
        if importing not in used:
            used[importing] = None
            todo += _imports(importing)
    return sorted(used)


@cache
def _imports(file: str) -> tuple[str, ...]:
    """The files of the package that one of them imports."""
    package = ".".join(["actstudy", *file.split("/")[:-1]])
    modules = syntax.imported_modules([literals.tree(file)], package)
    return tuple(filter(None, map(literals.module_file, modules)))


@cache
def _texts_of(file: str) -> frozenset[str]:
    """Every text that a file of the package holds as a literal."""
    return frozenset(_texts(literals.tree(file)))


def _texts(tree: ast.AST) -> set[str]:
    """Every text that a syntax tree holds as a literal."""
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return texts
