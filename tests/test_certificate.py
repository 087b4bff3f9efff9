"""Certificates: no false alarm on what is registered, each planted defect named, numbers right."""

import argparse
import json
import math
from functools import cache

import forks
import numpy as np
import planted
import pytest
import torch
from commands import command
from runs import ROOT
from torch import nn

from actstudy.certificate import (
    certify,
    cost,
    curve,
    facts,
    flats,
    report,
    signal,
    slopes,
    subject,
    turns,
)
from actstudy.certificate.certify import FINDING, MEASURED, NOT_MEASURED
from actstudy.certificate.checks import CHECKS, SHAPE
from actstudy.certificate.measures import MEASURES
from actstudy.certificate.subject import Subject, subject_of
from actstudy.commands import certify as certify_command
from actstudy.contract import certificates, own
from actstudy.nets.activations import ACTIVATIONS, Activation, gain

NAMES = list(ACTIVATIONS)
OF_TORCH = {"hard_sigmoid": {"double_backward"}}  # what torch's own kernel lacks
GPU_ONLY = set() if torch.cuda.is_available() else {"cuda_graph"}


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    """Certificates are written to a folder of the test; modules are looked for in tests/."""
    monkeypatch.chdir(tmp_path)
    own.look_in(ROOT / "tests")


@cache
def checked(name: str) -> dict[str, dict[str, str]]:
    """Check -> its row for an activation, registered or planted."""
    return certify.checks_of(subject_of(name if name in ACTIVATIONS else f"planted:{name}"))


def outcomes(name: str) -> dict[str, str]:
    return {check: row["outcome"] for check, row in checked(name).items()}


def named(name: str) -> set[str]:
    return {check for check, outcome in outcomes(name).items() if outcome == FINDING}


def on_gpu(name: str) -> set[str]:
    """Checks that name a defect on a machine with a GPU only."""
    return planted.ON_GPU.get(name, set()) - GPU_ONLY


@pytest.mark.parametrize("name", [*NAMES, "Leaky"])
def test_no_false_alarm(name):
    by_check = outcomes(name)
    assert named(name) == OF_TORCH.get(name, set())
    assert {check for check in by_check if by_check[check] == NOT_MEASURED} == GPU_ONLY


@pytest.mark.parametrize("name", planted.NAMED)
def test_each_of_the_ten_defects_is_named(name):
    assert named(name) == planted.NAMED[name] | on_gpu(name)


@pytest.mark.parametrize("name", planted.OTHERS)
def test_other_defects_are_named(name):
    assert named(name) == planted.OTHERS[name] | on_gpu(name)


def test_every_check_but_the_gpus_has_a_planted_defect():
    tested = set.union(*planted.NAMED.values(), *planted.OTHERS.values())
    assert set(CHECKS) - tested == {"cuda_graph"}


def test_a_finding_says_where_and_what_to_change():
    row = checked("GraphBreak")["compile"]
    assert "planted.py" in row["text"]
    assert ".item()" in row["fix"]
    row = checked("NoAutocast")["autocast"]
    assert "planted.py: line" in row["text"]


def test_after_another_shape_nothing_is_compared():
    by_check = outcomes("Halves")
    assert by_check.pop("shape") == FINDING
    assert set(by_check.values()) == {NOT_MEASURED}


# Measures


def own_subject(function) -> Subject:
    """A subject of a function of one tensor, which no module holds."""

    class Module(nn.Module):
        def forward(self, x):
            return function(x)

    return Subject("function", Module, True)


def values(measure, subject):
    return measure(subject).values


