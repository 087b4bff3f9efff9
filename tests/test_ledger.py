"""Claims of guides: read, measured, judged; and what of that is in files that jobs leave."""

import contextlib
import fnmatch
import json
import math
import re
import types

import ledgers
import numpy as np
import pandas as pd
import pytest
from refusals import refusal
from runs import ROOT

from actstudy.analysis.questions import ledger_verdicts, ledger_words
from actstudy.commands import measure
from actstudy.contract import answers, host, measurements, nets
from actstudy.contract.errors import StudyError
from actstudy.contract.reading import Absent, Reading, Value, exact, mean_of
from actstudy.guide import measured
from actstudy.study import bounds, measuring, planning
from actstudy.study.ledger import read_ledger, requests
from actstudy.training import devices

SENTENCE = re.compile(r"(?<!et al)\.(?= [A-Z{]|$)")  # where one ends
FAULTS = {
    "an unknown key": ("claimed:", "claimd:", "a_2.yaml: C1.claimd: ", "did you mean 'claimed'"),
    "no criterion": ("holds_if: {largest: {equals: 1, within: 0}}", "", "C1: got no holds_if"),
    "an unknown measurement": (
        "slopes:",
        "slope:",
        "C1: measure: unknown",
        "did you mean 'slopes'",
    ),
    "an unknown argument": (
        "activation: relu",
        "activaton: relu",
        "C1: measure.slopes: unknown argument 'activaton'; did you mean 'activation'",
    ),
    "a missing argument": ("{activation: relu}", "", "C1: measure.slopes: missing: activation"),
    "an unknown bound": ("within:", "wihtin:", "C1.holds_if.largest", "did you mean 'within'"),
    "half a bound": (", within: 0", "", "C1.holds_if.largest", "allowed: equals and within"),
    "two bounds": ("equals: 1, within: 0", "above: 1, below: 2", "C1.holds_if.largest"),
    "a bound that is no number": ("equals: 1, within: 0", "at_least: true", "at_least: got True"),
    "ends in the wrong order": ("equals: 1, within: 0", "between: [2, 1]", "the lower one first"),
    "ends that are none": ("equals: 1, within: 0", "between: 2", "between: got 2"),
    "is without a truth": ("equals: 1, within: 0", "is: 1", "allowed: is: true, is: false"),
    "a number as claimed": ('claimed: "1"', "claimed: 1", "C1.claimed: got 1", "in quotes"),
    "a measurement that is none": ("{slopes: {activation: relu}}", "slopes", "C1.measure: got"),
    "two measurements": ("relu}}", "relu}, values: }", "C1.measure: got", "one measurement"),
    "an id of two words": ("C1:", "C 1:", "got 'C 1'; allowed: letters"),
    "a surprise without a note": ("claimed:", "unexpected: true\n  claimed:", "without note"),
    "both": ("claimed:", "unmeasurable: why\n  claimed:", "got measure with unmeasurable"),
    "no claim": (ledgers.CLAIM, "", "it is empty"),
}


def test_a_verdict_against_expectation_is_explained_in_two_sentences():
    claims = read_ledger(ROOT / "config/guide")
    notes = {key: claim["note"] for key, claim in claims.items() if claim.get("unexpected")}
    assert len(notes) >= 10
    assert {key: note for key, note in notes.items() if len(SENTENCE.findall(note)) != 2} == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_claim_is_one_line(tmp_path, fault):
    old, new, *parts = FAULTS[fault]
    assert old in ledgers.CLAIM
    folder = ledgers.folder_of(tmp_path, ledgers.CLAIM.replace(old, new), "a_2.yaml")
    refusal(lambda: read_ledger(folder), *parts)


def test_an_id_is_there_once_and_a_folder_has_claims(tmp_path):
    folder = ledgers.folder_of(tmp_path)
    ledgers.folder_of(tmp_path, name="other.yaml")
    refusal(lambda: read_ledger(folder), "C1: also in other.yaml")
    refusal(lambda: read_ledger(tmp_path / "none"), "no claims", "allowed: a folder with files")


def test_a_claim_has_its_topic_and_its_request(tmp_path):
    folder = ledgers.folder_of(tmp_path)
    claims = read_ledger(folder)
    assert claims["C1"]["topic"] == "some topic"
    assert requests(claims) == {"curves": [("slopes", '{"activation": "relu"}')]}
    assert read_ledger(folder / "some_topic_2.yaml") == claims


def test_every_measurement_can_be_called_with_its_arguments():
    for name, kind in measurements.kinds().items():
        assert kind.group in measurements.groups()
        assert set(kind.needs) <= set(kind.allows), name


