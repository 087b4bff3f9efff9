"""Our own results as scores: to the last bit what the workflow compared, and its verdicts."""

import json
import shutil

import made_up
import pandas as pd
import pytest
from refusals import refusal
from runs import ROOT

from actstudy.analysis import stored, tables
from actstudy.analysis.collect import collect, without_number
from actstudy.analysis.questions import contrasts, procedure, seed_values
from actstudy.analysis.questions.seed_values import by_cell
from actstudy.judging import readers
from actstudy.judging.readers import own
from actstudy.judging.reading.options import Options

STUDY = {
    "seeds": 8,
    "axes": {"activation": ["relu", "gelu"], "init": ["he_normal", "xavier_normal"]},
    "tasks": {"mlp": {"lr": 0.1}, "lm": {"lr": 0.1}},
}
EXACT = {"check_exact": True, "check_column_type": False}  # names are texts in both
NUMBERS = ["n", "mean", "sd", "low", "high", "p", "p_equivalent", "spend", "visible"]


def ending(run):
    """Some runs of gelu diverge, one of relu is at chance, one is missing."""
    spec = run.spec
    if spec.activation == "gelu" and spec.seed in (2, 5):
        return "diverged"
    if spec.activation == "relu" and spec.seed == 4:
        return "chance"
    return "missing" if (spec.activation, spec.seed) == ("gelu", 7) else "completed"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study's results, and its tables."""
    folder = tmp_path_factory.mktemp("own")
    built = made_up.build(made_up.study_of(folder, STUDY), folder, ending)
    return folder, built


@pytest.fixture(scope="module")
def compared(study):
    """Task -> what the tables rest on, made from the runs as `tables.build` makes it."""
    folder, built = study
    plan = built.plan
    frames = collect(plan.runs, folder / "runs", ["predictions"])
    metrics = {name: settings.metric for name, settings in plan.tasks.items()}
    frames["runs"] = without_number(frames["runs"], metrics)
    return seed_values.seed_values(frames, plan)


@pytest.mark.parametrize("task", ["mlp", "lm"])
@pytest.mark.parametrize("place", [".", "tables", "tables/runs.parquet"])
def test_the_values_are_those_of_the_workflow(study, compared, task, place):
    folder, built = study
    expected = compared[task]
    scores = readers.read(folder / place, Options(task=task))
    actual = by_cell(scores.frame.rename(columns={"diverged": "is_diverged"}))
    pd.testing.assert_frame_equal(actual.values, expected.values, **EXACT)
    pd.testing.assert_frame_equal(actual.diverged, expected.diverged, **EXACT)
    pd.testing.assert_series_equal(
        actual.chance, expected.chance, check_exact=True, check_index_type=False
    )
    assert expected.diverged.to_numpy().sum() == 4
    settings = built.plan.tasks[task]
    assert scores.unit == settings.compared_unit
    assert scores.higher_is_better == settings.higher_is_better
    assert expected.chance.notna().all()


@pytest.mark.parametrize("task", ["mlp", "lm"])
def test_the_verdicts_on_them_are_those_of_the_workflow(study, task):
    folder, built = study
    rows = readers.read(folder, Options(task=task)).frame
    values = by_cell(rows.rename(columns={"diverged": "is_diverged"}))
    settings = own.plan_of(folder).tasks[task]
    table = built.of("contrasts", task)
    for family, pairs in contrasts.families(rows, settings.baseline).items():
        expected = table[table["family"] == family]
        verdicts = contrasts.judge(values, pairs, settings, procedure.looks_of(False), 8)
        assert [verdict.verdict for verdict in verdicts] == list(expected["verdict"])
        for name in NUMBERS:
            actual = [getattr(verdict, name) for verdict in verdicts]
            if name in ("mean", "low", "high") and settings.sign < 0:
                continue  # their sign is turned in tables
            assert actual == pytest.approx(list(expected[name]), rel=0, abs=0, nan_ok=True), name


def test_tables_as_csv_have_the_same_values(study, tmp_path):
    folder, _ = study
    shutil.copytree(folder / "tables", tmp_path / "tables")
    (tmp_path / "tables/runs.parquet").unlink()
    expected = readers.read(folder, Options(task="mlp")).frame
    actual = readers.read(tmp_path, Options(task="mlp")).frame
    assert list(actual["value"]) == list(expected["value"])
    assert list(actual["group"]) == list(expected["group"])


def test_what_is_said(study, tmp_path):
    folder, _ = study
    scores = readers.read(folder, Options(task="lm"))
    assert "Of lm the natural logarithm of word_perplexity is compared." in scores.assumptions
    shutil.copytree(folder / "tables", tmp_path / "tables")
    without_runs = readers.read(tmp_path, Options(task="lm"))
    sentence = "Chance level of lm is not known: no run of it counts as collapsed."
    assert sentence in without_runs.assumptions
    assert sentence not in scores.assumptions


def test_faults_are_one_line(study, tmp_path):
    folder, built = study
    refusal(lambda: readers.read(folder), "task: got several with different metrics", "lm, mlp")
    refusal(lambda: readers.read(folder, Options(task="mpl")), "did you mean 'mlp'?")
    tables.write(built, tmp_path / "tables")
    plan = tmp_path / "tables/plan.json"
    content = json.loads(plan.read_text())
    plan.write_text(json.dumps({**content, "tasks": {}}))
    refusal(lambda: readers.read(tmp_path), "plan.json", "no task")
    for text in ("{", "[]", "{}", json.dumps({**content, "tasks": {"mlp": {}}})):
        plan.write_text(text)
        refusal(lambda: readers.read(tmp_path), "plan.json", "not readable as a plan")
    plan.write_text(json.dumps(content))
    (tmp_path / "tables/runs.parquet").write_bytes(b"PAR1")
    refusal(lambda: readers.read(tmp_path, Options(task="mlp")), "tables: damaged: ArrowInvalid")


def test_a_study_that_documents_quote():
    """Tables as CSV without a plan: the plan is that of the study file next to them."""
    folder = ROOT / "docs/example/verdicts"
    scores = readers.read(folder)
    plan = own.plan_of(folder)
    frames = {"runs": stored.read_runs(folder / "tables"), "predictions": own.NO_PREDICTIONS}
    expected = seed_values.task_values(frames, plan, "mlp")
    actual = by_cell(scores.frame.rename(columns={"diverged": "is_diverged"}))
    pd.testing.assert_frame_equal(actual.values, expected.values, **EXACT)
    table = pd.read_csv(folder / "tables/contrasts.csv", keep_default_na=False)
    table = table[table["family"] == "primary"].set_index(["group", "level"])
    settings = plan.tasks["mlp"]
    pairs = contrasts.families(scores.frame, settings.baseline)["primary"]
    looks = procedure.looks_of(settings.looks)
    for pair, verdict in zip(
        pairs, contrasts.judge(actual, pairs, settings, looks, 20), strict=True
    ):
        row = table.loc[(pair.group, pair.level)]
        assert verdict.verdict == row["verdict"]
        assert (verdict.mean, verdict.n) == (row["mean"], row["n"])
