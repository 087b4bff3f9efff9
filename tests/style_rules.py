"""Counts of style in one file, over its syntax tree: what a line carries, names, sizes.

A statement is any `ast.stmt` node, so a docstring is one too. A packing is an assignment whose
target and value are both tuple literals; it is unrelated unless it is a swap, its targets are
sizes (capitals: B, T), differ in a number only (w1, w2), or form a pair of PAIRS. A comprehension
is nested if it holds another or has two `for`s. A name is banned if it is bound (assigned, a
parameter, a function, an attribute that is set) and is on a list below, leading underscores left
out. A function's length leaves out its docstring.
"""

import ast
import re
from collections import Counter
from functools import cache

LINE_LIMIT = 100
BANNED = {
    "found", "made", "told", "said", "mine", "one", "kept", "shown", "chosen", "taken", "asked",
    "given", "wanted", "here", "held", "left", "ours", "theirs",
}  # fmt: skip
BANNED_CONSTANTS = {
    "MOST", "FEWEST", "FEW", "LARGEST", "DEEPEST", "NEAR", "CALM", "BUSY", "AGAIN", "PART", "EVEN",
    "AT",
}  # fmt: skip
PAIRS = (
    "low high, lower upper, x y, y x, first second, first last, rows columns, start end, "
    "start stop, begin end, before after, top bottom, left right, width height, height width, h w, "
    "w h, min max, minimum maximum, mean sd, mean std, mean variance, winner loser, better worse, "
    "real imaginary, train test, train val, train val test, old new, u v, i j, a b, a b c, p q, "
    "x y z, inner outer, source target, expected actual"
)
TRUE_PAIRS = {tuple(names.split()) for names in PAIRS.split(", ")}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SEQUENCES = (ast.List, ast.Tuple, ast.ListComp)


def bound_name(node: ast.AST) -> str | None:
    """The name that `node` binds, None if it binds none."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        if not isinstance(node.ctx, ast.Store):
            return None
        return node.id if isinstance(node, ast.Name) else node.attr
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler)):
        return node.name
    if isinstance(node, ast.alias):
        return node.asname
    return None


def is_banned(name: str) -> bool:
    """True for a name of the lists above, with or without leading underscores."""
    bare = name.lstrip("_")
    return bare.lower() in BANNED or bare in BANNED_CONSTANTS


def is_packing(node: ast.AST) -> bool:
    """True for `a, b = x, y`: a tuple literal on both sides."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    return any(isinstance(target, ast.Tuple) for target in node.targets)


def belong_together(names: list[str]) -> bool:
    """True for names of one pair: those of PAIRS, sizes, or names that differ in a number only.

    Names of several words (`p_low, p_high`) are a pair if they differ in one word, which is one.
    """
    if all(re.fullmatch("[A-Z]", name) for name in names):
        return True
    if len({re.sub(r"\d+", "", name) for name in names}) == 1:
        return True
    words = [name.lstrip("_").split("_") for name in names]
    if len({len(parts) for parts in words}) > 1:
        return False
    differing = [parts for parts in zip(*words, strict=True) if len(set(parts)) > 1]
    return len(differing) == 1 and differing[0] in TRUE_PAIRS


def is_unrelated(node: ast.Assign) -> bool:
    """True for a packing that is neither a swap nor a pair."""
    target = next(target for target in node.targets if isinstance(target, ast.Tuple))
    sources = [ast.unparse(element) for element in target.elts]
    values = [ast.unparse(element) for element in node.value.elts]
    if set(sources) == set(values):
        return False
    names = [bound_name(element) for element in target.elts]
    return None in names or not belong_together(names)


def is_nested(node: ast.AST) -> bool:
    """True for a comprehension with two `for`s or another comprehension in it."""
    if len(node.generators) > 1:
        return True
    return any(isinstance(inner, COMPREHENSIONS) for inner in ast.walk(node) if inner is not node)


def is_condition(node: ast.AST) -> bool:
    """True for an expression that is a boolean by its form."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "bool"
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, (ast.Compare, ast.BoolOp))


def is_times_bool(node: ast.AST) -> bool:
    """True for a list, tuple or text times a condition, an `if` in disguise."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return False
    for sequence, factor in ((node.left, node.right), (node.right, node.left)):
        text = isinstance(sequence, ast.JoinedStr) or (
            isinstance(sequence, ast.Constant) and isinstance(sequence.value, str)
        )
        if is_condition(factor) and (text or isinstance(sequence, SEQUENCES)):
            return True
    return False


def function_length(node: ast.AST) -> int:
    """Lines of a function from `def` to its end, without its docstring and decorators."""
    length = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        length -= docstring.end_lineno - docstring.lineno + 1
    return length


def count_node(node: ast.AST) -> Counter:
    """What one node of a tree adds to the counts."""
    counts: Counter = Counter()
    counts["statements"] += isinstance(node, ast.stmt)
    counts["ifs"] += isinstance(node, ast.IfExp)
    counts["unions"] += isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr)
    counts["times_bool"] += is_times_bool(node)
    if is_packing(node):
        counts["packings"] += 1
        counts["unrelated"] += is_unrelated(node)
    if isinstance(node, COMPREHENSIONS):
        counts["comprehensions"] += 1
        counts["nested"] += is_nested(node)
    if isinstance(node, FUNCTIONS):
        counts["functions"] += 1
        counts["documented"] += ast.get_docstring(node) is not None
    name = bound_name(node)
    if name is not None:
        counts["banned"] += is_banned(name)
    return counts


@cache
def count_text(text: str) -> Counter:
    """All counts of one file's text, counted once: not to be changed."""
    counts: Counter = Counter()
    lines = text.splitlines()
    counts["lines"] = len(lines)
    for line in lines:
        counts["full_lines"] += bool(line.strip())
        counts["characters"] += len(line)
        counts["long_lines"] += len(line) > LINE_LIMIT
    for node in ast.walk(ast.parse(text)):
        counts.update(count_node(node))
    return +counts


def function_lengths(text: str) -> list[int]:
    """The length of each function of one file's text."""
    nodes = ast.walk(ast.parse(text))
    return [function_length(node) for node in nodes if isinstance(node, FUNCTIONS)]
