"""Entries of the registries of activations and init policies as code: what they consist of.

A piece is `activation relu` or `init auto`.
"""

import ast

from actstudy.contract import literals, registry, syntax

ACTIVATIONS = "nets/activations.py"
FEED_FORWARD = "nets/feed_forward.py"
INITS = "nets/initializers.py"
ENTRIES = {  # kind -> the file and name of its registry
    "activation": (ACTIVATIONS, "ACTIVATIONS"),
    "init": (INITS, "POLICIES"),
}
READER_ARGUMENTS = ("formula", "paper")  # of an entry: they change no number


def content(piece: str) -> list[object]:
    """What an entry says, and all that it names in its registry's file.

    Statements there that define no name, such as `ACTIVATIONS["relu"] = ...`, count for each entry.
    """
    arguments = _arguments(piece)
    nodes, used = parts(piece)
    others = nodes[len(arguments) :]
    of_arguments = sorted((name, syntax.content(node)) for name, node in arguments.items())
    names = sorted((name, syntax.content(parts)) for name, parts in used.items())
    return [of_arguments, syntax.content(others), names]


def parts(piece: str) -> tuple[list[ast.AST], dict[str, list[ast.stmt]]]:
    """The nodes of an entry's arguments and of those statements; name -> definition of its file."""
    file, registry_name = registry_of(piece)
    definitions, others = syntax.top_level(literals.tree(file))
    nodes: list[ast.AST] = [*_arguments(piece).values(), *others]
    used = syntax.closure(nodes, definitions, but=registry_name)
    return nodes, {name: definitions[name] for name in used}


def registry_of(piece: str) -> tuple[str, str]:
    """The file and the name of the registry that has an entry."""
    kind, name = piece.split(" ", 1)
    if kind == "activation" and name in registry.feed_forward():
        return FEED_FORWARD, "FEED_FORWARD"
    return ENTRIES[kind]


def _arguments(piece: str) -> dict[str, ast.AST]:
    """Argument -> its expression in an entry, such as `Activation(...)`; "" -> any other entry."""
    file, registry_name = registry_of(piece)
    entry = literals.entry(file, registry_name, piece.split(" ", 1)[1])
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
