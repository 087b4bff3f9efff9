"""Study files of config/ with random faults, and whether what is accepted of them can be
trained.
"""

import copy
import dataclasses
import functools
import importlib
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from hypothesis import strategies as st

from actstudy.contract import class_names, registry, schema, spec, store
from actstudy.nets.activations import Sites, gain
from actstudy.study import model_checks
from actstudy.study.config import RunFields, StudyFile
from actstudy.study.planning import Study
from actstudy.training.engine import check_lengths
from actstudy.training.optim import make_optimizer

from .clone import ROOT

FILES = sorted((ROOT / "config").glob("*.yaml"))
NAMES = [*RunFields.model_fields, *StudyFile.model_fields, "mlp", "lm", "../x", "é", "a\nb"]
NUMBERS = [0, 1, -1, 2, 3, 1000, 10**6, 10**9, 2**63, -(2**70), 0.0, -0.0, 0.5, 1e-300, 1e300]
WORDS = [
    "",
    "relu",
    "mlp",
    "no",
    "1e-3",
    "nan",
    "pack",
    "fp16",
    "batch",
    "sgd",
    "rmsprop",
    "he_normal",
    "mnist",
    "0.1",
]
CHOICES = [
    *registry.activations(),
    *registry.init_policies(),
    *registry.datasets(),
    *registry.tasks(),
    "adam",
    "tf32",
]
LIKELY: dict[type, list[Any]] = {
    int: [1, 2, 3, 5, 16, 100],
    float: [0.001, 0.1, 0.5, 1, 2.5],
    str: CHOICES,
}
NESTED: list[Any] = [None, True, False, [], {}, [[]], {"relu": {}}, [1, "a"], {"*": "relu"}]
NESTED += [{"layers.0": "tanh", "*": "elu"}]
SPLICES = [
    *"\t\n:[]{},'\"|>%@`?~\0\ufeffé",
    "  ",
    ": ",
    "- ",
    " #",
    "&a ",
    "*a",
    "!x ",
    "? ",
    "<<: ",
    "---\n",
    "...\n",
]
SPLICES += ["1e-3", "no", ".nan", "010", "1:30"]
FAULTS = ["delete", "rename", "copy", "replace", "add", "like", "like", "like"]
NOT_MADE = {
    "seed": 0,
    "lr": 1.0,
    "init": "auto",
    "init_args": {},
    "weight_decay": 0.0,
}  # models do not differ by them
value = (
    st.sampled_from(NUMBERS + WORDS + NESTED) | st.integers() | st.floats() | st.text(max_size=5)
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A study file after one to three faults of structure, text or both."""
    content = yaml.safe_load(draw(st.sampled_from(FILES)).read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 2))):
        _break(draw, content)
    text = yaml.safe_dump(
        content, sort_keys=False, default_flow_style=draw(st.sampled_from([None, False, True]))
    )
    if draw(st.integers(0, 3)) == 0:
        at, gone = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        text = text[:at] + draw(st.sampled_from(SPLICES) | st.text(max_size=3)) + text[at + gone :]
    return text


def _break(draw: st.DrawFn, content: Any) -> None:
    """Delete, rename, copy, add or replace one thing somewhere in a mapping or list, at times by
    one of its kind.
    """
    places = [content]
    for place in places:
        within = place.values() if isinstance(place, dict) else place
        places += [one for one in within if isinstance(one, dict | list) and one]
    place = draw(st.sampled_from(places))
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys:
        return
    key, how = draw(st.sampled_from(keys)), draw(st.sampled_from(FAULTS))
    likely = LIKELY.get(type(place[key]), NESTED)
    new = draw(st.sampled_from(likely) if how == "like" else value)
    new = copy.deepcopy(
        place[key] if how in ("copy", "rename") else new
    )  # one list in two places would be an alias
    if how in ("like", "replace"):
        place[key] = new
    elif how == "delete":
        del place[key]
    elif isinstance(place, list):
        place.append(new)
    else:
        if how == "rename":
            del place[key]
        place[
            draw(
                st.sampled_from(NAMES)
                if how == "add"
                else st.sampled_from(NAMES) | st.text(max_size=4)
            )
        ] = new


def untrainable(study: Study) -> str:
    """What stops a run of an accepted study before its first step, or nothing."""
    runs = [run.spec for run in [*study.possible, *study.tuning]]
    doing = "as JSON"
    try:
        assert all(spec.from_json(spec.canonical(one)) == one for one in runs)
        doing = "as a table"
        schema.table("runs", "x", [{**schema.spec_row(one), "status": "completed"} for one in runs])
        alike = {spec.canonical(dataclasses.replace(one, **NOT_MADE)): one for one in runs}
        for doing in alike:
            make(alike[doing])
    except Exception as error:
        return f"{doing}: {type(error).__name__}: {error}"
    return ""


def make(one: spec.RunSpec) -> None:
    """Make what training makes of a spec before it starts, and a pass through it where that is
    short.
    """
    # more can be said when the data's size is known
    check_lengths(one, one.batch_size, torch.device("cuda"))
    network, made = made_of(one)
    assert list(made.modules) == model_checks.sites(one), "sites are not as foreseen"
    make_optimizer(one, network.parameters())
    if len(made.modules) <= 20:
        passed(
            spec.canonical(
                dataclasses.replace(one, activation="relu", activation_args={}, **NOT_MADE)
            )
        )
    for name in dict.fromkeys(made.names.values()):
        cached_gain(name, tuple(sorted(one.activation_args.items())))


def made_of(one: spec.RunSpec) -> tuple[torch.nn.Module, Sites]:
    """A spec's model, without memory for its weights, and its sites."""
    manifest = {
        **registry.dataset(one.dataset),
        "vocabulary": one.vocabulary,
        "context": one.context,
    }
    sites, task = (
        Sites(one.activation, one.activation_args),
        importlib.import_module(f"actstudy.tasks.{one.task}"),
    )
    data = SimpleNamespace(manifest=manifest, folder=named_classes(manifest.get("classes", 0)))
    with torch.device("meta"):
        network = task.build(one, data, sites)
    sites.check()
    return network, sites


@functools.cache
def named_classes(n: int) -> Path:
    """A folder of prepared data with the names of n classes."""
    folder = Path(tempfile.mkdtemp())
    store.write_json(folder / class_names.FILE, [f"class {k}" for k in range(n)])
    return folder


@functools.cache
def passed(text: str) -> None:
    """A pass of a part of a batch through a spec's model, shapes alone."""
    one = spec.from_json(text)
    examples = one.batch_size // one.accumulate
    shape = (
        (examples, one.context)
        if one.context
        else (examples, *registry.dataset(one.dataset)["shape"])
    )
    made_of(one)[0](
        torch.zeros(shape, dtype=torch.int64 if one.context else torch.float32, device="meta")
    )


@functools.cache
def cached_gain(name: str, args: tuple[tuple[str, float], ...]) -> float:
    """An activation's gain, by which weights are drawn."""
    return gain(Sites(name, dict(args))("x", units=1))
