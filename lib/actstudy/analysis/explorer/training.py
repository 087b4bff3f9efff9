"""Which runs trained: a word per run, and what a survival of runs that do not train says."""

from collections.abc import Hashable

from markupsafe import Markup

from actstudy.analysis.markdown import listed
from actstudy.analysis.page.training_sentences import with_outcomes
from actstudy.analysis.questions.outcomes import DIVERGES, STALLS, TRAINS
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.schema import ENDED, FAILED

TRAINED = {TRAINS: "yes", STALLS: "stalled", DIVERGES: "diverged"}
MEANING = (
    "A run survived if it ended with a number: it did not diverge. Whether it learnt anything is "
    "another question."
)
UNKNOWN = (
    "Which of them trained is not known here: that takes validation values and a chance level."
)
BY_STATUS = {"diverged": "diverged", **dict.fromkeys(FAILED, "failed")}


def trained(tables: Tables) -> list[str | None]:
    """Of each row of `runs`: yes, stalled, diverged or failed; none if that is not known.

    A run that was not run to its end has none, unless it failed.
    """
    words: dict[Hashable, str] = {}
    for task in tables.plan.tasks:
        judged = with_outcomes(tables, task)["outcome"].map(TRAINED).dropna()
        words |= dict(judged.items())
    runs = tables.frames["runs"]
    for row, word in runs["status"].map(BY_STATUS).dropna().items():
        words.setdefault(row, word)
    return [words.get(row) for row in runs.index]


def of_survival(tables: Tables, task: str) -> Markup:
    """What it means that a run of a task survived, and how many did not train."""
    judged = with_outcomes(tables, task)
    ended = judged[judged["status"].isin(ENDED)]
    if ended.empty:
        return Markup("<p>{} {}</p>").format(MEANING, UNKNOWN)
    counts = ended["outcome"].value_counts()
    others = {STALLS: "stalled at chance", DIVERGES: "diverged"}
    lost = [f"{counts[end]} {words}" for end, words in others.items() if end in counts]
    ends = listed([f"{counts.get(TRAINS, 0)} trained", *lost])
    text = f"Of {counted(len(ended), 'run')} that ended {ends}."
    where = " The column trained of the table runs names each." if lost else ""
    return Markup("<p>{} {}{}</p>").format(MEANING, text, where)
