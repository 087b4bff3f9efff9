"""The plan of a package, from its imports: which room is above which, and import circles."""

import ast
from collections.abc import Collection
from functools import cache
from pathlib import Path

Graph = dict[str, set[str]]


def packages(folder: Path) -> list[Path]:
    """The packages (folders with `__init__.py`) at or directly under `folder`."""
    if (folder / "__init__.py").exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/__init__.py"))


def imported(path: Path, modules: Collection[str]) -> set[str]:
    """Which of `modules` a file imports, wherever in it.

    `from a import b` is an import of `a.b` if that is a module, else of `a`.
    """
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in modules else node.module)
    return names & set(modules)


@cache
def import_graph(package: Path) -> Graph:
    """Module -> modules of the package that it imports (absolute imports only); not to be changed.

    Read once per process.
    """
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        modules[".".join(parts)] = path
    return {name: imported(path, modules) - {name} for name, path in modules.items()}


def room(module: str) -> str:
    """The room of a module: the folder of its package, or the file itself beside the folders."""
    return module.split(".")[1] if "." in module else module


def rooms(files: Graph) -> Graph:
    """The graph of files, joined to one of rooms; the package's own `__init__` is left out."""
    joined: Graph = {room(module): set() for module in files if "." in module}
    for module, imports in files.items():
        if "." in module:
            joined[room(module)] |= {room(name) for name in imports if "." in name}
    return {name: imports - {name} for name, imports in joined.items()}


def reachable(graph: Graph, start: str) -> set[str]:
    """All that `start` imports, directly or not."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - reached:
            reached.add(name)
            waiting.append(name)
    return reached


def circles(graph: Graph) -> list[set[str]]:
    """The groups of files or rooms that import each other."""
    below = {name: reachable(graph, name) for name in graph}
    groups = []
    for name in graph:
        group = {other for other in below[name] if name in below[other]}
        if group and group not in groups:
            groups.append(group)
    return groups


def floors(graph: Graph) -> dict[str, int]:
    """Name -> floor: 1 imports nothing, others are one above the highest that they import.

    A circle is one floor.
    """
    circle_of = {name: group for group in circles(graph) for name in group}
    below = {name: reachable(graph, name) - circle_of.get(name, set()) for name in graph}
    floor_of: dict[str, int] = {}
    for name in sorted(graph, key=lambda name: len(below[name])):
        floor_of[name] = 1 + max((floor_of[other] for other in below[name]), default=0)
    return floor_of
