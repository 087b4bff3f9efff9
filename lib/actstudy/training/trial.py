"""Someone's own model, or task, tried on random examples before any job."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract import own, own_import, registry, schema
from actstudy.contract.counting import counted
from actstudy.contract.declarations import TOKENIZED
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, from_json
from actstudy.data.prepared import SPLITS, Prepared
from actstudy.data.text import START
from actstudy.health import values
from actstudy.health.sites import observe
from actstudy.nets import own_models
from actstudy.nets.activations import Sites
from actstudy.tasks import modules
from actstudy.training import wiring

EXAMPLES = 8  # of a split, or one per class up to
MAX_EXAMPLES = 64
FEWER = 3  # examples of a second pass: an output must follow the size of the batch


def examine(question: Mapping[str, Any]) -> dict[str, Any]:
    """The sites of a model and its number of parameters; StudyError if it cannot be trained.

    question: as of study/model_questions.py.
    """
    run = from_json(json.dumps(question["spec"]))
    path = str(question["path"])
    with _blaming(path):
        wiring.seed_globals(run)
        data = made_up(run, question["data"])
        if own.is_path(run.model):
            untrained = Sites(run.activation, run.activation_args)
            own_model = own_models.build(run, data.manifest, untrained)
            check_output(own_model, run, data)
            check_widths(own_model, untrained, data)
        model, sites = wiring.make_model(run, data)
        if not own.is_path(run.model):
            check_task(model, run, data)
    n_params = sum(parameter.numel() for parameter in model.parameters())
    return {"sites": list(sites.modules), "n_params": n_params}


@contextmanager
def _blaming(path: str) -> Iterator[None]:
    """An error in the block is a StudyError, in one line that begins with a path."""
    try:
        yield
    except StudyError as error:
        fault = str(error).removeprefix(f"{path}: ")
        raise StudyError(f"{path}: {fault}") from None
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("activation: "):  # of Sites
            raise StudyError(f"{path}: {error}") from None
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        raise StudyError(f"{path}: {own_import.blame(error)}{notes}") from None


def made_up(run: RunSpec, declared: Mapping[str, Any]) -> Prepared:
    """Random prepared data, equal in all splits, as a run's data set declares them."""
    rng = np.random.default_rng(0)
    n = min(max(EXAMPLES, declared.get("classes", 0)), MAX_EXAMPLES)
    manifest = {**declared, "dataset": run.dataset, "counts": dict.fromkeys(SPLITS, n)}
    parts: dict[str, np.ndarray] = {}
    if declared["kind"] in TOKENIZED:
        vocabulary = run.vocabulary or 0
        shape = (run.context or 0,)
        manifest |= {"vocabulary": vocabulary, "context": run.context}
        parts["x"] = rng.integers(START + 1, vocabulary, (n, *shape), dtype=np.int32)
        parts["y"] = rng.integers(START + 1, vocabulary, (n, *shape))
        parts["document"] = np.arange(n)
        parts["words"] = np.full(n, run.context)
    else:
        shape = tuple(declared["shape"])
        manifest |= {"mean": 0.0, "sd": 1.0}
        parts["x"] = rng.standard_normal((n, *shape), np.float32)
        parts["y"] = rng.standard_normal(n, np.float32)
    if "classes" in declared:
        parts = {"x": parts["x"], "y": np.arange(n) % declared["classes"]}
        counts = np.bincount(parts["y"], minlength=declared["classes"]).tolist()
        manifest["class_counts"] = dict.fromkeys(SPLITS, counts)
    if "target" in declared:
        manifest |= {"target_mean": 0.0, "target_sd": 1.0}
    manifest["shape"] = list(shape)
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        arrays |= {f"{split}_{name}": part.copy() for name, part in parts.items()}
    return Prepared(Path(), manifest, arrays, "")


def check_output(model: nn.Module, run: RunSpec, data: Prepared) -> None:
    """StudyError unless a model gives what its task scores, also for a batch of another size."""
    x, _ = wiring.example(data)
    cpu = torch.device("cpu")
    fewer = data.inputs(cpu)(data.on(cpu, "train")["x"][:FEWER])
    logits = _output(model, x)
    _check_logits(logits, len(x), run, data)
    if not own.is_path(run.task) and _are_probabilities(logits):
        fix = "to fix: leave out the softmax"
        raise StudyError(f"its outputs are probabilities; allowed: logits; {fix}")
    model.eval()
    with torch.no_grad():
        _check_logits(_output(model, fewer), len(fewer), run, data)
    model.train()


