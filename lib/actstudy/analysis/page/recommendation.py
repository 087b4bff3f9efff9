"""The answer of a task in sentences: what to use, what is decided, what is open."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import group_head, listed
from actstudy.analysis.page import references, risks
from actstudy.analysis.page.better import (
    EQUIVALENT,
    beaten_by,
    condition,
    seeds_of,
    sizes,
    use,
    verb,
)
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, most_needed, primary
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.plan import TaskPlan

MAX_GROUPS_NAMED = 4  # with a clause each; of more the verdicts are counted


def answer(tables: Tables, task: str) -> str:
    """Which level to use in a task instead of the baseline, as far as that is decided.

    Sentences on collapses that several tasks share (`risks.shared`) are left out.
    """
    settings = tables.plan.tasks[task]
    contrasts = primary(tables.of("contrasts", task))
    if contrasts.empty:
        if tables.lacks:
            return f"The comparisons with {settings.baseline} are not kept here."
        return f"there is no level to compare with {settings.baseline}."
    if contrasts["n"].max() == 0:
        return f"{nothing_to_compare(contrasts)}."
    texts = []
    if (contrasts["verdict"] == procedure.TOO_FEW).all():
        texts.append(too_few(contrasts, settings))
    else:
        texts += decided(tables, task, contrasts)
    if task not in risks.shared(tables)[0]:
        texts.append(risks.sentences(tables, task))
    return f"{' '.join(filter(None, texts))}{references.not_above(tables, task)}"


def in_short(tables: Tables, task: str) -> str:
    """The sentences of `answer` that a decision needs: what to use, and how all others stand."""
    settings = tables.plan.tasks[task]
    contrasts = primary(tables.of("contrasts", task))
    if contrasts.empty or contrasts["n"].max() == 0:
        return answer(tables, task)
    if (contrasts["verdict"] == procedure.TOO_FEW).all():
        texts = [few_words(contrasts)]
    elif contrasts["group"].nunique() > MAX_GROUPS_NAMED:
        texts = [totals(contrasts)]
    else:
        texts = []
        margin = f"margin: {scale.of_differences(settings).amount(settings.margin)}"
        is_one = contrasts["group"].nunique() == 1
        for group, part, rivals in by_group(tables, task, contrasts):
            clauses = [advice(part, rivals, settings)[0].removesuffix(".")]
            clauses += [
                references.baseline_mean(tables, task, group),
                *standing(part, rivals, settings),
            ]
            clauses += [margin] if is_one else []
            sentence = f"{'; '.join(filter(None, clauses))}."
            texts.append(group_head(group) + " ".join([sentence, *contradicted(part)]))
        texts += [] if is_one else [f"{margin.capitalize()}."]
    if task not in risks.shared(tables)[0]:
        texts.append(risks.sentences(tables, task))
    return f"{' '.join(filter(None, texts))}{references.not_above(tables, task)}"


def is_said_in_short(tables: Tables, task: str) -> bool:
    """Whether `in_short` names the verdict of every level, so that `answer` adds nothing."""
    contrasts = primary(tables.of("contrasts", task))
    too_few = (contrasts["verdict"] == procedure.TOO_FEW).all()
    if contrasts.empty or too_few or contrasts["group"].nunique() > MAX_GROUPS_NAMED:
        return False
    for _, part, rivals in by_group(tables, task, contrasts):
        if part["n"].nunique() > 1:
            return False
        better = part[(part["verdict"] == "better") & (part["contradiction"] == "")]
        if beaten_by(list(better["level"]), rivals):
            return False
    return True


def standing(group: pd.DataFrame, pairs: pd.DataFrame, settings: TaskPlan) -> Iterator[str]:
    """Which levels are worse, equivalent or open, in a few words each.

    group, pairs: as of `advice`, which names the levels that are better but for those that another
    one beats. If levels have other numbers of seeds than others, it is said how many.
    """
    lacks = group["n"] == 0
    missing = list(group.loc[lacks, "level"])
    group = group[~lacks]
    sound = group[group["contradiction"] == ""]
    better = sound[sound["verdict"] == "better"]
    beaten = better[better["level"].isin(beaten_by(list(better["level"]), pairs))]
    kinds = {
        "better too": beaten,
        "worse": sound[sound["verdict"] == "worse"],
        "equivalent": sound[sound["verdict"].isin(EQUIVALENT)],
        "undecided": group[group["verdict"].isin(OPEN_VERDICTS)],
    }
    for kind, rows in kinds.items():
        if len(rows):
            own = "" if kind == "undecided" else f" ({sizes(rows, settings)})"
            yield f"{kind}: {listed(list(rows['level']))}{own}"
    if missing:
        yield f"not compared: {listed(missing)}"
    if group["n"].nunique() > 1:
        yield f"n = {seeds_of(group)} seeds"


def totals(contrasts: pd.DataFrame) -> str:
    """How many comparisons have which verdict: `Of 144 comparisons ...: 12 better, ...`."""
    words = [f"{count} {words}" for words, count in in_words(contrasts).most_common()]
    head = f"Of {len(contrasts)} comparisons with the baseline (n = {seeds_of(contrasts)} seeds)"
    return f"{head}: {listed(words)}."


def decided(tables: Tables, task: str, contrasts: pd.DataFrame) -> list[str]:
    """What is decided and open, a text per group of cells, or of many groups one per level."""
    n_groups = contrasts["group"].nunique()
    if n_groups > MAX_GROUPS_NAMED:
        levels = contrasts["level"].unique()
        return [f"{verdict_counts(contrasts, level, n_groups)}." for level in levels]
    settings = tables.plan.tasks[task]
    texts = []
    for group, part, rivals in by_group(tables, task, contrasts):
        texts.append(group_head(group) + " ".join(advice(part, rivals, settings)))
    return texts


def by_group(
    tables: Tables, task: str, contrasts: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Per group of cells its name, its contrasts with the baseline, and those of all pairs."""
    pairs = tables.of("contrasts", task).query("family == 'all pairs'")
    for group in contrasts["group"].unique():
        yield group, contrasts[contrasts["group"] == group], pairs[pairs["group"] == group]


