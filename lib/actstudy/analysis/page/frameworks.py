"""The section "Framework, activation or seed?": what a study that crosses frameworks answers.

Each sentence holds for its task, block and arithmetic. Nothing is called equal because it was not
found to differ, and nothing larger whose interval overlaps.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import group_head, listed
from actstudy.analysis.page import framework_origins, framework_tables, links
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, more_seeds, most_needed
from actstudy.analysis.questions.effects import SEED
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

FIGURE = "effects"
MAX_NAMED = 4  # cells with a verdict each; of more the verdicts are counted
SEEN = ("framework", "activation", SEED)  # of which the answer says how much was seen
NO_VERDICT = "without a verdict"
RIVALS = ("activation", "another seed")  # that the framework is compared with; of arithmetic the
# interval covers too little if noise is not normal (benchmarks/components.py)
FACTORS = ("framework", "back end")  # whose verdicts stand in sentences; the table has all


def sections(tables: Tables, figures: Path, page: Path) -> list[dict[str, Any]]:
    """The section's part of every task that crosses frameworks; page: the file that it is for."""
    parts = []
    for task, settings in tables.plan.tasks.items():
        if not crosses_framework(settings):
            continue
        parts.append(
            {
                "name": task,
                "title": settings.title,
                "sentences": list(sentences(tables, task)),
                "differences": framework_tables.differences(tables, task),
                "deviations": framework_tables.deviations(tables, task),
                "without_deviations": list(framework_tables.without_deviations(tables, task)),
                "speed": framework_tables.speed(tables, task),
                "speed_notes": list(speed_notes(tables, task)),
                "figures": links.figures([FIGURE], figures / task, page),
            }
        )
    return parts


def seen(tables: Tables, task: str) -> str:
    """How far two runs lie apart that differ in framework, activation or seed, for the answer.

    A sentence that begins with a space; empty for a task that does not cross frameworks.
    """
    settings = tables.plan.tasks[task]
    if not crosses_framework(settings):
        return ""
    table = tables.of("effects", task)
    size = scale.of_differences(settings)
    texts = []
    for factor in SEEN:
        rows = table[(table["factor"] == factor) & table["size"].notna()]
        if rows.empty:
            texts.append(f"{factor} not known")
            continue
        ends = dict.fromkeys(size.number(end) for end in (rows["size"].min(), rows["size"].max()))
        n_cells = counted(len(rows), "cell")
        text = f"{factor} {' to '.join(ends)} {size.unit}".rstrip() + f" in {n_cells}"
        texts.append(text if factor == SEED else f"{text} ({verdict_counts(rows)})")
    return f" Seen, as the typical difference of two runs by one factor: {'; '.join(texts)}."


def verdict_counts(rows: pd.DataFrame) -> str:
    """The verdicts of rows of `effects` with counts: `better in 2, without a verdict in 1`."""
    verdicts = []
    for row in rows.to_dict("records"):
        is_open = row["verdict"] in OPEN_VERDICTS
        verdicts.append(NO_VERDICT if is_open else f"{row['verdict']} {row['condition']}".strip())
    counts = Counter(verdicts)
    if len(counts) == 1:
        return verdicts[0]
    words = [f"{verdict} in {count}" for verdict, count in counts.most_common()]
    return ", ".join(words)


def sentences(tables: Tables, task: str) -> Iterator[str]:
    """The answer in sentences, the margin first."""
    yield stated(tables, task)
    yield from framework_origins.parity(tables, task)
    table = tables.of("effects", task)
    for factor in FACTORS:
        rows = table[table["factor"] == factor]
        for _, own in rows.groupby(["level", "baseline"], sort=False):
            yield verdicts(tables, task, own)
    if not (table["factor"] == "framework").any():
        yield "No Keras run can be compared with one of torch yet."
    yield from floor(tables, task)
    for _, part in tables.of("components", task).groupby(["block", "at"], sort=False):
        yield from largest(part)
    yield from framework_origins.left_out(tables, task)
    yield from framework_origins.stand_ins(tables, task)


def stated(tables: Tables, task: str) -> str:
    """The margin, and what it takes to call frameworks equivalent."""
    settings = tables.plan.tasks[task]
    margin = scale.of_differences(settings).amount(settings.margin)
    enough = "enough" if settings.at_any_n else f"at least {procedure.MIN_SEEDS}"
    return (
        f"The margin is {margin} ({settings.margin_reason}). It stands in the file of the study or "
        "of the task, and no result changes it; the history of that file says whether it was "
        f"written first. Frameworks are called equivalent only with {enough} "
        "pairs of runs and if a test at this margin, corrected for all comparisons, says so: that "
        "no difference was seen is not enough. All sides have one recipe, the same first weights "
        "and the same batches, so this compares what frameworks compute, not how well each could "
        "be tuned."
    )


