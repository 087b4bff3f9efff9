"""One-letter typos of every name that a study file may hold, and whether the name that was meant is
suggested.
"""

import random
import string
import typing
from collections.abc import Iterator
from pathlib import Path

from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.study import claims, planning
from actstudy.study.config import RunFields, StudyFile, TaskBlock

LETTERS = string.ascii_lowercase + string.digits + "_"
CLAIMS = "claims: {source: a, metric: error_percent, tolerance: 1, values: {relu: {mean: 1}}}"
ALONE = "tasks: {mlp: {activation: relu}}"
LEVELS = ["tanh", "relu", "leaky_relu", "gelu", "silu"]


def places() -> Iterator[tuple[str, list[str], str]]:
    """Kind of name, all names of that kind, and a study file with TYPO where one of them
    belongs.
    """
    fields, levels = list(RunFields.model_fields), f"axes: {{activation: [{', '.join(LEVELS)}]}}\n"
    yield "key of a study", list(StudyFile.model_fields), f"'TYPO': 1\n{ALONE}"
    yield "key of defaults", fields, f"defaults: {{'TYPO': 1}}\n{ALONE}"
    yield (
        "key of a task",
        list(TaskBlock.model_fields),
        "tasks: {mlp: {activation: relu, 'TYPO': 1}}",
    )
    yield "axis", fields, f"axes: {{'TYPO': [1, 2]}}\n{ALONE}"
    yield (
        "key of claims",
        list(claims.Claims.model_fields),
        f"{CLAIMS.replace('{source', '{' + repr('TYPO') + ': 1, source')}\n{ALONE}",
    )
    yield (
        "key of a value",
        list(claims.Value.model_fields),
        f"{CLAIMS.replace('mean: 1', repr('TYPO') + ': 1')}\n{ALONE}",
    )
    yield (
        "metric of claims",
        list(claims.METRICS),
        f"{CLAIMS.replace('error_percent', repr('TYPO'))}\n{ALONE}",
    )
    yield (
        "level of claims",
        LEVELS,
        f"{CLAIMS.replace('relu', repr('TYPO'))}\n{levels}tasks: {{mlp: }}",
    )
    yield "baseline", LEVELS, f"baseline: 'TYPO'\n{levels}tasks: {{mlp: }}"
    yield "task", list(registry.tasks()), "tasks: {'TYPO': {activation: relu}}"
    yield "data set", list(registry.datasets()), "tasks: {mlp: {activation: relu, dataset: 'TYPO'}}"
    names = [*registry.activations(), *registry.literal("nets/activations.py", "ALIASES")]
    yield "activation", names, "axes: {activation: ['TYPO']}\ntasks: {mlp: }"
    yield (
        "init policy",
        list(registry.init_policies()),
        "tasks: {mlp: {activation: relu, init: 'TYPO'}}",
    )
    for name, args in registry.activations().items():
        if args:
            text = f"tasks: {{mlp: {{activation: {name}, activation_args: {{'TYPO': 1}}}}}}"
            yield f"argument of {name}", list(args), text
    for name, args in registry.init_policies().items():
        if args:
            text = f"tasks: {{mlp: {{activation: relu, init: {name}, init_args: {{'TYPO': 1}}}}}}"
            yield f"argument of {name}", list(args), text
    hints = {
        "family": StudyFile.__annotations__["family"],
        "device": StudyFile.__annotations__["device"],
    }
    for name, hint in {**typing.get_type_hints(RunSpec), **hints}.items():
        for part in (hint, *typing.get_args(hint)):
            if typing.get_origin(part) is typing.Literal:
                text = (
                    f"{name}: 'TYPO'\n{ALONE}"
                    if name in hints
                    else f"defaults: {{{name}: 'TYPO'}}\n{ALONE}"
                )
                yield f"choice of {name}", list(typing.get_args(part)), text


def typos(name: str) -> list[str]:
    """Every word that is one letter left out, put in or changed, or two neighbours swapped, away
    from a name.
    """
    n = len(name)
    made = {name[:i] + name[i + 1 :] for i in range(n)}
    made |= {name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(n - 1)}
    made |= {name[:i] + letter + name[i + 1 :] for i in range(n) for letter in LETTERS}
    made |= {name[:i] + letter + name[i:] for i in range(n + 1) for letter in LETTERS}
    return sorted(made - {name, ""})


def measured(
    file: Path, each: int | None, seed: int = 0
) -> tuple[dict[str, tuple[int, int, int]], list[str]]:
    """Kind -> typos suggested rightly, all, and names themselves, of `each` typos of every name;
    and the misses.
    """
    rng, counts, misses = random.Random(seed), dict[str, tuple[int, int, int]](), list[str]()
    for kind, names, text in places():
        right = tried = valid = 0
        for name in names:
            made = typos(name)
            wrong = [typo for typo in made if typo not in names]
            valid += len(made) - len(wrong)
            for typo in wrong if each is None else rng.sample(wrong, min(each, len(wrong))):
                tried += 1
                said = told(file, text.replace("TYPO", typo))
                right += f"did you mean {name!r}?" in said
                if f"did you mean {name!r}?" not in said:
                    misses.append(f"{kind}: {name} as {typo}")
        counts[kind] = right, tried, valid
    return counts, misses


def told(file: Path, text: str) -> str:
    """What is said of a study file."""
    file.write_text(text)
    try:
        planning.load(file)
    except StudyError as fault:
        return str(fault)
    return "nothing"


def main(file: Path, each: int | None) -> float:
    """The share of typos whose name is suggested, printed with the kinds of name where it is below
    1.
    """
    counts, misses = measured(file, each)
    right, tried, valid = (sum(column) for column in zip(*counts.values(), strict=True))
    print(
        f"typos: {right} of {tried} suggested rightly, {right / tried:.2%}; "
        f"{valid} are names themselves"
    )
    for kind, (good, all_of_it, _) in counts.items():
        if good < all_of_it:
            print(f"  {kind}: {good} of {all_of_it}, {good / all_of_it:.1%}")
    rng = random.Random(0)
    print("  missed, for example: " + "; ".join(rng.sample(misses, min(12, len(misses)))))
    return right / tried
