"""Plans of small studies, for tests of tables, figures and pages."""

from collections.abc import Mapping
from typing import Any

from actstudy.contract.plan import Plan, TaskPlan

TASK: dict[str, Any] = {
    "title": "MLP on X",
    "metric": "accuracy",
    "unit": "share",
    "higher_is_better": True,
    "predicts": "classes",
    "x_axis": "epoch",
    "margin": 0.01,
    "margin_reason": "so",
    "log_unit": None,
    "classes": {"x": 10},
    "targets": [],
    "baseline": "relu",
    "recipe": {"lr": 0.01},
    "axes": {},
    "looks": False,
    "tune_lr": None,
    "figures": (),
}


def task_plan(**fields: Any) -> TaskPlan:
    """A task of accuracy against relu, but for some fields."""
    return TaskPlan(**{**TASK, **fields})


def plan_of(tasks: Mapping[str, Any] | None = None, **fields: Any) -> Plan:
    """A plan of tasks, each a TaskPlan or the fields in which it differs from `task_plan()`."""
    made = {}
    for name, task in (tasks or {"mlp": {}}).items():
        made[name] = task if isinstance(task, TaskPlan) else task_plan(**task)
    plan: dict[str, Any] = {
        "file": "config/s.yaml",
        "study": "s",
        "note": None,
        "compare": "activation",
        "family": "task",
        "claims": None,
        "levels": [],
        "runs": [],
        "tuning": [],
    }
    return Plan(tasks=made, **{**plan, **fields})
