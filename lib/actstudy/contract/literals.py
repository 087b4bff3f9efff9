"""Source files of the package read with `ast`, without running them; every fault is one line."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

from actstudy.contract.errors import StudyError

PACKAGE = Path(__file__).resolve().parents[1]
LITERALS = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.UnaryOp)
LITERAL = "values written out, no names and no calls, as the file is read without running it"


@cache
def tree(file: str) -> ast.Module:
    """A file of the package, parsed; StudyError, with the line, if it is not Python."""
    try:
        return ast.parse((PACKAGE / file).read_bytes())
    except SyntaxError as error:
        raise StudyError(f"{path_of(file)}: line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # a null byte
        raise StudyError(f"{path_of(file)}: {error}") from None


def path_of(file: str) -> str:
    """A file of the package as messages name it."""
    return f"lib/actstudy/{file}"


@cache
def assignments(file: str) -> dict[str, ast.expr]:
    """Name -> expression of the assignments at the top level of a file of the package."""
    expressions: dict[str, ast.expr] = {}
    for node in tree(file).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            expressions[target.id] = value
    return expressions


def may_assign(file: str, name: str) -> bool:
    """Whether a file of the package assigns a name, or has it and cannot be parsed.

    It is parsed only if its text does not say: of all files that would take a third of planning.
    """
    text = (PACKAGE / file).read_bytes()
    word = name.encode()
    if word not in text:
        return False
    if re.search(rb"^%b[ \t]*(:[^=\n]*)?=(?!=)" % word, text, re.MULTILINE):
        return True
    try:
        return name in assignments(file)
    except StudyError:
        return True


def entry(file: str, name: str, key: str) -> ast.expr:
    """The expression under a key of the dictionary that a file of the package assigns to `name`."""
    dictionary = cast(ast.Dict, assignments(file)[name])
    keys = [getattr(node, "value", None) for node in dictionary.keys]
    last = len(keys) - 1 - keys[::-1].index(key)  # of equal keys Python takes the last
    return dictionary.values[last]


def module_file(module: str) -> str | None:
    """The file of the package that holds a module, from `lib/actstudy` on; None for others."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.relative_to(PACKAGE).as_posix()
    return None


def functions(file: str) -> set[str]:
    """Names of what a file of the package defines or imports at its top level."""
    names = set()
    for node in tree(file).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names | set(assignments(file))


def value_of(expression: ast.expr, where: str) -> Any:
    """The value of a literal; StudyError, with the first part that is computed, if it is none."""
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        computed = expression
        for node in ast.walk(expression):
            if isinstance(node, ast.expr) and not isinstance(node, LITERALS):
                computed = node
                break
        got = f"line {computed.lineno}: got {ast.unparse(computed):.80}"
        raise StudyError(f"{where}: {got}; allowed: {LITERAL}") from None