def nothing_to_compare(contrasts: pd.DataFrame) -> str:
    """Why no contrast has a pair: runs have not ended, or all that have ended diverged."""
    ended = contrasts["n_runs"].fillna(0) > 0
    diverged = contrasts["n_runs"] == contrasts["n_diverged"]
    if ended.all() and diverged.all():
        return "all runs that have ended diverged, so that there is nothing to compare"
    return "no seed has a comparable run of a level and its baseline yet"


def too_few(contrasts: pd.DataFrame, settings: TaskPlan) -> str:
    """That these seeds decide nothing, and the range of the differences without their names."""
    text = few_words(contrasts)
    means = contrasts["mean"].dropna()
    if contrasts["group"].nunique() > MAX_GROUPS_NAMED or len(means) < 2:
        return text
    size = scale.of_differences(settings)
    ends = dict.fromkeys([size.signed(means.min()), size.signed(means.max())])
    values = f"lie between {' and '.join(ends)}" if len(ends) > 1 else f"are all {''.join(ends)}"
    values = f"{values} {size.unit}".strip()
    return f"{text} The mean differences from {settings.baseline} that were seen {values}."


def few_words(contrasts: pd.DataFrame) -> str:
    """That there are too few seeds for any verdict."""
    n = int(contrasts["n"].max())
    return f"No verdict from {counted(n, 'seed')}: it takes at least {most_needed(contrasts)}."


def advice(group: pd.DataFrame, pairs: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """What to use, what to avoid, what is equal and what is open among one group's levels.

    group: the contrasts with the baseline; pairs: those of all pairs.
    """
    baseline = settings.baseline
    sound = group[group["contradiction"] == ""]
    better = sound[sound["verdict"] == "better"]
    worse = sound[sound["verdict"] == "worse"]
    equal = sound[sound["verdict"].isin(EQUIVALENT)]
    still_open = group[group["verdict"].isin(OPEN_VERDICTS)]
    texts = []
    if len(better):
        texts += use(better, pairs, settings)
    elif len(sound) == len(group) and still_open.empty:
        texts.append(keep(settings))
    elif len(worse) or len(equal):
        texts.append(f"Nothing is shown to be better than {baseline}.")
    else:
        texts.append(f"No recommendation from n = {seeds_of(group)} seeds.")
    if len(worse):
        texts.append(f"{verb(worse)} worse than {baseline} ({sizes(worse, settings)}).")
    margin = scale.of_differences(settings).amount(settings.margin)
    for _, part in equal.groupby("condition", sort=False):
        texts.append(f"{verb(part)} equivalent to {baseline}, within {margin}{condition(part)}.")
    texts += contradicted(group)
    if len(still_open):
        texts.append(f"Not decided: {listed(list(still_open['level']))}.")
    return texts


def contradicted(group: pd.DataFrame) -> list[str]:
    """A sentence per verdict that something speaks against."""
    texts = []
    for row in group[group["contradiction"] != ""].to_dict("records"):
        texts.append(f"{row['level']} was found {row['verdict']}, but {row['contradiction']}.")
    return texts


def keep(settings: TaskPlan) -> str:
    """That no level is better; equal frameworks are no reason to prefer one."""
    if crosses_framework(settings):
        return f"Nothing compared with {settings.baseline} is better."
    return f"Keep {settings.baseline}: nothing compared with it is better."


def verdict_counts(contrasts: pd.DataFrame, level: str, n_groups: int) -> str:
    """A level's verdicts in many groups: `gelu better in 3, undecided in 45 of 48 groups`."""
    counts = in_words(contrasts[contrasts["level"] == level])
    texts = [f"{words} in {count}" for words, count in counts.most_common()]
    return f"{level} {', '.join(texts)} of {n_groups} groups"


def in_words(contrasts: pd.DataFrame) -> Counter[str]:
    """Verdict with its condition, and whether something speaks against it -> how many there are."""
    counts: Counter[str] = Counter()
    for row in contrasts.to_dict("records"):
        words = f"{row['verdict']} {row['condition'] or ''}".strip()
        if row["contradiction"]:
            words += " (contradicted)"
        counts[words] += 1
    return counts
