"""How the seeds of a task come, and what that means for its verdicts, in words of the page."""

from actstudy.analysis.markdown import listed
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import family_share, reached
from actstudy.analysis.questions.power import first_to_decide
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan
from actstudy.study.looks import LOOKS


def notes(tables: Tables, task: str) -> list[str]:
    """How far a task's looks have come, or that its verdicts hold at any number of seeds."""
    settings = tables.plan.tasks[task]
    if settings.at_any_n:
        return [_any_n(tables, task)]
    progress = settings.looks_runs
    if not progress:
        return []
    sentences = _blind_looks(tables.plan)
    if not progress.ended:
        return [*sentences, f"Seeds are being added: {progress.run} are planned so far."]
    n_cells = len(tables.of("runs", task)[["group", "level"]].drop_duplicates())
    saved = (progress.all - progress.run) * n_cells
    return [
        *sentences,
        f"Seeds were added until every contrast was decided or {progress.all} had run: it took "
        f"{progress.run}, which saved {saved} of {progress.all * n_cells} runs.",
    ]


def _any_n(tables: Tables, task: str) -> str:
    """That verdicts hold at any number of seeds, and how many count if some have not ended."""
    runs = tables.of("runs", task)
    n_planned = int(runs["seed"].max()) + 1
    n_ended = reached(runs)
    text = (
        "The verdicts hold at any number of seeds, taken in the order of their numbers: the "
        "study may be looked at whenever, stopped, and continued with more seeds."
    )
    if n_ended < n_planned:
        text += f" They are of the first {n_ended} of {n_planned}, as runs of the next one go on."
    return text


def _blind_looks(plan: Plan) -> list[str]:
    """Which looks can find no difference, as their spend is below the smallest possible p."""
    looks = procedure.looks_of(True, family_share(plan))
    first = first_to_decide(looks)
    blind = [f"{n}" for n, _ in looks if n is not None and n < first]
    if not blind:
        return []
    return [
        f"With family: study over {len(plan.tasks)} tasks the look at {listed(blind)} seeds can "
        f"find no difference, only an equivalence: its share of the 5% is smaller than the "
        f"smallest p of so few seeds."
    ]


def rules(plan: Plan) -> dict[str, dict[str, str]]:
    """What the page explains of looks and of any number of seeds, by the template's names."""
    return {"looks": explained(plan), "any_n": at_any_n(plan)}


def explained(plan: Plan) -> dict[str, str]:
    """The seeds and the spends of looks in words; empty if no task has any."""
    if not any(settings.in_looks for settings in plan.tasks.values()):
        return {}
    looks = procedure.looks_of(True, family_share(plan))
    seeds = [str(n) for n, _ in looks]
    spends = [f"{100 * spend:.3g}%" for _, spend in looks]
    return {"seeds": f"{listed(seeds)} seeds", "spends": listed(spends, "or")}


def at_any_n(plan: Plan) -> dict[str, str]:
    """What differs in a study that may be looked at whenever; empty if no task of it may.

    tasks: which ones, or empty if all of them.
    """
    tasks = [task for task, settings in plan.tasks.items() if settings.at_any_n]
    if not tasks:
        return {}
    return {
        "tasks": listed(tasks) if len(tasks) < len(plan.tasks) else "",
        "looks": f"looks at {listed([str(n) for n in LOOKS])} seeds",
    }
