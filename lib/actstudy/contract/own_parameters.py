"""What someone's own function or class takes, read from its source."""

import ast
from pathlib import Path
from typing import Any

from actstudy.contract import own, syntax
from actstudy.contract.own import Definition


def of(path: str) -> dict[str, Any] | None:
    """Parameter -> its default, `...` if it has none or one that is computed.

    Of a function, or of the `__init__` of a class, which it may inherit from one whose name is
    written out. None if no source says them.
    """
    return _parameters(own.find(path), ())


def _parameters(definition: Definition, seen: tuple[Definition, ...]) -> dict[str, Any] | None:
    statement = (definition.statements or (None,))[-1]
    offset = 0
    if isinstance(statement, ast.ClassDef):
        inits = [part for part in statement.body if getattr(part, "name", "") == "__init__"]
        if not inits:
            return _inherited(statement, definition, (*seen, definition))
        statement = inits[-1]
        offset = 1  # self
    if not isinstance(statement, ast.FunctionDef):
        return None
    arguments = statement.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    defaults += arguments.defaults
    names += [argument.arg for argument in arguments.kwonlyargs]
    defaults += arguments.kw_defaults
    values = map(syntax.literal_value, defaults)
    return dict(list(zip(names, values, strict=True))[offset:])


def _inherited(
    statement: ast.ClassDef, definition: Definition, seen: tuple[Definition, ...]
) -> dict[str, Any] | None:
    """The parameters of the first base class that is not installed and has an `__init__`."""
    tree = own.tree(definition.file)
    for base in statement.bases:
        where = syntax.origin(base, tree, definition.package, definition.module)
        spec = own.module_spec(where[0]) if where else None
        if where is None or spec is None or not own.is_own(Path(str(spec.origin))):
            continue
        part = own.define(*where)
        if part is not None and part not in seen:
            parameters_of_base = _parameters(part, seen)
            if parameters_of_base is not None:
                return parameters_of_base
    return None
