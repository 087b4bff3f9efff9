"""The code that decides a run's numbers: hashes of its sources, compared with what is shipped.

A piece is an entry of a registry, `activation relu` or `init auto`, or a file of the package that a
task, a data set or an entry imports, `nets/mlp.py`. Its hash is of the syntax tree without what
only a reader or a study uses. The trainer itself (MACHINERY) is no piece: RECIPE stands for it.
"""

import ast
import itertools
from collections.abc import Iterable, Sequence
from functools import cache

from actstudy.contract import (
    code_entries,
    literals,
    nets,
    own,
    own_code,
    own_data,
    own_tasks,
    syntax,
)
from actstudy.contract.errors import StudyError
from actstudy.contract.shipped import SHIPPED
from actstudy.contract.spec import RunSpec, names_in

DIGITS = 8  # of a hash in a run's spec
PACKED = "nets/packed.py"  # many models as one
READER_KEYS: dict[str, Sequence[str]] = {  # of a file's literal; what of TASK is not listed counts
    "TASK": (
        "title",
        "unit",
        "x_axis",
        "throughput_unit",
        "nets",  # the file of the model that a run names is a piece
        "targets",
        "margin",
        "margin_reason",
        "defaults",  # the spec holds them
    ),
    "DATASET": ("title", "source", "licence", "paper", "version"),
}
MACHINERY = (  # files of the package that are no pieces
    "contract/",
    "study/",
    "advice/",
    "data/",
    "health/",
    "training/",
    "experiments/",
    "analysis/",
    "commands/",
    code_entries.ACTIVATIONS,  # its entries are
    code_entries.FEED_FORWARD,
    code_entries.INITS,
    "nets/gain.py",
)
SETS = "data/sets/"  # the part of data/ whose files are pieces


def of_run(spec: RunSpec) -> dict[str, str]:
    """Piece -> hash of a run's code, where it is not as shipped: own, or edited since."""
    activations = names_in(spec.activation)
    files = [*nets.files(spec), *_imports_of_own([*activations, spec.model])]
    others = of_own("model", [str(spec.model)] if own.is_path(spec.model) else [])
    if own.is_path(spec.task):
        files += _imports_of_own(own_tasks.function_paths(spec.task))
        digest = own_tasks.digest(spec.task, READER_KEYS["TASK"])
        others[f"task {spec.task}"] = digest[:DIGITS]
    else:
        files.append(f"tasks/{spec.task}.py")
    if spec.engine == "pack":
        files.append(PACKED)
    if nets.reads_names(spec) and not own_data.is_name(spec.dataset):
        files.append(f"{SETS}{spec.dataset}.py")
    return {**of_parts(activations, [spec.init], files), **others}


def of_reference(task: str) -> dict[str, str]:
    """Piece -> hash of the code of a task's reference method."""
    if own.is_path(task):
        return {f"reference of {task}": own_tasks.digest_of_reference(task)}
    return {file: digest_of(file) for file in with_imports([f"tasks/{task}.py"])}


def of_data(dataset: str) -> dict[str, str]:
    """Piece -> hash of the code that prepares a data set, if it is not as shipped; none of own."""
    if own_data.is_name(dataset):
        return {}
    return of_parts([], [], [f"{SETS}{dataset}.py"])


def of_parts(
    activations: Sequence[str], inits: Sequence[str], files: Sequence[str]
) -> dict[str, str]:
    """The same of activations, init policies and files, with all that these import."""
    registered = tuple(name for name in activations if not own.is_path(name))
    code = dict(_other_than_shipped(registered, tuple(inits), tuple(files)))
    return {**code, **of_own("activation", filter(own.is_path, activations))}


def of_own(kind: str, paths: Iterable[str]) -> dict[str, str]:
    """Piece, `activation mine:act`, -> hash of someone's own code of a kind, by import paths."""
    return {f"{kind} {path}": own_code.digest(path)[:DIGITS] for path in paths}