def _check_logits(logits: Any, n: int, run: RunSpec, data: Prepared) -> None:
    if not isinstance(logits, Tensor):
        got = f"its output is {type(logits).__name__}"
        raise StudyError(f"{got}; allowed: a tensor of shape {_words(run, data)}")
    if tuple(logits.shape) != (n, *_sizes(run, data).values()) or not logits.is_floating_point():
        kind = str(logits.dtype).removeprefix("torch.")
        got = f"its output of {n} examples is {kind}, {list(logits.shape)}"
        raise StudyError(f"{got}; allowed: floats of shape {_words(run, data)}")


def _output(model: nn.Module, x: Tensor) -> Any:
    """What a model returns; an error of its forward pass has a note on the shape of its inputs."""
    try:
        return model(x)
    except Exception as error:
        called = f"it was called with {counted(len(x), 'example')}"
        error.add_note(f"{called} of shape {list(x.shape[1:])}")
        raise


def _are_probabilities(logits: Tensor) -> bool:
    """Whether all rows are non-negative and sum to 1; a log-softmax gives logits."""
    rows = logits.detach()
    sums = rows.sum(-1)
    is_sum = torch.allclose(sums, torch.ones_like(sums), rtol=0, atol=1e-4)
    return rows.shape[-1] > 1 and bool((rows >= 0).all()) and is_sum


def check_widths(model: nn.Module, sites: Sites, data: Prepared) -> None:
    """StudyError if a pass calls a site with several numbers of units: they are no one layer's.

    A site that is called again with as many, as by a recurrent model, is allowed.
    """
    units: dict[str, int] = {}

    def see(site: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        n = values.by_unit(output).shape[-1]
        if units.setdefault(site, n) != n:
            got = f"site {site!r} is called with {units[site]} and with {counted(n, 'unit')}"
            fix = "to fix: make_act with a name of its own for each place"
            raise StudyError(f"activation: {got}; allowed: one layer per site; {fix}")

    x, _ = wiring.example(data)
    with observe(sites.modules, see), torch.no_grad():
        model(x)


def _sizes(run: RunSpec, data: Prepared) -> dict[str, int]:
    """What each axis of the output of one example is, and its size."""
    predicts = registry.task(run.task)["predicts"]
    if predicts == "classes":
        return {"classes": data.manifest["classes"]}
    if predicts == "tokens":
        return {name: data.manifest[name] for name in ("context", "vocabulary")}
    return {"number": 1}


def _words(run: RunSpec, data: Prepared) -> str:
    """The shape of the output of a batch, in words."""
    sizes = _sizes(run, data)
    numbers = ", ".join(map(str, sizes.values()))
    return f"[examples, {numbers}] (examples, {', '.join(sizes)})"


def check_task(model: nn.Module, run: RunSpec, data: Prepared) -> None:
    """StudyError unless the functions of someone's own task give what a training needs."""
    task = modules.load(run.task)
    arrays = data.on(torch.device("cpu"), "test")
    inputs = data.inputs(torch.device("cpu"))
    logits = model(inputs(arrays["x"]))
    loss = task.loss(logits, arrays["y"], run.label_smoothing)
    if not isinstance(loss, Tensor) or loss.ndim:
        shape = list(getattr(loss, "shape", ()))
        raise StudyError(f"loss: got {type(loss).__name__} {shape}; allowed: a tensor of no axis")
    for name, score in task.train_scores(logits, arrays["y"]).items():
        if not isinstance(score, Tensor) or score.ndim:
            raise StudyError(f"train_scores: {name}: got {score!r:.80}; allowed: a scalar tensor")
    model.eval()
    evaluation = task.evaluate(lambda x: model(inputs(x)), arrays)
    model.train()
    metric = registry.task(run.task)["metric"]
    if metric not in evaluation.scores:
        got = f"got {', '.join(evaluation.scores)}"
        raise StudyError(f"evaluate: scores: {got}; allowed: {metric}, the metric of TASK, with it")
    schema.table("predictions", "", evaluation.predictions)
