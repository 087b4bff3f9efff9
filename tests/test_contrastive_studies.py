"""The shipped studies of contrastive losses: what they cross, and the rule of their checklist."""

import dataclasses
from pathlib import Path

import pytest
from shipped_studies import CONFIG, tables_of

from actstudy.analysis.page import result_tables, summary
from actstudy.analysis.questions.ledger_verdicts import FAILS, NOT_MEASURABLE
from actstudy.contract import losses
from actstudy.contract.errors import StudyError
from actstudy.study import planning

TASK = "contrastive"
CHECKLIST = CONFIG / "contrastive_checklist.yaml"
STABILITY = CONFIG / "contrastive_stability.yaml"
WITH_FP16 = {"precision": "[fp32,bf16,fp16]"}
RULE = {"margins": {"at_least": 1}}
BASES = {"clip (scale=100,clamp=50)": "clip (scale=100)"}  # of levels whose base is not clip


def spec_by_level(study):
    """Level -> the run of seed 0."""
    return {run.level: run.spec for run in study.possible if run.spec.seed == 0}


def claims():
    return planning.load(CHECKLIST).ledger["claims"]


def arguments(claim):
    """The arguments of a claim's measurement."""
    return claim["measure"]["recommendation"]


def test_ten_recommendations_have_one_rule_that_is_not_moved():
    assert list(claims()) == [f"R{number:02}" for number in range(1, 11)]
    for claim in claims().values():
        assert claim["holds_if"] == RULE
        assert arguments(claim)["task"] == TASK
    assert planning.load(CHECKLIST).tasks[TASK].margin == 0.01  # one point, as the file says


def test_each_recommendation_names_levels_of_the_study_and_each_level_is_named():
    levels = set(spec_by_level(planning.load(CHECKLIST)))
    named = set()
    for claim in claims().values():
        for pair in arguments(claim)["pairs"]:
            named.update(pair)
    assert named == levels


def test_a_level_differs_from_its_base_in_what_is_recommended_alone():
    specs = spec_by_level(planning.load(CHECKLIST))
    for level, spec in specs.items():
        base = specs[BASES.get(level, "clip")]
        differing = []
        for field in dataclasses.fields(spec):
            if getattr(spec, field.name) != getattr(base, field.name):
                differing.append(field.name)
        assert len(differing) == (level != "clip"), level
    assert specs["clip (warmup=2.5)"].warmup * (5000 // 25) == 500  # steps
    assert specs["clip (scale=100,clamp=50)"].loss_args == {"scale": 100.0, "clamp": 50.0}


@pytest.mark.parametrize("file", [CHECKLIST, STABILITY])
def test_fp16_is_one_pair_of_config_away_and_refused_without_a_gpu(file):
    study = planning.load(file)
    assert study.device_for(gpus=0, limit=None) == "cpu"
    complete = planning.load(file, WITH_FP16)
    precisions = {run.spec.precision for run in complete.possible}
    assert precisions == {"fp32", "bf16", "fp16"}
    assert {run.id for run in study.possible} < {run.id for run in complete.possible}
    with pytest.raises(StudyError, match="got 'fp16', but no GPU"):
        complete.device_for(gpus=0, limit=None)


def test_runs_at_fp16_that_are_there_need_no_gpu(tmp_path, monkeypatch):
    """A page is drawn on a laptop from runs that a GPU has trained."""
    monkeypatch.chdir(tmp_path)
    study = planning.load(STABILITY, WITH_FP16)
    halves = [run for run in study.possible if run.spec.precision == "fp16"]
    files = [Path(file) for file in study.files_of(halves)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert study.device_for(gpus=0, limit=None) == "cpu"
    files[0].unlink()
    with pytest.raises(StudyError, match="got 'fp16', but no GPU"):
        study.device_for(gpus=0, limit=None)


def test_the_study_of_stability_has_every_loss_that_differs_and_twins_of_each_kind():
    levels = set(spec_by_level(planning.load(STABILITY)))
    stable = set(losses.stable())
    assert levels & stable == stable - {"einsum"}  # of two views it is clip
    kinds = {level.partition("_without_")[2] for level in levels - stable}
    assert kinds == {"eps", "clamp", "max", "float32"}


@pytest.fixture(scope="module")
def tables():
    """Those of the checklist with made-up runs."""
    with pytest.MonkeyPatch.context() as patch:
        return tables_of(CHECKLIST, patch.setattr)


def test_the_page_has_the_accuracy_of_neighbours_behind_recall_and_says_who_survived(tables):
    header, _, first, *_ = result_tables.means(tables, TASK).splitlines()
    columns = [cell.strip() for cell in header.split("|")[1:-1]]
    assert columns == ["loss", "test recall at 1, %: mean (sd)", "test k-NN accuracy, %", "n"]
    assert [cell.strip() for cell in first.split("|")][3:5] == ["70.00", "3 of 3"]
    page = summary.render(tables, CONFIG, CONFIG / "summary.md")
    assert "Of 54 runs that ended none diverged: 100% (93 to 100%) survived." in page
    details = summary.render_details(tables, CONFIG, CONFIG / "details.md")
    assert "**Recall at 1**" in details
    assert "### Survival" not in page


def test_the_checklist_is_judged_and_what_needs_fp16_is_not_measurable_without(tables):
    judged = tables.frames["claims"].set_index("id")
    assert judged.loc["R10", "verdict"] == NOT_MEASURABLE
    assert "fp16" in judged.loc["R10", "detail"]
    others = judged.drop("R10")
    assert set(others["verdict"]) == {FAILS}  # as the made-up runs of all levels are alike
    readings = tables.frames["readings"]
    gains = readings[(readings["id"] == "R04") & (readings["name"] == "gain")]
    assert list(gains["condition"]) == [
        "clip (lr=0.0001) against clip",
        "clip (lr=0.0001) against clip (lr=2e-05)",
    ]
    assert set(gains["n"]) == {3}
    survives = readings[readings["name"] == "survives"]
    assert set(survives["value"]) == {100.0}