def test_the_shipped_claims_are_read():
    for file in sorted((ROOT / "config").glob("*.yaml")):
        study = planning.load(file)
        if study.ledger:
            assert study.ledger["claims"]
            assert study.plan().ledger == study.ledger


def test_claims_that_say_the_units_of_sites_say_those_of_each():
    tasks = {"vision": nets.sites("resnet18", None), "mlp": nets.sites("mlp", 2)}
    n_claims = 0
    for claim in read_ledger(ROOT / "config" / "guide").values():
        arguments = json.loads(claim.get("arguments", "{}"))
        if claim.get("kind") == "dead_units":
            n_claims += 1
            for site in tasks[arguments["task"]]:
                assert any(fnmatch.fnmatchcase(site, pattern) for pattern in arguments["units"])
    assert n_claims == 5


BOUNDS = [  # bound, value, interval, outcome
    ({"equals": 1, "within": 0.1}, (0.95, 1.05), "true"),
    ({"equals": 1, "within": 0.1}, (0.95, 1.15), "open"),
    ({"equals": 1, "within": 0.1}, (1.2, 1.3), "false"),
    ({"equals": -2, "within_percent": 10}, (-2.2, -1.8), "true"),
    ({"at_least": 1}, (1, 1), "true"),
    ({"above": 1}, (1, 1), "false"),
    ({"above": 1}, (1, 2), "open"),
    ({"at_most": 1}, (1, 1), "true"),
    ({"below": 1}, (0.5, 1), "open"),
    ({"below": 1}, (-math.inf, 0), "true"),
    ({"at_least": 1}, (math.inf, math.inf), "true"),
    ({"above": 1}, (math.inf, math.inf), "true"),
    ({"between": [1, 2]}, (0, 0.5), "false"),
    ({"is_true": True}, (1, 1), "true"),
    ({"is_true": False}, (1, 1), "false"),
]


@pytest.mark.parametrize(("bound", "ends", "outcome"), BOUNDS)
def test_an_interval_is_in_a_bound_or_beyond_it_or_neither(bound, ends, outcome):
    row = {"low": ends[0], "high": ends[1], "n": 8}
    allowed = bounds.range_of(bound)
    assert ledger_verdicts.outcome(row, allowed) == outcome
    assert ledger_verdicts.outcome({**row, "n": 1}, allowed) == "open"
    assert bounds.words(bound)


SAMPLED = Value(1.05, 0.95, 1.15, 8)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"": {"x": 1.0}}, "holds"),
        ({"": {"x": 0.5}}, "does not hold"),
        ({"": {"x": SAMPLED}}, "undecided (24 more samples)"),
        ({"": {"x": Value(2, 2, 2, 1)}}, "undecided (no interval yet)"),
        ({"": {"x": Value(2, math.nan, math.nan, 8)}}, "undecided (no interval yet)"),
        ({"a": {"x": 2}, "b": {"x": 0}, "c": {"x": 3}}, "holds only when a, c"),
        ({"a": {"x": 0}, "b": {"x": 0}}, "does not hold"),
        ({"a": {"x": 2}, "b": {"x": 0}, "c": {"x": SAMPLED}}, "undecided (24 more samples)"),
    ],
)
def test_the_verdict_on_a_claim(values, says):
    row = ledgers.judged(values)
    assert str(ledger_verdicts.Verdict(row["verdict"], row["detail"])) == says


def test_all_bounds_must_hold():
    holds_if = {"x": {"at_least": 1}, "y": {"at_most": 1}}
    assert ledgers.judged({"": {"x": 2, "y": 0}}, holds_if=holds_if)["verdict"] == "holds"
    assert ledgers.judged({"": {"x": 2, "y": 2}}, holds_if=holds_if)["verdict"] == "does not hold"
    both = ledgers.judged({"": {"x": SAMPLED, "y": 2}}, holds_if=holds_if)
    assert both["verdict"] == "does not hold"  # whatever x will be


def test_the_samples_to_add_end_it_if_mean_and_spread_stay():
    draws = np.random.default_rng(0).normal(0, 1, 20_000)
    draws = (draws - draws.mean()) / draws.std(ddof=1)
    value = mean_of(list(0.3 + draws[:40] - draws[:40].mean()))
    bound = bounds.Range(0.2, math.inf)
    more = ledger_verdicts.samples_to_add({**vars(value)}, bound)
    half = (value.high - value.low) / 2
    assert half * math.sqrt(40 / (40 + more)) <= 0.1
    assert half * math.sqrt(40 / (40 + more - 1)) > 0.1


def test_a_value_on_the_edge_of_its_bound_needs_more_than_is_named():
    row = ledgers.judged({"": {"x": Value(1.0, 0.9, 1.1, 8)}})
    assert row["verdict"] == "undecided"
    assert "over 10,000 more samples" in row["detail"]


