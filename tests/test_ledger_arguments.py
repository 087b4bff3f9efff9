"""Arguments of measurements, checked before anything is measured; kinds of bounds; the list."""

import argparse
import ast
import json

import ledgers
import pytest
from refusals import refusal
from runs import ROOT

from actstudy.commands import measure
from actstudy.contract import measurement_arguments, measurements
from actstudy.contract.reading import YES_NO, exact, mean_of
from actstudy.study.ledger import read_ledger, request_of

FAULTS = {
    "text for a number": (
        {"slopes": {"activation": "relu", "reach": "far"}},
        "slopes.reach: got 'far'; allowed: a number",
    ),
    "a truth for a number": ({"slopes": {"activation": "relu", "reach": True}}, "reach: got True"),
    "a number for text": ({"slopes": {"activation": 3}}, "got 3; allowed: text"),
    "a number for a list": (
        {"points": {"activation": "relu", "at": 1}},
        "points.at: got 1; allowed: [a number, ...]",
    ),
    "a list with text": ({"points": {"activation": "relu", "at": [1, "x"]}}, "[a number, ...]"),
    "part of a number": (
        {"points": {"activation": "relu", "at": [1], "order": 1.5}},
        "order: got 1.5; allowed: a whole number",
    ),
    "a reach below 0": (
        {"slopes": {"activation": "relu", "reach": -3}},
        "slopes.reach: got -3; allowed: above 0",
    ),
    "an argument of an activation": (
        {"slopes": {"activation": "elu", "args": {"alpha": "x"}}},
        "allowed: {NAME: a number} or null",
    ),
    "an unknown activation": (
        {"slopes": {"activation": "gelux"}},
        "slopes.activation: got 'gelux'; unknown activation; did you mean 'gelu'?",
    ),
    "an unknown activation in a list": ({"slope_ranges": {"activations": ["relu", "x"]}}, "'x'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_argument_is_one_line(fault):
    request, part = FAULTS[fault]
    refusal(lambda: request_of(request, "measure"), "measure.", part)


def test_names_with_arguments_are_checked_too():
    name = "gradient_signs"
    kind = measurements.kinds()[name]
    assert measurement_arguments.words(kind.allows["activation"], kind.group).startswith("text or ")
    assert request_of({name: {"activation": {"elu": {"alpha": 2}}}}, "")
    refusal(lambda: request_of({name: {"activation": {"elo": {"alpha": 2}}}}, ""), "got 'elo'")
    refusal(lambda: request_of({name: {"activation": {"elu": 2}}}, ""), "got {'elu': 2}; allowed")


def test_every_type_of_an_argument_is_known_and_every_default_is_of_it():
    for name, kind in measurements.kinds().items():
        for key, of in kind.allows.items():
            assert measurement_arguments.words(of, kind.group), f"{name}.{key}"
            default = kind.defaults.get(key)
            if not default or any(isinstance(node, ast.Name) for node in ast.walk(default)):
                continue  # no default, or a constant's name
            value = json.loads(json.dumps(ast.literal_eval(default)))  # lists, as files have
            assert measurement_arguments.fits(value, of, kind.group), f"{name}.{key}"


@pytest.mark.parametrize(
    ("value", "bound", "fault"),
    [
        (1.0, {"is_true": True}, "is a number; allowed: equals, at_least, at_most, above, below"),
        (mean_of([1.0, 1.0]), {"is_true": True}, "is a number"),
        (exact(True), {"at_least": 0.5}, "is yes or no; allowed: is"),
        (exact(True), {"equals": 1, "within": 0}, "is yes or no; allowed: is"),
    ],
)
def test_a_bound_of_the_other_kind_decides_nothing(value, bound, fault):
    row = ledgers.judged({"": {"x": value}}, holds_if={"x": bound})
    assert row["verdict"] == "not measured"
    assert row["detail"].startswith(f"holds_if.x: {fault}")
    claim = ledgers.claim(holds_if={"x": bound})
    tables = ledgers.tables_of({"C1": claim}, ledgers.rows_of({"": {"x": value}}, claim))
    assert list(tables.frames["readings"]["outcome"]) == [""]


def test_yes_and_no_are_bound_by_is():
    bound = {"x": {"is_true": True}}
    assert exact(True).unit == YES_NO
    yes = ledgers.judged({"": {"x": exact(True)}}, holds_if=bound, note="It is {x}.")
    assert (yes["verdict"], yes["measured"], yes["note"]) == ("holds", "yes", "It is yes.")
    assert ledgers.judged({"": {"x": exact(False)}}, holds_if=bound)["verdict"] == "does not hold"


def _measure(folder, **flags):
    usual = {"ledger": folder, "claims": [], "group": None, "out": None, "list": False}
    return measure.measure(argparse.Namespace(**{**usual, **flags}))


def test_the_exit_status_says_whether_a_claim_was_not_measured(tmp_path, capsys):
    folder = ledgers.folder_of(tmp_path)
    assert _measure(folder) == 0
    assert "C1: holds" in capsys.readouterr().out
    text = ledgers.CLAIM.replace("{equals: 1, within: 0}", "{is: true}")
    ledgers.folder_of(tmp_path, text)
    assert _measure(folder) == 1
    assert "not measured (holds_if.largest: is a number; allowed" in capsys.readouterr().out


def test_the_list_names_every_measurement_and_argument(capsys):
    assert _measure(None, list=True) == 0
    printed = capsys.readouterr().out
    assert "  slopes(activation, reach=40.0, args=None)\n      The largest and" in printed
    for name, kind in measurements.kinds().items():
        assert kind.gives, name
        (line,) = [line for line in printed.split("\n") if line.startswith(f"  {name}(")]
        assert all(key in line for key in kind.allows)
    for group in measurements.groups():
        assert f"{group}:\n" in printed


def test_the_claims_of_the_document_are_no_shipped_ones_and_can_be_read(tmp_path):
    text = (ROOT / "docs/guide.md").read_text()
    blocks = text.split("```yaml\n")[1:]
    examples = read_ledger(ledgers.folder_of(tmp_path, blocks[0].split("```")[0]))
    assert list(examples) == ["X001", "X002"]
    shipped = read_ledger(ROOT / "config/guide")
    assert not examples.keys() & shipped.keys()
    assert not {claim["claim"] for claim in examples.values()} & {
        claim["claim"] for claim in shipped.values()
    }
