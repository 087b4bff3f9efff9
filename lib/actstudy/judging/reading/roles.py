"""Which column is the level, the seed, the task: by what the user says, else by its name."""

from collections.abc import Collection, Sequence

from actstudy.contract.errors import StudyError
from actstudy.judging.reading.options import Options, check_column

NAMES = {  # role -> the names by which a column has it, in lower case
    "level": (
        "level",
        "method",
        "algorithm",
        "variant",
        "arm",
        "condition",
        "treatment",
        "activation",
        "optimizer",
        "model",
        "solver_name",
    ),
    "seed": ("seed", "random_seed", "random_state", "rng_seed", "seed_id", "idx_rep", "fold"),
    "task": ("task", "dataset", "data_set", "benchmark", "dataset_name"),
    "group": ("group",),
    "step": ("step", "_step", "global_step", "epoch", "iteration", "stop_val"),
    "diverged": ("diverged", "is_diverged"),
    "chance": ("chance",),
    "value": ("value", "score"),
}
SPLITS = "./"  # between the parts of a setting's name: `trainer.seed`, `optimizer/lr`


def column_of(
    role: str, options: Options, names: Sequence[str], where: str, used: Collection[str] = ()
) -> str | None:
    """The column that has a role, None if none has; StudyError if it is unknown or not clear which.

    used: columns that have another role already.
    """
    named = getattr(options, role, None)
    free = [name for name in names if name not in used]
    if named is not None:
        return check_column(role, named, free, where)
    columns = fitting(role, free)
    if len(columns) > 1:
        several = ", ".join(columns)
        raise StudyError(f"{where}: {role}: got several, {several}; allowed: one of them, named")
    return columns[0] if columns else None


def fitting(role: str, names: Sequence[str]) -> list[str]:
    """The columns whose name is one of a role; if none is, those whose last part is one."""
    ending = [name for name in names if last_part(name) in NAMES[role]]
    exact = [name for name in ending if name.strip().lower() in NAMES[role]]
    return exact or ending


def last_part(name: str) -> str:
    """The last part of the name of a column or setting, in lower case: `args.Seed` -> `seed`."""
    plain = name.strip().lower()
    for mark in SPLITS:
        plain = plain.rpartition(mark)[2]
    return plain


def said_or_assumed(role: str, name: str, options: Options) -> str:
    """The sentence on a column that was taken for a role; empty if the user named it."""
    if getattr(options, role, None) is not None:
        return ""
    return f"{name!r} is taken as the {role}, by its name."