@pytest.mark.parametrize("name", NAMES)
def test_every_measure_of_every_registered_activation(name, monkeypatch):
    monkeypatch.setattr(cost, "WINDOW_SECONDS", 1e-5)
    rows = certify.measures_of(subject_of(name))
    assert list(rows) == list(MEASURES)
    for measure, row in rows.items():
        assert row["outcome"] == MEASURED, measure
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_gain_is_that_of_the_initializers(name):
    expected = gain(ACTIVATIONS[name].factory())
    assert values(signal.moments, subject_of(name))["gain"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_moments_over_depth_are_those_of_a_wide_network(name):
    """Five layers of 2,000 random units, 64 inputs, three networks: within 15%."""
    read = values(signal.depth, subject_of(name))
    factor = values(signal.moments, subject_of(name))["gain"]
    generator = torch.Generator().manual_seed(0)
    module = ACTIVATIONS[name].factory()
    moments = []
    with torch.no_grad():
        for _ in range(3):
            h = torch.randn(64, 2000, generator=generator) * math.sqrt(2.0)
            for _ in range(5):
                weight = torch.randn(2000, 2000, generator=generator) * factor / math.sqrt(2000)
                h = module(h) @ weight
            moments.append(h.square().mean().item())
    expected = read["from"]["2.0"][read["depths"].index(5)]
    assert np.mean(moments) == pytest.approx(expected, rel=0.15)


def test_relu_keeps_any_second_moment_and_its_gradient():
    read = values(signal.depth, subject_of("relu"))
    assert read["from"]["0.5"] == pytest.approx([0.5] * 6, rel=1e-3)
    assert read["gradient"] == pytest.approx([1.0] * 6, rel=0.05)


def test_shape_of_known_curves():
    assert values(slopes.lipschitz, subject_of("relu"))["constant"] == pytest.approx(1)
    assert values(flats.dead_zone, subject_of("relu"))["share_of_normal"] == pytest.approx(0.5)
    assert values(flats.dead_zone, subject_of("gelu"))["zones"] == []
    assert values(turns.monotone, subject_of("tanh")) == {"monotone": True, "direction": "rising"}
    ((x, y),) = values(turns.minima, subject_of("silu"))["minima"]
    assert (x, y) == pytest.approx((-1.2785, -0.27846), abs=1e-3)
    extent = values(curve.extent, subject_of("relu6"))
    assert (extent["low"], extent["high"]) == (0.0, 6.0)
    ends = values(curve.ends, subject_of("tanh"))
    assert ends["left"]["limit"] == -1
    assert ends["right"]["within_1_percent_from"] == pytest.approx(math.atanh(0.99), abs=0.01)
    assert values(curve.ends, subject_of("gelu"))["right"] == {"slope": pytest.approx(1)}
    assert not values(curve.at_zero, subject_of("sigmoid"))["is_zero"]


def test_shape_of_curves_that_are_not_registered():
    jump = values(slopes.lipschitz, own_subject(lambda x: x + (x > 0.3).to(x.dtype)))
    assert jump == {"constant": None, "steepest_near": pytest.approx(0.3, abs=0.01)}
    root = slopes.lipschitz(own_subject(lambda x: x.abs().sqrt())).text
    assert root == "none: its slope has no bound near x = 0"
    sharp = values(slopes.lipschitz, own_subject(lambda x: torch.sigmoid(1e5 * (x - 0.3))))
    assert sharp["constant"] == pytest.approx(25_000, rel=0.01)
    wave = values(turns.monotone, own_subject(torch.sin))
    assert wave["n_turns"] >= 12
    assert values(turns.monotone, own_subject(lambda x: -x))["direction"] == "falling"
    steep = values(slopes.lipschitz, own_subject(lambda x: 3 * torch.tanh(x)))
    assert steep["constant"] == pytest.approx(3, rel=1e-4)
    assert "faster" in curve.ends(own_subject(lambda x: x**2)).text


def test_bytes_saved_are_those_of_autograd():
    assert values(cost.bytes_saved, subject_of("relu"))["bytes"] == 4
    assert values(cost.bytes_saved, subject_of("silu_written_out"))["bytes"] == 8
    assert values(cost.bytes_saved, subject_of("identity"))["bytes"] == 0


def test_time_is_a_ratio_to_relu_of_the_same_windows():
    assert values(cost.seconds, subject_of("relu"))["forward"] == pytest.approx(1, rel=0.5)
    slow = values(cost.seconds, own_subject(lambda x: x.sin().sin().sin().sin().sin().sin()))
    assert slow["forward"] > 2
    assert slow["n"] == cost.N_WINDOWS


def test_what_learns_and_modes():
    read = values(facts.learns, subject_of("prelu"))
    assert read["n_parameters"] == 1
    assert read["parameters"]["weight"]["from"] == [0.25]
    assert values(facts.modes, own_subject(nn.functional.dropout))["random_in_training"]
    assert not values(facts.not_a_number, own_subject(lambda x: x.nan_to_num()))["passes"]
    square = values(facts.largest, own_subject(lambda x: x * x))
    assert square == {"float32": pytest.approx(1.78e19, 0.1), "float16": pytest.approx(237, 0.1)}


# Files, commands


def test_the_state_is_that_of_the_code_as_it_is_now(tmp_path, monkeypatch):
    file = tmp_path / "bumps.py"
    file.write_text("import torch\n\n\ndef bump(x):\n    return torch.tanh(x)\n")
    assert certificates.state("bumps:bump") is None
    monkeypatch.setattr(certify, "CHECKS", {"shape": CHECKS["shape"]})
    monkeypatch.setattr(certify, "MEASURES", {})
    first = certificates.digest("bumps:bump")
    certificate = certify.certify("bumps:bump")
    certificate["measures"] = {}
    report.write(certificate)
    assert certificates.state("bumps:bump") == "certified"
    assert certificates.state("bumps:bump", first[:8]) == "certified"
    assert certificates.state("bumps:bump", "00000000") is None
    file.write_text("import torch\n\n\ndef bump(x):\n    return torch.tanh(2 * x)\n")
    own._find.cache_clear()
    certificates.own_code._digest.cache_clear()
    assert certificates.state("bumps:bump") is None
    assert certificates.state("bumps:bump", first[:8]) == "certified"


def test_a_damaged_certificate_is_none():
    file = certificates.file_of("relu")
    file.parent.mkdir(parents=True)
    for text in ('{"activation": "relu", "outc', "[]", '{"activation": "relu"}', "{}"):
        file.write_text(text)
        assert certificates.state("relu") is None
    content = {"activation": "relu", "outcome": "findings"}
    file.write_text(json.dumps(content))
    assert certificates.state("relu") is None
    file.write_text(json.dumps(content | certificates.scope({})))
    assert certificates.state("relu") == "findings"


POWER = """import torch


def power(x, p=1.0):
    return torch.sign(x) * (x.abs() + 1) ** p - torch.sign(x)
"""


def test_a_certificate_is_of_arguments_of_torch_and_of_its_checks(tmp_path, monkeypatch):
    (tmp_path / "powers.py").write_text(POWER)
    args = {"p": 0.5}
    done = command(tmp_path, "certify", "powers:power", "--args", "{p: 0.5}")
    assert done.returncode in (0, 1), done.stderr
    assert "`powers:power` with {p: 0.5}, code " in done.stdout
    file = certificates.file_of("powers:power", args)
    written = json.loads(file.read_text())
    assert written["arguments"] == args
    steepest = written["measures"]["lipschitz"]["values"]["constant"]
    assert steepest == pytest.approx(0.5, abs=1e-5)
    assert file.with_suffix(".md").exists()
    assert not certificates.file_of("powers:power").exists()
    outcome = written["outcome"]
    assert certificates.state("powers:power", args=args) == outcome
    assert certificates.state("powers:power") is None
    assert certificates.state("powers:power", args={"p": 0.25}) is None
    monkeypatch.setattr(certificates, "torch_version", lambda: "")
    assert certificates.state("powers:power", args=args) == outcome
    monkeypatch.setattr(certificates, "torch_version", lambda: "1.0.0")
    assert certificates.state("powers:power", args=args) is None
    monkeypatch.setattr(certificates, "torch_version", lambda: written["torch"])
    assert certificates.state("powers:power", args=args) == outcome
    monkeypatch.setattr(certificates, "CHECKS", certificates.CHECKS + 1)
    assert certificates.state("powers:power", args=args) is None


def test_arguments_reach_the_activation_and_defaults_are_none():
    measured = values(slopes.lipschitz, subject_of("leaky_relu", {"negative_slope": 3.0}))
    assert measured["constant"] == pytest.approx(3, rel=1e-4)
    assert certificates.other_than_defaults("leaky_relu", {"negative_slope": 0.01}) == {}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{slope: 2}", "--args: got 'slope'; did you mean 'negative_slope'?"),
        ("{negative_slope: steep}", "--args: activation_args.negative_slope: got 'steep'"),
        ("3", "--args: activation_args: got 3"),
        ("{", "--args"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, text, part):
    done = command(tmp_path, "certify", "leaky_relu", "--args", text)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert part in line


def test_one_function_says_what_acts_on_each_value(monkeypatch):
    """The certificate asks the function that decides on packs and gains."""

    class Scaled(nn.Module):
        def forward(self, x):
            return torch.tanh(x) / x.size(0) ** 0.5

    monkeypatch.setattr(subject.activations, "entry", lambda _: Activation(Scaled, "", ""))
    assert not subject_of("relu").elementwise
    monkeypatch.setattr(subject.elementwise, "mixes", lambda _: False)
    assert subject_of("relu").elementwise


def test_the_command_prints_writes_and_exits_by_outcome(tmp_path):
    done = command(tmp_path, "certify", "relu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# relu: certified, ")
    file = certificates.file_of("relu")
    assert file.with_suffix(".md").read_text() == done.stdout.rstrip("\n") + "\n"
    written = json.loads(file.read_text())
    assert written["digest"] in file.name
    assert written["versions"]["torch"] == torch.__version__
    done = command(tmp_path, "certify", "planted:Halves", "--modules", str(ROOT / "tests"))
    assert done.returncode == 1
    assert "- **shape**: an input of shape [6, 8] gives an output of shape [6, 4]" in done.stdout
    assert certificates.state("planted:Halves") == "findings"


TIRED = """import torch


class Tired(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        if self.n_calls > 60:
            raise ValueError("I am tired")
        return torch.tanh(x)
"""


def test_an_error_of_own_code_in_a_measure_is_a_finding(tmp_path, monkeypatch, capsys):
    (tmp_path / "tired.py").write_text(TIRED)
    monkeypatch.setattr(certify, "CHECKS", {SHAPE: CHECKS[SHAPE]})
    arguments = argparse.Namespace(activations=["tired:Tired"], args=None)
    assert certify_command.certify(arguments) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("# Tired: 1 finding, 1 of 1 checks passed\n")
    assert "- **time**: tired.py: line 12: ValueError: I am tired. To fix: " in printed
    assert "| time | finding: tired.py: line 12: ValueError: I am tired |" in printed
    assert certificates.state("tired:Tired") == certificates.FINDINGS


def test_a_measure_that_the_machine_does_not_allow_is_no_finding(monkeypatch):
    def no_memory(_):
        raise MemoryError

    monkeypatch.setattr(certify, "MEASURES", {"time": MEASURES["seconds"]._replace(run=no_memory)})
    rows = certify.measures_of(subject_of("relu"))
    assert rows["time"]["outcome"] == NOT_MEASURED
    assert certify.findings({}, rows) == {}


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("", "rellu", ["did you mean 'relu'?"]),
        ("", "nowhere:Squash", ["no module nowhere in"]),
        ("def squash(x): return x", "acts:Squash", ["has no 'Squash'", "did you mean 'squash'?"]),
        ("act = 3", "acts:act", ["acts:act: got int; allowed: a class of torch.nn.Module"]),
        ("import torch\nact = torch.nn.ReLU()", "acts:act", ["which all sites would share"]),
        ("def act(x, y): return x", "acts:act", ["2 required arguments", "give them defaults"]),
        ("def act(x): return x.foo", "acts:act", ["acts.py: line 1: AttributeError", "allowed: "]),
        ("def act(x): return None", "acts:act", ["returned NoneType"]),
        ("def act(x):\n  return (", "acts:act", ["acts.py: line 2:"]),
        ("def act(): return 3", "acts:act", ["acts:act: returned int"]),
        ("raise SystemExit", "acts:act", ["acts.py"]),
    ],
)
def test_bad_input_is_one_line(tmp_path, text, name, parts):
    (tmp_path / "acts.py").write_text(text)
    done = command(tmp_path, "certify", name)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for part in parts:
        assert part in line, line
    assert not certificates.FOLDER.exists()


