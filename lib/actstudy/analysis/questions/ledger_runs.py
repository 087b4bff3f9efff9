"""Measurements that a study's own runs answer: the group `runs` of a ledger."""

from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import Plan
from actstudy.contract.reading import Absent, Reading, mean_of


def cell(
    frames: Frames, plan: Plan, task: str, level: str, metric: str = "", group: str = ""
) -> list[Reading]:
    """The mean of a level's reported metric over its completed seeds."""
    runs = frames["runs"]
    own = runs[(runs["task"] == task) & (runs["level"] == level) & (runs["group"] == group)]
    if own.empty:
        raise Absent(f"needs task {task} with level {level}")
    column = f"reported_{metric or plan.tasks[task].metric}"
    completed = own[own["status"] == "completed"]
    return [Reading({"mean": mean_of(completed[column].dropna())})]


MEASUREMENTS = {"cell": cell}
