"""A study whose levels, note, source and reasons are hostile strings, from its file to its
pages.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from actstudy.analysis import tables
from actstudy.analysis.export import latex
from actstudy.contract import store
from actstudy.contract.errors import visible
from actstudy.study import planning

from . import pages

NAME = "config/labelled.yaml"
TINY = [
    "--task",
    "mlp",
    "--depth",
    "1",
    "--width",
    "8",
    "--epochs",
    "2",
    "--warmup",
    "1",
    "--batch_size",
    "500",
]
TINY += ["--activation", "relu", "--device", "cpu", "--quiet"]


def through(sandbox: Any, strings: list[str]) -> None:
    """Take the strings through a study's file, tables, figures, page and console; the sandbox
    counts what is wrong.
    """
    sandbox.called("train", *TINY, "--run_id=model", allowed=(0,))
    model, runs = (sandbox.project / f"results/runs/mlp{name}" for name in ("/model", ""))
    levels = [text for text in strings if planned(sandbox, [text], ["a note"])]
    noted = [text for text in strings if planned(sandbox, [], [text])]
    assert planned(sandbox, levels, noted)
    wanted = planning.load(sandbox.project / NAME).runs()
    names = list(dict.fromkeys(run.level for run in wanted))[1:]
    reasons = {name: " ".join(strings[k :: len(levels)]) for k, name in enumerate(names)}
    for run in wanted:
        written(model, runs / run.id, run, reasons.get(run.level))
    for command in ("status", "summary --partial", "export results/export"):
        sandbox.called(*command.split(), f"--config={NAME}")
    made = sandbox.project / "results/labelled/partial"
    latex.write(tables.read(made / "tables"), made)
    sandbox.count("page", judged(made, [*reasons, *noted, *reasons.values()]))
    csvs = [*made.glob("tables/*.csv"), *sandbox.project.glob("results/export/*/*.csv")]
    sandbox.count("csv", {"formula": [cell for file in csvs for cell in pages.formulas(file)]})


def planned(sandbox: Any, levels: list[str], noted: list[str]) -> bool:
    """Whether the command line takes the study with such levels, and with such strings in its note
    and source.
    """
    file = sandbox.project / NAME
    file.write_text(yaml.safe_dump(content(levels, " ".join(noted)), sort_keys=False))
    sandbox.before |= sandbox.outside()
    return bool(sandbox.called("status", f"--config={NAME}"))


def content(sites: list[str], told: str) -> dict[str, Any]:
    """A study file with such patterns of sites as levels, and the same text as note and source."""
    levels = ["relu", *({"activation": {text: "tanh", "*": "relu"}} for text in sites)]
    claims = {
        "source": told,
        "metric": "reported_accuracy",
        "tolerance": 0.1,
        "values": {"relu": {"mean": 0.3}},
    }
    block = {"seeds": 2, "depth": 1, "width": 8, "epochs": 2, "warmup": 1, "batch_size": 500}
    return {"note": told, "axes": {"activation": levels}, "claims": claims, "tasks": {"mlp": block}}


def written(model: Path, folder: Path, run: Any, text: str | None) -> None:
    """A run's folder, made of another's; seed 1 of a level with a text has failed, for that
    reason.
    """
    made = {}
    for name in [file.removesuffix(".parquet") for file in store.TABLES]:
        table = pq.read_table(model / f"{name}.parquet")
        new = {"run_id": run.id, "seed": run.spec.seed}
        if name == "runs" and text is not None and run.spec.seed == 1:
            new |= {"status": "failed", "reason": text}
        for key in [key for key in new if key in table.column_names]:
            field = table.schema.field(key)
            table = table.set_column(
                table.schema.get_field_index(key),
                field,
                pa.array([new[key]] * len(table), field.type),
            )
        made[name] = table
    store.seal(folder, made)
    (folder / "spec.json").write_text("{}")
    store.publish(folder)


def judged(made: Path, strings: Iterable[str]) -> dict[str, object]:
    """What is wrong with a study's pages: nodes that run something, strings that do not stand there
    as written.
    """
    names = ("summary.md", "details.md")
    texts = [(made / name).read_text(encoding="utf-8") for name in names]
    page = pages.rendered("\n\n".join(texts))
    text = " ".join(page.text.split())
    absent = [one for one in strings if visible(" ".join(one.split())) not in text]
    return {"script": page.scripts, "unwritten": absent}