def test_a_template_passes_its_tests_and_has_no_findings(tmp_path):
    done = command(tmp_path, "template", "activation", "my_squash")
    assert done.returncode == 0, done.stderr
    assert "python -m actstudy certify my_squash:MySquash" in done.stdout.splitlines()
    ran = forks.python(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "test_my_squash.py")
    assert ran.returncode == 0, ran.stdout
    saved = {}
    for name in ("MySquash", "MySquashLearnt", "MySquashLean"):
        subject = subject_of(f"my_squash:{name}")
        rows = certify.checks_of(subject)
        assert [row for row in rows.values() if row["outcome"] == FINDING] == []
        saved[name] = values(cost.bytes_saved, subject)["bytes"]
    assert saved["MySquashLean"] * 2 == saved["MySquash"]


def test_a_template_overwrites_nothing(tmp_path):
    (tmp_path / "test_squash.py").write_text("mine")
    done = command(tmp_path, "template", "activation", "squash")
    assert done.returncode == 2
    assert "test_squash.py: is there already" in done.stderr
    assert (tmp_path / "test_squash.py").read_text() == "mine"
    assert not (tmp_path / "squash.py").exists()


@pytest.mark.parametrize("name", ["", "_", "a-b", "a.b", "../a", "class", "é", "torch", "math"])
def test_a_template_needs_a_name_of_its_own(tmp_path, name):
    done = command(tmp_path, "template", "activation", name)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [[], ["activation"], ["--task", "mlp", "activation", "a"], ["activatoin", "a"]]
)
def test_a_template_is_of_a_task_or_of_an_activation(tmp_path, words):
    done = command(tmp_path, "template", *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
