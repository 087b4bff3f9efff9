"""Runs of other models than their task's, or of own code: their fields, and what is shown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actstudy.contract import nets, own, own_data, own_models, registry
from actstudy.contract.declarations import MODEL_FIELDS
from actstudy.contract.layers import layered
from actstudy.contract.spec import DEFAULTS, RunSpec, data_name, names_in
from actstudy.study.config import RunFields, set_fields
from actstudy.study.validation import validate


def fitted(
    values: Mapping[str, Any],
    stated: Mapping[str, Any],
    crossed: Mapping[str, Any],
    models: Sequence[str | None],
) -> dict[str, Any]:
    """The fields of a run whose model is named: one of `nets`, or someone's own.

    The task's defaults give way to those of the builder, and drop out where it does not use them.
    So does what the study states for several models, of which another one uses it. All else that
    it states stays, for the checks to refuse. values: the run's fields, whatever its model; stated:
    those that the study sets for all runs of the task; crossed: those that its axes set for this
    one; models: all models of the task's runs, None being the task's own.
    """
    uses = nets.fields(values["task"], values["model"])
    elsewhere = set()
    for model in models:
        elsewhere.update(nets.fields(values["task"], model))
    of_study = {}
    for name in MODEL_FIELDS:
        counts = name in stated and (name in uses or name not in elsewhere)
        if name in values and (name in crossed or counts):
            of_study[name] = values[name]
    of_task = {name: values[name] for name in uses if name in values and name not in of_study}
    of_builder = None
    if own.is_path(values["model"]):
        builder = f"{values['model']}: defaults"
        of_builder = validate(RunFields, own_models.defaults(values["model"]), builder)
    others = {name: value for name, value in values.items() if name not in MODEL_FIELDS}
    return {**others, **layered(of_task, set_fields(of_builder), of_study)}


def recipe(base: Mapping[str, Any], specs: Sequence[RunSpec]) -> dict[str, Any]:
    """The run fields that all runs of a task share, without defaults that models do not use.

    base: the fields that its axes do not set.
    """
    if not any(spec.model for spec in specs):
        return dict(base)
    shared = {name: value for name, value in base.items() if name not in MODEL_FIELDS}
    for name in MODEL_FIELDS:
        value = getattr(specs[0], name)
        is_shared = all(getattr(spec, name) == value for spec in specs)
        is_used = all(name in nets.fields(spec.task, spec.model) for spec in specs)
        if is_shared and (value != DEFAULTS[name] or (is_used and value not in (None, {}))):
            shared[name] = value
    return shared


def labels(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Activation, model or own data of a study -> what is shown for it, in all tasks the same.

    entries: mappings of run fields, in the study's order.
    """
    activations: list[str] = []
    models: list[str] = []
    datasets: dict[str, None] = {}
    for entry in entries:
        datasets[str(entry.get("dataset"))] = None
        activations += names_in(entry.get("activation") or ())
        models += names_in(entry.get("model") or ())
    registered = [*registry.activation_names(), *registry.aliases()]
    of_data = own_data.labels(datasets, registry.datasets())
    return {**own.labels(models, nets.known()), **own.labels(activations, registered), **of_data}


def data(specs: Iterable[RunSpec], names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Prepared own data -> the label, source and licence that the page has, as declared now.

    names: data set -> what is shown for it.
    """
    about_data = {}
    for spec in specs:
        if own_data.is_name(spec.dataset):
            declared = registry.dataset(spec.dataset)
            sizes = data_name(spec).removeprefix(spec.dataset)
            label = f"{names.get(spec.dataset, declared['title'])}{sizes}"
            about = {key: declared[key] for key in ("source", "licence")}
            about_data[data_name(spec)] = {"label": label, **about}
    return about_data


def data_titles(specs: Iterable[RunSpec], names: Mapping[str, str]) -> list[str]:
    """The titles of a task's data sets; the label of own data if their titles say two things."""
    titles = []
    for name in dict.fromkeys(spec.dataset for spec in specs):
        label = names.get(name, "")
        is_distinguished = label.endswith(name.removeprefix(own_data.PREFIX))
        titles.append(label if is_distinguished else registry.dataset(name)["title"])
    return titles


def title(of_task: str, specs: Sequence[RunSpec], data: Sequence[str]) -> str:
    """A task as pages name it: its models and its data; of_task: the title of its own model."""
    present = dict.fromkeys(str(spec.model or "") for spec in specs)  # "": the task's own
    names = own.labels(name for name in present if own.is_path(name))
    titles = []
    for name in present:
        if not name:
            titles.append(of_task)
        elif name in names:
            titles.append(names[name])
        else:
            titles.append(nets.declared(name)["title"])
    *models, last = dict.fromkeys(titles)
    listed = f"{', '.join(models)} and {last}" if models else last
    return f"{listed} on {' and '.join(data)}"
