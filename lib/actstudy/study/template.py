"""A task's settings as a study file that trains the same runs, every value with its reason."""

import yaml

from actstudy.contract import registry
from actstudy.study.config import RunFields

LEVELS = ["tanh", "relu", "leaky_relu", "gelu", "silu"]


def template(task: str) -> str:
    """The text of a study of one task; values that are left out of the file fall back to the same defaults."""
    own = registry.task(task)
    lines = [
        f"# A study of task {task}: {own['title']}. Save it as config/NAME.yaml, then:",
        "#   snakemake --configfile config/NAME.yaml",
        "# Every value is the task's own; what you delete stays as it is.",
        "baseline: relu",
        "axes:",
        f"  activation: {_inline(LEVELS)}",
        "tasks:",
        f"  {task}:",
        "    seeds: 3",
        f"    targets: {_inline(own['targets'])}  # {own['metric']}: steps and seconds until then are tabled",
        f"    margin: {_inline(own['margin'])}  # {own['margin_reason']}",
    ]
    for name, value in own["defaults"].items():
        lines.append(f"    {name}: {_inline(value)}  # {RunFields.model_fields[name].description}")
    return "\n".join(lines) + "\n"


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
