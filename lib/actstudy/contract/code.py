"""The code that decides a run's numbers: hashes of its sources, compared with what is shipped.

A piece is an entry of a registry, `activation relu` or `init auto`, or a file of the package that a
task, a data set or an entry imports, `nets/mlp.py`. Its hash is of the syntax tree without what
only a reader or a study uses. The trainer itself (MACHINERY) is no piece: RECIPE stands for it.
"""

import ast
from collections.abc import Iterable, Sequence
from functools import cache

from actstudy.contract import literals, nets, own, own_code, own_data, own_tasks, syntax
from actstudy.contract.errors import StudyError
from actstudy.contract.shipped import SHIPPED
from actstudy.contract.spec import RunSpec, names_in

DIGITS = 8  # of a hash in a run's spec
ACTIVATIONS = "nets/activations.py"
INITS = "nets/initializers.py"
PACKED = "nets/packed.py"  # many models as one
ENTRIES = {  # kind -> the file and name of its registry
    "activation": (ACTIVATIONS, "ACTIVATIONS"),
    "init": (INITS, "POLICIES"),
}
READER_ARGUMENTS = ("formula", "paper")  # of an entry: they change no number
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
    ACTIVATIONS,  # its entries are
    INITS,
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
        used += _imports(_entry_nodes(entry), ENTRIES[entry.split()[0]][0])
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
    return syntax.digest(_entry_content(piece))


def with_imports(files: Iterable[str]) -> list[str]:
    """The files and all that they import, directly or by others, MACHINERY left out."""
    todo = list(files)
    used: dict[str, None] = {}
    while todo:
        file = todo.pop()
        if file not in used:
            used[file] = None
            todo += _imports([literals.tree(file)], file)
    return sorted(used)


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


def _entry_content(piece: str) -> list[object]:
    """What an entry says, and all that it names in its registry's file.

    Statements there that define no name, such as `ACTIVATIONS["relu"] = ...`, count for each entry.
    """
    definitions, others = syntax.top_level(literals.tree(ENTRIES[piece.split(" ", 1)[0]][0]))
    arguments = sorted((name, syntax.content(node)) for name, node in _arguments(piece).items())
    names = {name: syntax.content(definitions[name]) for name in _names(piece)}
    return [arguments, syntax.content(others), sorted(names.items())]


def _entry_nodes(piece: str) -> list[ast.AST]:
    """The expressions and definitions that an entry consists of."""
    definitions, others = syntax.top_level(literals.tree(ENTRIES[piece.split(" ", 1)[0]][0]))
    nodes: list[ast.AST] = [*_arguments(piece).values(), *others]
    for name in _names(piece):
        nodes += definitions[name]
    return nodes


def _names(piece: str) -> list[str]:
    """The names of the registry's file that an entry depends on, but for the registry itself."""
    file, name = ENTRIES[piece.split(" ", 1)[0]]
    definitions, others = syntax.top_level(literals.tree(file))
    return syntax.closure([*_arguments(piece).values(), *others], definitions, but=name)


def _arguments(piece: str) -> dict[str, ast.AST]:
    """Argument -> its expression in an entry, such as `Activation(...)`; "" -> any other entry."""
    kind, name = piece.split(" ", 1)
    file, registry_name = ENTRIES[kind]
    entry = literals.entry(file, registry_name, name)
    fields = _fields(file, entry)
    if not isinstance(entry, ast.Call) or not fields:
        return {"": entry}
    arguments: dict[str, ast.AST] = dict(zip(fields, entry.args, strict=False))
    arguments |= {str(keyword.arg): keyword.value for keyword in entry.keywords}
    return {name: node for name, node in arguments.items() if name not in READER_ARGUMENTS}


def _fields(file: str, entry: ast.expr) -> list[str]:
    """The fields, in order, of the class of the file that an entry calls; empty if of none."""
    definitions, _ = syntax.top_level(literals.tree(file))
    callee = getattr(getattr(entry, "func", None), "id", "")
    fields = []
    for statement in definitions.get(callee, []):
        for part in getattr(statement, "body", []):
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                fields.append(part.target.id)
    return fields
