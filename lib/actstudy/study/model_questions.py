"""What is asked of someone's own model, or of the model of a task of their own."""

import json
from typing import Any

from actstudy.contract import code, own, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.own_models import FIELDS
from actstudy.contract.spec import RunSpec, canonical
from actstudy.study import model_checks

OF_MODEL = (  # run fields that decide what a model is made of
    "task",
    "dataset",
    "activation",
    "activation_args",
    "model",
    "vocabulary",
    "context",
    "init",
    *FIELDS,
)
ANY_ACTIVATION = "relu"  # stands for every registered one: a model is made alike with each
AUTO = "auto"  # the only init policy that asks how a model is made
ANY_OTHER_INIT = "he_normal"
OF_DATA = ("kind", "shape", "classes", "target")  # keys of a data set that a model may depend on
Question = dict[str, Any]


def questions(spec: RunSpec) -> list[Question]:
    """The question on the model of a run, if it is of own code: its sites, its parameters.

    None on a run that is refused without it.
    """
    if not own.is_path(spec.model) and not own.is_path(spec.task):
        return []
    task = registry.task(spec.task)
    declared = registry.dataset(spec.dataset)
    predicts_numbers = task["predicts"] == "values"
    if declared["kind"] not in task["takes"] or predicts_numbers != ("target" in declared):
        return []
    try:
        model_checks.check(spec, "")
    except StudyError:
        return []
    return [question(spec)]


def init_of(spec: RunSpec) -> str:
    """A run's init policy as far as its model depends on it."""
    return AUTO if spec.init == AUTO else ANY_OTHER_INIT


def question(spec: RunSpec) -> Question:
    """What is asked of a run's own model: equal for runs whose models are made alike."""
    fields = {name: getattr(spec, name) for name in OF_MODEL}
    if spec.activation in registry.activations() and not registry.needs_units(spec.activation):
        fields |= {"activation": ANY_ACTIVATION, "activation_args": {}}
    fields["init"] = init_of(spec)
    run = RunSpec(**fields, seed=0)
    declared = registry.dataset(spec.dataset)
    return {
        "kind": "model",
        "path": spec.model if own.is_path(spec.model) else spec.task,
        "spec": json.loads(canonical(run)),
        "data": {key: declared[key] for key in OF_DATA if key in declared},
        "code": code.of_run(run),
    }