def test_a_truth_on_the_edge_gets_a_wrong_verdict_as_rarely_as_its_document_says():
    rng = np.random.default_rng(1)
    bound = {"x": {"at_least": 1}}
    verdicts = []
    for _ in range(4000):
        value = mean_of(rng.normal(1, 1, 8))
        row = {"condition": "", "name": "x", **vars(value)}
        verdicts.append(ledger_verdicts.verdict(bound, [row]).verdict)
    shares = {name: verdicts.count(name) / 4000 for name in ("holds", "does not hold")}
    text = (ROOT / "docs/guide.md").read_text()
    assert f"{shares['holds']:.1%} *holds* and {shares['does not hold']:.1%}" in text
    assert all(abs(share - 0.025) < 0.008 for share in shares.values())


def test_what_a_claim_names_must_have_been_measured():
    unknown = ledgers.judged({"": {"x": 1}}, holds_if={"y": {"at_least": 1}})
    assert unknown["verdict"] == "not measured"
    assert "holds_if: unknown value 'y'; allowed: x" in unknown["detail"]
    assert "shows: " in ledgers.judged({"": {"x": 1}}, shows=["z"])["detail"]
    assert "note: unknown value" in ledgers.judged({"": {"x": 1}}, note="It is {z}.")["detail"]
    elsewhere = ledgers.judged({"he": {"x": 1}}, note="It is {x @ xavier}.")
    assert "note: unknown condition 'xavier'; allowed: he" in elsewhere["detail"]


def test_a_note_has_the_numbers_of_its_claim():
    values = {"he": {"x": 1.25}, "xavier": {"x": Value(2e-9, 1e-9, 3e-9, 5, "ms")}}
    row = ledgers.judged(values, note="{x} there, {x @ xavier} here.")
    assert row["note"] == "1.25 there, 2e-9 ms here."


def test_an_answer_without_values_is_a_row_with_its_reason():
    for status, verdict in (
        (answers.ABSENT, "not measurable here"),
        (answers.FAILED, "not measured"),
    ):
        rows = ledgers.failed(status, "so")
        tables = ledgers.tables_of({"C1": ledgers.claim()}, rows)
        claim = tables.frames["claims"].iloc[0]
        assert (claim["verdict"], claim["detail"]) == (verdict, "so")
        assert tables.frames["readings"].empty


def raising(error):
    def measurement():
        raise error

    return measurement


def test_whatever_a_measurement_raises_is_a_row():
    row = answers.answer(raising(Absent("needs a GPU")), "{}")
    assert row == [{"status": "absent", "reason": "needs a GPU"}]
    row = answers.answer(raising(ValueError("two\nlines")), "{}")
    assert row == [{"status": "failed", "reason": "two lines"}]
    assert answers.answer(raising(KeyError("y")), "{}")[0]["reason"] == "KeyError: 'y'"
    assert (
        "x is not a number"
        in answers.answer(lambda: [Reading({"x": exact(math.nan)})], "{}")[0]["reason"]
    )
    assert answers.answer(lambda: [], "{}")[0]["status"] == "failed"
    twice = [Reading({"x": exact(1)}, "a"), Reading({"x": exact(1)}, "a")]
    assert answers.answer(lambda: twice, "{}")[0]["status"] == "failed"


def test_a_failed_request_costs_no_other_its_values(tmp_path):
    asked_for = [("slopes", '{"activation": "gelux"}'), ("slopes", '{"activation": "relu"}')]
    measured.write("curves", asked_for, "a CPU", tmp_path / "x.parquet")
    rows = pd.read_parquet(tmp_path / "x.parquet")
    assert list(rows["status"].unique()) == ["failed", "measured"]
    largest = rows[rows["name"] == "largest"].iloc[0]
    assert (largest["value"], largest["device"]) == (1.0, "a CPU")


def test_a_file_is_named_after_what_is_measured_and_by_which_code(tmp_path, monkeypatch):
    def name(text=ledgers.CLAIM):
        claims = read_ledger(ledgers.folder_of(tmp_path, text))
        return measuring.file_name("curves", requests(claims)["curves"])

    first = name()
    assert name(ledgers.CLAIM.replace("at most 1", "1 or less")) == first
    assert name(ledgers.CLAIM.replace("within: 0", "within: 1")) == first
    others = {name(ledgers.CLAIM.replace("activation: relu", "activation: gelu")), first}
    monkeypatch.setattr(measurements.frameworks, "version", lambda _: "0")
    others.add(name())
    monkeypatch.undo()
    digest_of = measurements.code.digest_of
    for piece in ("guide/curves.py", "activation relu"):
        edited = {piece: "edited"}
        monkeypatch.setattr(
            measurements.code, "digest_of", lambda of, edit=edited: edit.get(of) or digest_of(of)
        )
        others.add(name())
    assert len(others) == 5
    monkeypatch.setattr(
        measurements.code,
        "digest_of",
        lambda of: "edited" if of == "activation tanh" else digest_of(of),
    )
    assert name() == first  # no claim of it is about tanh


