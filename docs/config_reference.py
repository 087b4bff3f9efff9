"""Print docs/config.md from the models: `python docs/config_reference.py > docs/config.md`."""

import dataclasses
import typing

import yaml

from actstudy.contract import nets, registry
from actstudy.contract.spec import DEFAULTS, RunSpec
from actstudy.study import model_checks, packs
from actstudy.study.checks import RESERVED
from actstudy.study.config import RunFields, StudyFile, TaskBlock
from actstudy.study.seeding import MAX_RUNS

HEAD = """# Study files

A study is one self-contained YAML file and is named after it: `config/config.yaml` (the study
`default`) unless `snakemake --configfile FILE` names another. Names that `results/` has a use for
are reserved: RESERVED. This page is generated from the
models that check the file (`python docs/config_reference.py > docs/config.md`).

Settings are layered, the strongest last: the task's defaults (`lib/actstudy/tasks/TASK.py`),
`defaults`, `tasks.TASK`, `--config KEY=VALUE` of snakemake, flags of `python -m actstudy train`.
Of `steps` and `epochs`, and of `hidden` and `depth` with `width`, the stronger layer's spelling
replaces the other.

`dataset` is a name, or your own file or folder: its path, or a mapping with `path` and how to read
it ([own_data.md](own_data.md)).

An axis crosses any run field: `axes: {activation: [tanh, relu], depth: [3, 6]}`. A value that is
a mapping sets several fields at once: `{activation: elu, activation_args: {alpha: 0.5}}` or
`{activation: relu, lr: 0.001}`. No two axes, and no axis and `--config`, may set one field.

On the command line, KEY is a key of a study or a run field: `--config seeds=3 lr=0.01
activation=relu,gelu tasks=mlp`. It holds for all tasks and is stronger than what their blocks
say. Such a try writes its tables, figures and page to a folder of its own, `results/NAME+seeds=3/`,
so that the study's own page stays as it is; runs are shared. `device`, `slots_per_gpu`,
`runs_per_job`, `probe_every` and `timeout_minutes` change no folder. Keys have two letters or
more: Snakemake ends in a traceback at `--config n=3`.

A warm-up that nothing but the task sets, and that is longer than a run of the `epochs` that are
set, becomes a tenth of the run; `python -m actstudy train --steps` does the same.

Values that some YAML readers would silently reinterpret are refused with their line number: `no`,
`yes`, `on` and `off`, `010`, `0x40`, `1_000`, `1:30` and dates without quotes, a key that is set
twice, anchors and tags. `1e-3` is a number. A study may ask for MAX_RUNS runs. `python -m
actstudy status --config FILE` checks a file, and so does `make study`; `snakemake --configfile
FILE` reports missing or invalid files with Snakemake's own message.

`seeds` is 1 if it is not set. A verdict takes at least 8 seeds (with `looks: anytime` 5 to 7,
by the number of comparisons) and two levels: `run`, `status` and
`cost` say before anything has run if a study has fewer (`mlp: 6 seeds: no verdict below 8`).

With `looks: true` one `snakemake` call trains 8 seeds of every level, decides, and goes on to 12
and to 20 seeds while a comparison with the baseline is open. Seeds are added to a whole task, and
`python -m actstudy status` shows its progress. `--config looks=false seeds=3` is a first try, in
`results/NAME+looks=false+seeds=3/`.

With `looks: anytime` the `seeds` that are asked for are trained, and nothing waits for a decision:
verdicts hold at any number of seeds ([statistics](statistics.md#at-any-number-of-seeds)). So a
page, also a partial one, may be read whenever, and `seeds: 8` be raised to 12 next month: what has
run is kept, and only new seeds train. `seeds` is then a number, as seeds count in their order, from
0 on. `--config seeds=12` is a try in a folder of its own, with the same runs; its verdicts and the
study's hold together. Small differences take more seeds than with `looks: true`.

With `tune_lr: [0.001, 0.003, 0.01]` each level is
first trained at each of these rates at seeds 1000 to 1002; the rate with the best mean over them
of the best val metric is then trained at the reported seeds too, as `lr=tuned` next to
`lr=fixed`. Decisions are written to `results/NAME/plan/`.

`engine: pack` trains up to `pack_width` runs as one batched model. `pack_width` is 1 unless it is
set, and then saves nothing. Runs share a pack if they differ in nothing but
PACK_STACKED; the number of such runs is a good `pack_width`.
In tf32 and bf16 those that a GPU trains by its kernel for plain MLPs ([design](design.md)) have
packs of their own.
A pack needs:

- an MLP: task PACK_TASKS, without `model`; layer widths that are multiples of PACK_MULTIPLE
- PACK_ALLOWED
- of your own activations those that act on each value alone, without weights
"""

SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def code(value: object) -> str:
    """A default as code; empty if there is none."""
    if value is None or value is dataclasses.MISSING:
        return ""
    return f"`{yaml.safe_dump(value).splitlines()[0] if isinstance(value, float) else value}`"


def allowed(name: str) -> str:
    """The bounds of a run field and the choices of its Literal, separated by commas."""
    hint = typing.get_type_hints(RunSpec)[name]
    literals = [
        part for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is typing.Literal
    ]
    choices = [choice for literal in literals for choice in typing.get_args(literal)]
    bounds = next(f for f in dataclasses.fields(RunSpec) if f.name == name).metadata["bounds"]
    return ", ".join([*(f"{SIGNS[sign]} {limit}" for sign, limit in bounds.items()), *choices])


def introduction() -> str:
    """HEAD with the names and numbers that the code has."""
    allowed_in_packs = []
    for name, values in packs.ALLOWED.items():
        texts = [str(value).lower() for value in values]
        allowed_in_packs.append(f"`{name}` {' or '.join(texts)}")
    names = {
        "RESERVED": ", ".join(f"`{name}`" for name in RESERVED),
        "MAX_RUNS": f"{MAX_RUNS:,}",
        "PACK_STACKED": ", ".join(f"`{name}`" for name in packs.STACKED if name != "code"),
        "PACK_TASKS": " or ".join(f"`{task}`" for task in registry.tasks() if is_packed(task)),
        "PACK_ALLOWED": ", ".join(allowed_in_packs),
        "PACK_MULTIPLE": str(packs.WIDTH_MULTIPLE),
    }
    head = HEAD
    for word, text in names.items():
        head = head.replace(word, text)
    return head


def is_packed(task: str) -> bool:
    """Whether runs of a task may train in a pack."""
    return bool(registry.task(task).get("packs"))


def main() -> None:
    """Print the page."""
    print(introduction())
    print("## Keys of a study\n\n| key | default | meaning |\n|---|---|---|")
    for name, info in StudyFile.model_fields.items():
        default = "" if info.is_required() else code(info.default or None)
        print(f"| `{name}` | {default} | {info.description} |")
    print("\n`tasks.TASK` takes run fields and:\n\n| key | meaning |\n|---|---|")
    for name in [n for n in TaskBlock.model_fields if n not in RunFields.model_fields]:
        print(f"| `{name}` | {TaskBlock.model_fields[name].description} |")
    tasks = registry.tasks()
    print(f"\n## Run fields\n\n| field | allowed | default | {' | '.join(tasks)} | reason |")
    print("|---" * (4 + len(tasks)) + "|")
    for name, info in RunFields.model_fields.items():
        own = " | ".join(code(registry.task(task)["defaults"].get(name)) for task in tasks)
        print(
            f"| `{name}` | {allowed(name)} | {code(DEFAULTS[name])} | {own} | {info.description} |"
        )
    print("\n## Names\n")
    aliases = registry.aliases()
    print(f"Activations: {', '.join(registry.activations())}.\n")
    of_tasks = " and ".join(model_checks.feed_forward_tasks())
    print(f"Activations of {of_tasks} alone: {', '.join(registry.feed_forward())}.\n")
    print("Aliases: " + ", ".join(f"{short} ({name})" for short, name in aliases.items()) + ".\n")
    print(f"Init policies: {', '.join(registry.init_policies())}.\n")
    for task in tasks:
        if nets.names(task):
            print(f"Models of {task}: {', '.join(nets.names(task))}.\n")
    print(f"Tasks: {', '.join(tasks)}. Data sets: {', '.join(registry.datasets())}.")


main()
