"""The page to explore says of each run if it trained."""

import dataclasses
import json

import big_studies
import pytest
from explorers import Page, model

from actstudy.analysis.explorer import columns, maps, page, training
from actstudy.analysis.page import training_sentences
from actstudy.analysis.tables import Tables

pytest.importorskip("altair", reason="altair, of the extra `workflow`, is not installed")
pytest.importorskip("vl_convert", reason="vl-convert-python, of the extra `workflow`, is missing")

STALLED = 5  # runs of the study whose curves stay at chance
LOST = {"diverged": "diverged", "failed": "failed", "timeout": "failed", "missing": None}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A study of two groups of cells in which some runs stall and some do not end."""
    own = big_studies.copied(big_studies.small(tmp_path_factory.mktemp("training")), 2)
    runs = own.frames["runs"].copy()
    curves = own.frames["curves"].copy()
    curves.loc[curves["run_id"].isin(runs["run_id"][:STALLED]), "value"] = 0.1
    runs.loc[runs.index[-len(LOST) :], "status"] = list(LOST)
    return Tables(own.plan, {**own.frames, "runs": runs, "curves": curves})


@pytest.fixture(scope="module")
def written(tables):
    return page.render(tables)


def test_every_run_has_a_word_on_its_training(tables, written):
    runs = columns.to_frame(model(written)["tables"]["runs"])
    words = list(runs["trained"].astype(object).where(runs["trained"].notna(), None))
    n_others = len(runs) - STALLED - len(LOST)
    assert words[:STALLED] == ["stalled"] * STALLED
    assert words[STALLED : -len(LOST)] == ["yes"] * n_others
    assert words[-len(LOST) :] == list(LOST.values())
    assert "trained" in model(written)["first_columns"]["runs"]


def test_survival_counts_those_that_did_not_train_as_the_answer_does(tables, written):
    (answer, *_) = training_sentences.sentences(tables, "mlp")
    n = len(tables.frames["runs"]) - len(LOST) + 1
    trained = n - STALLED - 1
    assert answer.startswith(f"Of {n} runs {trained} train, {STALLED} stall and 1 diverge")
    text = Page(written).text
    assert training.MEANING in text
    counts = f"{trained} trained, {STALLED} stalled at chance and 1 diverged."
    assert f"Of {n} runs that ended {counts}" in text


def test_without_learning_curves_no_run_is_called_trained(tables):
    frames = {**tables.frames, "curves": tables.frames["curves"].head(0)}
    without = dataclasses.replace(Tables(tables.plan, frames), lacks="curves")
    assert set(training.trained(without)) == {None, "diverged", "failed"}
    assert training.UNKNOWN in training.of_survival(without, "mlp")


def test_the_map_of_depths_says_what_counts_as_training(tmp_path):
    own = big_studies.small(tmp_path)
    task = own.plan.tasks["mlp"]
    crossed = dataclasses.replace(task, axes={**task.axes, "depth": [2]})
    drawn = maps.depth(
        Tables(dataclasses.replace(own.plan, tasks={"mlp": crossed}), own.frames), "mlp"
    )
    assert "best validation accuracy reached 15%" in drawn.caption
    assert "15% or more" in json.dumps(drawn.chart.to_dict())
