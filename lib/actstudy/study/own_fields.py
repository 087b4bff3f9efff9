"""Runs with someone's own model or activation: their run fields, and what is shown for them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actstudy.contract import own, own_models, registry
from actstudy.contract.declarations import MODEL_FIELDS
from actstudy.contract.spec import DEFAULTS, RunSpec, layered, names_in
from actstudy.study.config import RunFields, set_fields
from actstudy.study.validation import validate


def fitted(
    values: Mapping[str, Any],
    stated: Mapping[str, Any],
    crossed: Mapping[str, Any],
    models: Sequence[str | None],
) -> dict[str, Any]:
    """The fields of a run whose model is someone's own.

    The task's defaults give way to those of the builder, and drop out where it does not name them.
    So does what the study states for several models, of which another one uses it. All else that
    it states stays, for the checks to refuse. values: the run's fields, whatever its model; stated:
    those that the study sets for all runs of the task; crossed: those that its axes set for this
    one; models: all models of the task's runs, None being the task's own.
    """
    uses = registry.model_fields(values["task"], values["model"])
    elsewhere = set()
    for model in models:
        elsewhere.update(registry.model_fields(values["task"], model))
    of_study = {}
    for name in MODEL_FIELDS:
        counts = name in stated and (name in uses or name not in elsewhere)
        if name in values and (name in crossed or counts):
            of_study[name] = values[name]
    of_task = {name: values[name] for name in uses if name in values and name not in of_study}
    builder = f"{values['model']}: defaults"
    of_builder = validate(RunFields, own_models.defaults(values["model"]), builder)
    others = {name: value for name, value in values.items() if name not in MODEL_FIELDS}
    return {**others, **layered(of_task, set_fields(of_builder), of_study)}


def recipe(base: Mapping[str, Any], specs: Sequence[RunSpec]) -> dict[str, Any]:
    """The run fields that all runs of a task share, without defaults that own models do not use.

    base: the fields that its axes do not set.
    """
    if not any(spec.model for spec in specs):
        return dict(base)
    shared = {name: value for name, value in base.items() if name not in MODEL_FIELDS}
    for name in MODEL_FIELDS:
        values = {getattr(spec, name) for spec in specs}
        if len(values) == 1 and values != {DEFAULTS[name]}:
            shared[name] = values.pop()
    return shared


def labels(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Activation or model of a study -> what is shown for it, in all tasks the same.

    entries: mappings of run fields, in the study's order.
    """
    activations: list[str] = []
    models: list[str] = []
    for entry in entries:
        activations += names_in(entry.get("activation") or ())
        models += names_in(entry.get("model") or ())
    registered = [*registry.activations(), *registry.aliases()]
    return {**own.labels(models), **own.labels(activations, registered)}


def title(of_task: str, specs: Sequence[RunSpec], data: Sequence[str]) -> str:
    """A task as pages name it: its models and its data; of_task: the title of its own model."""
    names = own.labels(spec.model for spec in specs if spec.model)
    *models, last = dict.fromkeys(names.get(str(spec.model), of_task) for spec in specs)
    listed = f"{', '.join(models)} and {last}" if models else last
    return f"{listed} on {' and '.join(data)}"