def test_a_file_of_a_gpu_has_one_name_under_any_torch(monkeypatch):
    """It may come from another machine; which torch measured it is a column."""
    gpu = {}
    cpu = {}
    for version in ("1", "2"):
        monkeypatch.setattr(measurements.frameworks, "version", lambda _, version=version: version)
        gpu[version] = measuring.file_name("gpu_cost", [("kernels", '{"activation": "mish"}')])
        cpu[version] = measuring.file_name("cost", [("ratio", "{}")])
    assert gpu["1"] == gpu["2"]
    assert cpu["1"] != cpu["2"]


def test_groups_that_need_a_gpu_are_measured_where_one_is(tmp_path, monkeypatch):
    stated = {"files": {"curves": "curves-1.parquet", "gpu": "gpu-1.parquet"}}
    monkeypatch.setattr(measuring, "needs_gpu", lambda group: group == "gpu")
    monkeypatch.setattr(measuring, "FOLDER", tmp_path)
    assert list(measuring.files(stated, has_gpu=False)) == ["curves"]
    assert list(measuring.files(stated, has_gpu=True)) == ["curves", "gpu"]
    (tmp_path / "gpu-1.parquet").touch()  # of another machine
    assert list(measuring.files(stated, has_gpu=False)) == ["curves", "gpu"]
    assert measuring.files(None, has_gpu=True) == {}
    assert measuring.to_measure(stated, True, tmp_path) == ["curves"]
    (tmp_path / "curves-1.parquet").touch()
    assert measuring.to_measure(stated, True, tmp_path) == []


def test_one_gpu_serves_all_groups_of_a_process(tmp_path, monkeypatch):
    """Of `cost` the part on a GPU too, which another process's runs would else have beside it."""
    leased = []

    @contextlib.contextmanager
    def lease(kind, *_):
        leased.append(kind)
        yield types.SimpleNamespace(device=kind)
        leased.append(f"{kind} is free")

    monkeypatch.setattr(devices, "lease", lease)
    monkeypatch.setattr(devices, "describe", str)
    monkeypatch.setattr(host, "gpus", lambda: ["GPU-0"])
    with measure.Places() as places:
        assert places.of("curves") == "cpu"
        assert leased == ["cpu"]
        assert places.of("cost") == "cpu"
        assert places.of("gpu_cost") == "cuda"
        assert leased == ["cpu", "cuda"]
    assert leased[2:] == ["cuda is free", "cpu is free"]
    monkeypatch.setattr(host, "gpus", list)
    leased.clear()
    with measure.Places() as places:
        assert places.of("cost") == "cpu"
    assert leased == ["cpu", "cpu is free"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.25"),
        (65504, "65504"),
        (1048576, "1.05e6"),
        (9.0949e-13, "9.09e-13"),
        (0, "0"),
        (-0.278464543, "-0.278465"),
        (math.inf, "infinite"),
        (123456.7, "123457"),
    ],
)
def test_numbers_are_short(value, text):
    assert ledger_words.number(value) == text


def test_an_interval_has_the_digits_that_its_ends_need():
    row = {"value": 0.123456, "low": 0.123411, "high": 0.123489, "unit": ""}
    assert ledger_words.value_words(row) == "0.1235 (0.1234 to 0.1235)"
    truth = vars(exact(True))
    assert ledger_words.value_words(truth) == "yes"


def test_a_ledger_is_named_beside_its_study(tmp_path):
    study = tmp_path / "mine.yaml"
    ledgers.folder_of(tmp_path)
    study.write_text("ledger: guide\ntasks: {mlp: {activation: relu}}\n")
    plan = planning.load(study).plan()
    assert list(plan.ledger["claims"]) == ["C1"]
    assert json.loads(plan.to_json())["ledger"]["claims"]["C1"]["kind"] == "slopes"
    study.write_text("ledger: ../guide\ntasks: {mlp: {activation: relu}}\n")
    with pytest.raises(
        StudyError, match=r"ledger: got '\.\./guide'; allowed: the name of a folder"
    ):
        planning.load(study)
    study.write_text("ledger: gide\ntasks: {mlp: {activation: relu}}\n")
    with pytest.raises(StudyError, match=r"mine\.yaml: ledger: .*gide: no claims"):
        planning.load(study)
    study.write_text("tasks: {mlp: {activation: relu}}\n")
    assert "ledger" not in json.loads(planning.load(study).plan().to_json())
