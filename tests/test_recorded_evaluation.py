"""Forward passes of evaluations that are recorded, one record per shape, give what plain ones give.

A GPU's graphs are stood for by running a part again into the places that its record returned.
"""

import contextlib
import dataclasses

import pytest
import torch
from runs import few_examples, quiet, run, run_row, same_tables, small, tiny
from torch.utils._pytree import tree_leaves

from actstudy.contract.spec import data_name
from actstudy.training import cuda_graphs, job
from actstudy.training.cuda_graphs import Recorder, Replay, is_evaluation_recorded

CELLS = [
    ("cls", {"precision": "bf16"}),
    ("lm", {"precision": "bf16"}),
    ("mlp", {"norm": "batch"}),
    ("vision", {}),
    ("contrastive", {"precision": "bf16"}),
    ("contrastive", {"model": "dual", "norm": "batch"}),
]


class Again(Replay):
    """A record without a GPU; a replay overwrites what the one before returned."""

    def __init__(self, part, *inputs, pool):
        self.part = part
        super().__init__(part, *inputs, pool=pool)
        self.graph = self

    def replay(self):
        for place, value in zip(
            tree_leaves(self.scores), tree_leaves(self.part(*self.inputs)), strict=True
        ):
            if isinstance(place, torch.Tensor):
                place.copy_(value)


@pytest.fixture
def records(monkeypatch):
    """Evaluations are recorded as on a GPU; returns the shape of each record's input."""
    shapes = []

    def record(part, *inputs, pool):
        assert not torch.is_autocast_cache_enabled()
        shapes.append(tuple(inputs[0].shape))
        return Again(part, *inputs, pool=pool)

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(cuda_graphs, "Replay", record)
    monkeypatch.setattr(job, "is_evaluation_recorded", lambda spec, _: not spec.code)
    return shapes


@pytest.mark.parametrize(("task", "fields"), CELLS, ids=lambda part: str(part))
def test_a_recorded_evaluation_is_the_plain_one(
    tmp_path, prepared_folder, monkeypatch, request, task, fields
):
    """All tables and weights agree in each bit; each shape is recorded once."""
    spec = small(task, **fields, eval_every=2)
    data = prepared_folder(data_name(spec))
    monkeypatch.setattr("actstudy.tasks.classification.EVAL_BATCH", 24)
    monkeypatch.setattr("actstudy.tasks.contrastive.EVAL_BATCH", 24)
    with few_examples():
        run(spec, tmp_path / "plain", data, quiet())
        records = request.getfixturevalue("records")
        run(spec, tmp_path / "recorded", data, quiet())
    assert records
    assert len(set(records)) == len(records)
    assert same_tables(tmp_path / "plain", tmp_path / "recorded")
    hashes = [run_row(tmp_path / name)["weights_sha256"] for name in ("plain", "recorded")]
    assert hashes[0] == hashes[1]


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # NaN as a bin
def test_a_diverged_validation_is_searched_unrecorded(tmp_path, data_folder, records, monkeypatch):
    """Hooks see no part of a replay."""
    spec = tiny(dropout=0.0)
    whole = job.Job.evaluate
    seen = []

    def evaluate(self, split, runs):
        seen.append(self.passes.on)
        if self.step > self.steps_per_epoch:
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)
        return whole(self, split, runs)

    monkeypatch.setattr(job.Job, "evaluate", evaluate)
    assert run(spec, tmp_path / "a", data_folder, quiet()) == "diverged"
    assert "first not finite: output of" in run_row(tmp_path / "a")["reason"]
    assert seen == [True, True, False]


def test_what_a_record_returned_is_not_changed_by_the_next(records):
    recorder = Recorder(on=True)
    inputs = [torch.full((2, 3), float(value)) for value in range(4)]
    returned = [recorder.play_pass(lambda x: (x + 1, None), x) for x in inputs]
    assert [each[0].unique().tolist() for each in returned] == [[1.0], [2.0], [3.0], [4.0]]
    recorder.play_pass(lambda x: x, inputs[0].double())
    assert records == [(2, 3)]


def test_runs_of_own_code_and_runs_on_a_cpu_are_evaluated_plainly():
    gpu = torch.device("cuda")
    for spec in (tiny(), tiny(engine="compiled", precision="fp16")):
        assert is_evaluation_recorded(spec, gpu)
        assert not is_evaluation_recorded(spec, torch.device("cpu"))
        own = dataclasses.replace(spec, code={"activation mine:act": "0123"})
        assert not is_evaluation_recorded(own, gpu)