def check(spec: RunSpec, where: str) -> None:
    """StudyError if a spec was planned for other code than there is now."""
    try:
        present = of_run(spec)
    except StudyError as error:
        is_own = own.is_path(str(error).partition(": ")[0])
        fix = "; to fix: --modules FOLDER, where the module is" if is_own else ""
        raise StudyError(f"{where}: {error}{fix}") from None
    if spec.code == present:
        return
    planned = spec.code if isinstance(spec.code, dict) else {}  # of a spec that is passed as JSON
    pieces = sorted({*planned, *present})
    changed = [piece for piece in pieces if planned.get(piece) != present.get(piece)]
    raise StudyError(
        f"{where}: the code has changed since the run was planned: {', '.join(changed)}; "
        "to fix: start the study again, which plans a new run"
    )


def describe(code: dict[str, str]) -> list[str]:
    """A sentence per piece that is not as shipped; someone's own goes by its label."""
    names = own.labels(path_of(piece) for piece in code if path_of(piece))
    sentences = []
    for piece, digest in code.items():
        path = path_of(piece)
        if path:
            kind = piece.split()[0]
            sentences.append(f"{kind} {names[path]}: own code {digest}")
        else:
            sentences.append(f"{piece}: own or edited since shipped (code {digest})")
    return sentences


def path_of(piece: str) -> str:
    """The import path of a piece that is someone's own, else empty."""
    name = piece.rpartition(" ")[2]
    return name if own.is_path(name) else ""


@cache
def _other_than_shipped(
    activations: tuple[str, ...], inits: tuple[str, ...], files: tuple[str, ...]
) -> dict[str, str]:
    entries = [f"activation {name}" for name in activations]
    entries += [f"init {name}" for name in inits]
    used = list(files)
    for entry in entries:
        used += imports_of_entry(entry)
    code = {}
    for piece in dict.fromkeys([*entries, *with_imports(used)]):
        digest = digest_of(piece)
        if digest != SHIPPED.get(piece):
            code[piece] = digest[:DIGITS]
    return code


@cache
def digest_of(piece: str) -> str:
    """12 hex digits of the SHA-256 of a piece's code."""
    if piece.endswith(".py"):
        return syntax.digest(syntax.content(syntax.without_keys(literals.tree(piece), READER_KEYS)))
    return syntax.digest(code_entries.content(piece))


def with_imports(files: Iterable[str]) -> list[str]:
    """The files and all that they import, directly or by others, MACHINERY left out."""
    todo = list(files)
    used: dict[str, None] = {}
    while todo:
        file = todo.pop()
        if file not in used:
            used[file] = None
            todo += _imports_of_file(file)
    return sorted(used)


@cache
def _imports_of_file(file: str) -> list[str]:
    """The files of the package that one imports, MACHINERY left out."""
    return _imports([literals.tree(file)], file)


def imports_of_entry(piece: str) -> list[str]:
    """The files of the package that an entry imports, MACHINERY left out."""
    nodes, used = code_entries.parts(piece)
    return _imports([*nodes, *itertools.chain(*used.values())], code_entries.registry_of(piece)[0])


def _imports_of_own(paths: Iterable[str | None]) -> list[str]:
    """The files of the package that someone's own code imports, MACHINERY left out."""
    files = []
    for path in paths:
        if own.is_path(path):
            files += _pieces(own_code.imported_modules(str(path)))
    return files


def _imports(nodes: Iterable[ast.AST], file: str) -> list[str]:
    """The files of the package that nodes of a file import, MACHINERY left out."""
    package = ".".join(["actstudy", *file.split("/")[:-1]])
    return _pieces(syntax.imported_modules(nodes, package))


def _pieces(modules: Iterable[str]) -> list[str]:
    """The files of the package that hold some modules, MACHINERY left out."""
    files = []
    for module in modules:
        imported = literals.module_file(module)
        if imported and (imported.startswith(SETS) or not imported.startswith(MACHINERY)):
            files.append(imported)
    return files
