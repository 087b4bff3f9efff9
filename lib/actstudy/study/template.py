"""A task's settings as a study file that trains the same runs, every value with its reason."""

import yaml

from actstudy.contract import checkout, registry
from actstudy.study import planning
from actstudy.study.config import RunFields

UNNAMED = "TABLE"  # where the file of a task without data of its own needs a name


def template(task: str) -> str:
    """The text of a study of one task with the activations and the baseline of the default study.

    Values that are deleted from the file fall back to the same defaults.
    """
    own = registry.task(task)
    default = planning.load(checkout.ROOT / checkout.DEFAULT_STUDY)
    baseline = next(iter(default.tasks.values())).baseline
    targets_reason = f"{own['metric']}: steps and seconds until then are tabled"
    lines = [
        f"# A study of task {task}: {own['title']}. Save it as NAME.yaml, then:",
        "#   actstudy run NAME.yaml",
        "# Every value is the task's own; what you delete stays as it is.",
        f"baseline: {_inline(baseline)}",
        "axes:",
        f"  activation: {_inline(default.activations)}",
        "tasks:",
        f"  {task}:",
        "    seeds: 3",
        f"    targets: {_inline(own['targets'])}  # {targets_reason}",
        f"    margin: {_inline(own['margin'])}  # {own['margin_reason']}",
    ]
    if "dataset" not in own["defaults"]:
        lines.append(f"    dataset: {UNNAMED}  # your data: {_meaning('dataset')}")
    for name, value in own["defaults"].items():
        lines.append(f"    {name}: {_inline(value)}  # {_meaning(name)}")
    return "\n".join(lines) + "\n"


def _meaning(name: str) -> str:
    """The reason of a run field."""
    return str(RunFields.model_fields[name].description)


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