def verdicts(tables: Tables, task: str, rows: pd.DataFrame) -> str:
    """The verdicts on two levels of a factor in all cells, and how many pairs they take."""
    settings = tables.plan.tasks[task]
    size = scale.of_differences(settings)
    level, baseline = rows.iloc[0][["level", "baseline"]]
    head = f"{level} against {baseline}:"
    n = int(rows["n"].max())
    if (rows["verdict"] == procedure.TOO_FEW).all():
        needed = f"no verdict from {pairs(n)}, it takes {most_needed(rows)}"
        return f"{head} {needed}{ranges(rows, size)}."
    if len(rows) > MAX_NAMED:
        counts = Counter(rows["verdict"])
        words = [f"{verdict} in {count}" for verdict, count in counts.most_common()]
        return f"{head} {', '.join(words)} of {len(rows)} cells."
    texts = []
    for row in rows.to_dict("records"):
        own = f"{group_head(row['group'])}{row['verdict']} {row['condition'] or ''}".strip()
        mean = f"{size.signed(row['mean'])} {size.unit}".strip()
        ends = size.bounded(row["low"], row["high"])
        interval = ends.replace("none", "no interval")
        text = f"{own} ({mean}, {interval}, {pairs(row['n'])})"
        if row["verdict"] in OPEN_VERDICTS:
            text += f", pairs to add for the margin: {more_seeds(row)[0]}"
        texts.append(text)
    return f"{head} {'; '.join(texts)}."


def pairs(n: int) -> str:
    """`1 pair`, `3 pairs`."""
    return counted(n, "pair")


def ranges(rows: pd.DataFrame, size: scale.Scale) -> str:
    """Between which values the mean differences lie that were seen; empty without any."""
    means = rows["mean"].dropna()
    if means.empty:
        return ""
    ends = dict.fromkeys([size.signed(means.min()), size.signed(means.max())])
    words = (
        "the mean difference seen is" if len(ends) == 1 else "the mean differences seen lie from"
    )
    return f"; {words} {' to '.join(ends)} {size.unit}".rstrip()


def floor(tables: Tables, task: str) -> Iterator[str]:
    """How far two runs of torch that share all but their arithmetic typically lie apart."""
    table = tables.of("effects", task)
    size = scale.of_differences(tables.plan.tasks[task])
    rows = table[(table["factor"] == "arithmetic") & (table["n"] > 1)]
    if rows.empty:
        yield (
            "There is no floor: no two runs of torch share all but their arithmetic, so that what "
            "rounding alone does to a run is not known. An entry {framework: torch, engine: "
            "compiled} of the axis framework adds it."
        )
        return
    texts = []
    for row in rows.head(MAX_NAMED).to_dict("records"):
        ends = (row["size"], row["size_low"], row["size_high"])
        value = size.with_interval(*ends)
        levels = f"{row['level']} against {row['baseline']}"
        texts.append(f"{group_head(row['group'])}{value} {size.unit}, {levels}, {pairs(row['n'])}")
    yield (
        "Floor: two runs of torch that share their seed and differ in arithmetic alone lie "
        f"typically so far apart: {'; '.join(texts)}. If single runs of two frameworks differ by "
        "no more, that says nothing of the frameworks."
    )


def largest(sources: pd.DataFrame) -> Iterator[str]:
    """Whether the framework or another source moves the result more, of one block's components.

    One is called larger only if the intervals do not overlap: then at least one of both 95%
    intervals would have to miss on one side for the sentence to be wrong, which 5% bounds.
    """
    by_source = {row["source"]: row for row in sources.to_dict("records")}
    own = by_source["framework"]
    if pd.isna(own["sd"]):
        return
    where = ", ".join(filter(None, [own["block"], own["at"]]))
    if own["n_seeds"] < procedure.MIN_SEEDS:
        few = f"{own['n_seeds']} seeds do not say it, it takes {procedure.MIN_SEEDS}"
        yield f"{group_head(where)}Which source moves the result most: {few}."
        return
    groups: dict[str, list[str]] = {"less": [], "more": [], "open": []}
    for source in RIVALS:
        row = by_source.get(source)
        if row is None or pd.isna(row["sd"]):
            continue
        is_less = row["low"] > own["high"]
        is_more = row["high"] < own["low"]
        groups["less" if is_less else "more" if is_more else "open"].append(source)
    if not any(groups.values()):
        return
    is_there = own["low"] > 0
    texts = [f"The framework {'moves' if is_there else 'is not shown to move'} the result"]
    than = "it moves it {} than {}" if is_there else "its effect, if any, is {} than that of {}"
    for word in ("less", "more"):
        if groups[word]:
            texts.append(than.format(word, listed(groups[word])))
    if groups["open"]:
        texts.append(f"whether more or less than {listed(groups['open'], 'or')} is not shown")
    is_mean = pd.notna(by_source.get("framework x activation", {}).get("sd"))
    over = "; the mean over activations" if is_mean else ""
    yield f"{group_head(where)}{'; '.join(texts)} ({counted(own['n_seeds'], 'seed')}{over})."


def speed_notes(tables: Tables, task: str) -> Iterator[str]:
    """What the table of speed holds for."""
    table = tables.of("speed", task)
    if table.empty:
        return
    yield (
        "A row is of one device and one execution; the ratio over torch compares two executions on "
        "the same device, not frameworks as such. Each process trains one run; those that were "
        "resumed or shared a GPU are not timed. Intervals are Student's, of the ratio Welch's, "
        "95%, over processes. Throughput leaves compiling steps out, which a short run pays in "
        "full. Memory of different kinds is not compared. A ratio takes 3 processes of each side."
    )
    if table["memory_kind"].astype(str).str.startswith("process").any():
        yield "Of a CPU it is not known what else ran on it at the time."
    n_not_timed = int(table["n_not_timed"].sum())
    if n_not_timed:
        yield f"Not timed: {n_not_timed} of {int(table['n'].sum()) + n_not_timed} processes."
    if table["execution"].isna().any():
        yield "Some runs did not record how they were executed: their rows say so."
