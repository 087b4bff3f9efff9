"""The advisor's rules on planted symptoms, and `doctor` on models with planted faults."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from runs import quiet, run, tiny
from torch import nn

from actstudy.advice import dead, readings, rules
from actstudy.commands import cli
from actstudy.contract import schema, store
from actstudy.health import probes, values
from actstudy.training import checkpoint

MODELS = """
import torch
from torch import nn

def sound():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 64), nn.GELU(), nn.Linear(64, 3))

class Leaks(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = sound()
    def forward(self, x):
        return self.net(x) + self.net(x).mean(0)

def leaks():
    return Leaks()

def dead():
    net = sound()
    net[1] = nn.ReLU()
    nn.init.constant_(net[0].bias, -50.0)
    return net

def deep_sigmoid():
    torch.manual_seed(0)
    layers = [nn.Linear(10, 32), nn.Sigmoid()]
    for _ in range(11):
        layers += [nn.Linear(32, 32), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(32, 3))

def unused():
    net = sound()
    net.register_parameter("spare", nn.Parameter(torch.zeros(3)))
    return net

def loud():
    net = sound()
    nn.init.normal_(net[2].weight, std=30)
    return net

def no_epsilon():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 64), nn.LayerNorm(64, eps=0.0), nn.GELU(), nn.Linear(64, 3))

def not_finite():
    net = sound()
    nn.init.constant_(net[0].bias, float("inf"))
    return net

def nothing():
    return 3

def raises():
    raise RuntimeError("no weights here")
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with a user's module and batch."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(MODELS)
    rng = np.random.default_rng(0)
    np.savez(folder / "batch.npz", x=rng.normal(size=(32, 10)), y=rng.integers(0, 3, 32))
    torch.save({"x": torch.zeros(4, 7)}, folder / "narrow.pt")
    (folder / "broken.pt").write_bytes(b"not a batch")
    return folder


def in_a_process(folder, *arguments):
    command = [sys.executable, "-m", "actstudy", "doctor", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def doctor(monkeypatch, capsys):
    """`doctor` in a folder without a process of its own, which takes seconds to start."""

    def run_doctor(folder, *arguments):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        with pytest.raises(SystemExit) as left:
            cli.main(["doctor", *arguments])
        out, err = capsys.readouterr()
        code = left.value.code
        return subprocess.CompletedProcess(arguments, code, stdout=out, stderr=err)

    return run_doctor


@pytest.mark.parametrize("arguments", [("--batch", "batch.npz"), ("--batch", "none.pt")])
def test_a_process_of_its_own_says_the_same(mine, doctor, arguments):
    alone = in_a_process(mine, "--model", "mine:sound", *arguments)
    same = doctor(mine, "--model", "mine:sound", *arguments)
    assert (alone.returncode, alone.stdout) == (same.returncode, same.stdout)
    assert alone.stderr == same.stderr


@pytest.mark.parametrize(
    ("model", "rules", "code"),
    [
        ("sound", set(), 0),
        ("leaks", {"leak"}, 3),
        ("dead", {"dead_from_start", "loss_flat", "one_batch"}, 3),
        ("deep_sigmoid", {"vanishing", "one_batch"}, 3),
        ("unused", {"no_gradient"}, 1),
        ("loud", {"initial_loss"}, 1),
        ("no_epsilon", {"norm_epsilon"}, 1),
        ("not_finite", {"non_finite", "non_finite_gradient"}, 3),
    ],
)
def test_planted_faults_are_named(mine, doctor, model, rules, code):
    done = doctor(mine, "--model", f"mine:{model}", "--batch", "batch.npz")
    found = {
        line.rpartition("[")[2].rstrip("]")
        for line in done.stdout.splitlines()
        if line.endswith("]")
    }
    assert rules <= found, done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    assert (
        rules
        or "nothing found" in done.stdout
        or all("note" in x for x in done.stdout.splitlines()[1::2])
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "doctor: allowed: folders of runs, or --model MODULE:FUNCTION with --batch FILE"),
        (("--model", "mine:sound"), "doctor: --model: needs --batch FILE"),
        (("nowhere", "--model", "mine:sound"), "doctor: allowed: folders of runs, or --model"),
        (("nowhere", "--steps", "300"), "doctor: --steps: goes with --model only"),
        (("nowhere", "--batch_axis", "0"), "doctor: --batch_axis: goes with --model only"),
        (("nowhere", "--data_dir", "data"), "--data_dir: goes with --train_split only"),
        (
            ("--model", "mine:sound", "--batch", "batch.npz", "--train_split"),
            "doctor: --train_split: goes with a run's folder only",
        ),
        (("--model", "mine", "--batch", "batch.npz"), "got 'mine'; allowed: MODULE:FUNCTION"),
        (("nowhere",), "doctor: nowhere: no run has ended there"),
        (
            ("--model", "mine:soud", "--batch", "batch.npz"),
            "mine has no function 'soud'; did you mean 'sound'?",
        ),
        (
            ("--model", "yours:sound", "--batch", "batch.npz"),
            "ModuleNotFoundError: No module named 'yours'",
        ),
        (("--model", "mine:raises", "--batch", "batch.npz"), "RuntimeError: no weights here"),
        (
            ("--model", "mine:nothing", "--batch", "batch.npz"),
            "returned int; allowed: a torch.nn.Module",
        ),
        (
            ("--model", "mine:sound", "--batch", "narrow.pt"),
            r"the model fails on x (4, 7) float32: RuntimeError: mat1 and mat2",
        ),
        (("--model", "mine:sound", "--batch", "broken.pt"), "broken.pt: "),
        (("--model", "mine:sound", "--batch", "none.pt"), "none.pt: no such file"),
        (("--model", "mine:sound", "--batch", "batch.npz", "--steps", "1"), "allowed: 2 or more"),
    ],
)
def test_bad_input_is_one_line(mine, doctor, arguments, message):
    done = doctor(mine, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_run_that_has_ended_is_judged(tmp_path, data_folder, doctor):
    run(tiny("relu", optimizer="sgd", lr=1e30, clip=None), tmp_path / "a", data_folder, quiet())
    store.publish(tmp_path / "a")
    done = doctor(tmp_path, "a")
    assert done.returncode == 3
    assert "error: the run diverged" in done.stdout


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory, data_folder):
    """A folder with a published run of relu, `a`, one of leaky_relu, `b`, and their data."""
    folder = tmp_path_factory.mktemp("runs")
    specs = {
        "a": tiny("relu", epochs=1),
        "b": tiny("leaky_relu", epochs=1, activation_args={"negative_slope": 0.3}),
    }
    for name, spec in specs.items():
        run(spec, folder / name, data_folder, quiet())
        store.publish(folder / name)
    (folder / "data").mkdir()
    (folder / "data/mnist1d").symlink_to(data_folder)
    return folder


@pytest.fixture
def plant(tiny_run):
    """Moves biases of the first layer in the best weights of a run, for one test."""
    saved = {}

    def move(name, units, bias):
        best = tiny_run / name / "checkpoints/best.pt"
        if best not in saved:
            saved[best] = torch.load(best, weights_only=True)
        weights = {key: value.clone() for key, value in saved[best].items()}
        weights["layers.0.0.bias"][:units] = bias
        checkpoint.write(best, weights)

    yield move
    for best, weights in saved.items():
        checkpoint.write(best, weights)


WHOLE = ("--train_split", "--data_dir", "data")


def test_dead_units_of_a_run_over_its_whole_train_split(tiny_run, doctor, plant):
    """Planted: two units of the first layer, which no train example can wake."""
    before = doctor(tiny_run, "a", *WHOLE)
    plant("a", 2, -1e6)
    after = doctor(tiny_run, "a", *WHOLE)
    assert ": no unit; findings use this count" in before.stdout
    assert "train examples) at the best weights, step " in after.stdout
    assert ": layers.0: 2 of 16; findings use this count" in after.stdout


def test_the_count_over_the_train_split_decides_findings_and_exit_status(tiny_run, doctor, plant):
    """A probe batch that says other things is not believed: both ways."""
    plant("a", 16, -1e6)
    done = doctor(tiny_run, "a", *WHOLE)
    assert done.returncode == 3
    assert "error: 100% of the units at layers.0 are dead" in done.stdout
    assert "[dead]" not in doctor(tiny_run, "a").stdout
    half_dead = [
        {"kind": "site", "name": "a", "step": 50, "value": 0.5} | {"probe": probe}
        for probe in dead.PROBES
    ]
    assert "dead" in spoken(half_dead)
    assert "dead" not in spoken(dead.counted(half_dead, 50, {"a": 0.01}))
    assert "dead" in spoken(dead.counted(half_dead, 60, {"a": 0.4}))


def test_units_that_stay_negative_are_alive_over_the_train_split_too(tiny_run, doctor, plant):
    plant("b", 16, -60.0)
    done = doctor(tiny_run, "b", *WHOLE)
    assert ": no unit; findings use this count" in done.stdout
    assert "[dead" not in done.stdout


@pytest.mark.parametrize(
    ("activation", "n_dead"),
    [
        (nn.ReLU(), 8),
        (nn.ReLU6(), 8),
        (nn.Hardswish(), 8),
        (nn.LeakyReLU(0.3), 0),
        (nn.PReLU(), 0),
        (nn.ELU(), 0),
        (nn.Tanh(), 0),
        (nn.Softsign(), 0),
        (nn.Hardtanh(), 0),
        (nn.Identity(), 0),
        (nn.Sigmoid(), 0),
    ],
    ids=str,
)
def test_dead_is_zero_for_every_example(activation, n_dead):
    """The count over batches and the rule of the findings agree, with 16 units always below -4."""
    model = nn.Sequential(nn.Linear(3, 8), activation)
    nn.init.constant_(model[0].bias, -8.0)
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    counts = probes.dead_units(model, {"1": activation}, x.split(16))
    read = values.of_site([None], *[values.by_unit(model(x).detach())] * 2)
    share = dead.share(read["dead_fraction"].item(), read["zero_fraction"].item())
    assert counts == {"1": (n_dead, 8)}
    assert share == n_dead / 8


def test_a_unit_that_one_batch_wakes_is_alive():
    model = nn.Sequential(nn.ReLU())
    x = torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [2.0, -1.0]])
    assert probes.dead_units(model, {"0": model[0]}, x.split(1)) == {"0": (1, 2)}


def test_several_runs_are_judged_in_one_call(tiny_run, doctor):
    done = doctor(tiny_run, "a", "b")
    assert [line for line in done.stdout.splitlines() if line in ("a:", "b:")] == ["a:", "b:"]
    assert done.stdout.count(" sites on a probe batch, ") == 2


def test_a_run_says_what_was_read_and_its_flow_ratio(tiny_run, doctor):
    lines = doctor(tiny_run, "a").stdout.splitlines()
    assert lines[0].endswith("2 sites on a probe batch, 6 parameters")
    assert lines[1] == "checked:"
    (flow,) = [line for line in lines if line.startswith("  gradient flow ")]
    assert "nothing seen: the norm at the first site is " in flow
    assert [line.split()[0] for line in lines[-3:-1]] == ["layers.0", "layers.1"]


def test_a_run_without_health_gets_no_verdict(tiny_run, doctor, monkeypatch):
    tables = {
        name: table.to_pylist()
        for name, table in zip(
            ("health", "curves", "runs"),
            store.read(tiny_run / "a", "health", "curves", "runs"),
            strict=True,
        )
    }
    row = tables["runs"][0] | {"status": "failed", "reason": "out of luck"}
    empty = [schema.table(name, "a", rows) for name, rows in (("health", []), ("curves", []))]
    monkeypatch.setattr(store, "read", lambda *_: [*empty, pa.Table.from_pylist([row])])
    done = doctor(tiny_run, "a")
    assert done.returncode == 3  # as it failed
    assert "the run ended as failed: out of luck" in done.stdout
    assert "no verdict: not all was read" in done.stdout
    assert "nothing found" not in done.stdout


def test_dead_units_of_a_run_that_is_not_whole_are_refused(tiny_run, doctor, plant):
    missing = doctor(tiny_run, "a", "--train_split")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
    plant("a", 0, 0.0)
    best = tiny_run / "a/checkpoints/best.pt"
    best.write_bytes(best.read_bytes()[:-1])
    damaged = doctor(tiny_run, "a", *WHOLE)
    assert damaged.returncode == 2
    (line,) = damaged.stderr.splitlines()
    assert "a/checkpoints/best.pt does not have its checksum; to fix:" in line
    assert line.endswith("python -m actstudy retry a")


def reading(kind="site", probe="dead_fraction", value=1.0, name="a", step=0, **_):
    return {"kind": kind, "probe": probe, "value": value, "name": name, "step": step, "index": 0}


def spoken(rows=(), curves=(), **facts):
    return {finding.rule: finding.severity for finding in rules.advise(rows, curves, facts)}


PROBED = ("site", "parameter", "model", "normalisation")
READ = [rule for rule in rules.rules() if rule.reading[0] in PROBED]
BOUNDS = [
    (rule, bound) for rule in READ for bound in ("low", "high") if np.isfinite(getattr(rule, bound))
]


@pytest.mark.parametrize(("rule", "bound"), BOUNDS, ids=lambda part: getattr(part, "name", part))
def test_each_rule_speaks_beyond_its_threshold_and_not_within(rule, bound):
    kind, probe = rule.reading

    def rows(value):
        if probe == "loss_scale_kept":
            return [
                reading("model", "loss_scale", 65536 * v, "model", k)
                for k, v in enumerate((1.0, value))
            ]
        if probe == "update_ratio":
            return [reading("parameter", probe, value, "layer.weight")]
        if probe.startswith("dead"):
            shares = (("dead_fraction", value), ("zero_fraction", 1.0))
            return [
                reading(probe=name, value=share, step=step)
                for name, share in shares
                for step in (0 if probe == "dead_from_start" else 3, 9)
            ]
        return [reading(kind, probe, value)]

    threshold = getattr(rule, bound)
    if probe == "dead_from_start":
        threshold = readings.DEAD_FROM_START
    far, near = (1.05, 0.95) if bound == "high" else (0.95, 1.05)
    assert (rule.name, rule.severity) in spoken(
        rows(threshold * far + (0.01 if threshold == 0 else 0))
    ).items()
    assert (rule.name, rule.severity) not in spoken(rows(threshold * near)).items()


def test_at_any_step_at_the_last_and_in_the_median():
    def speaks(probe, values, kind="site"):
        return bool(spoken([reading(kind, probe, value, step=k) for k, value in enumerate(values)]))

    assert speaks("nonfinite", [0, 1, 0])
    assert not speaks("saturated_fraction", [0.9, 0.9, 0.1])
    assert speaks("saturated_fraction", [0.1, 0.1, 0.9])
    assert not speaks("flow_ratio", [1e-9, 1, 1], "model")
    assert speaks("flow_ratio", [1e-9, 1e-9, 1], "model")


def test_the_worst_is_the_furthest_as_a_ratio():
    rows = [
        reading("model", "flow_ratio", value, name) for name, value in (("a", 1.1e3), ("b", 1e7))
    ]
    assert [finding.place for finding in rules.advise(rows, [], {})] == ["b"]


def test_what_is_not_known_is_no_finding():
    assert spoken(batch_size=None, norm_epsilon=None) == {}
    assert spoken(one_batch=np.nan) == {"one_batch": "error"}


def test_a_tanh_that_stays_below_zero_is_not_dead():
    assert "dead" not in spoken([reading(value=0.9), reading(probe="zero_fraction", value=0.0)])


def test_units_that_no_step_killed_are_not_mended_by_smaller_steps():
    """Dead at every reading from step 0 on: init is to blame; what training killed is apart."""

    def at(**places):
        shares = [
            (name, step, value) for name, steps in places.items() for step, value in steps.items()
        ]
        rows = [reading(value=value, name=name, step=step) for name, step, value in shares]
        rows += [reading(probe="zero_fraction", name=name, step=step) for name, step, _ in shares]
        return {finding.rule: finding for finding in rules.advise(rows, [], {})}

    (found,) = at(a={0: 1.0, 5: 1.0, 9: 1.0}).values()
    assert (found.rule, found.severity, found.step) == ("dead_from_start", "error", 9)
    assert not any("learning rate" in remedy for remedy in found.remedies)
    assert set(at(a={0: 1.0, 5: 0.2, 9: 1.0})) == {"dead"}
    assert (
        set(at(a={0: 0.1, 9: 1.0}))
        == set(at(a={3: 1.0, 9: 1.0}))
        == set(at(a={0: 1.0}))
        == {"dead"}
    )
    assert at(a={0: 1.0, 9: 0.0}) == {}
    both = at(a={0: 0.0, 9: 0.9}, b={0: 1.0, 9: 1.0})
    assert {rule: finding.place for rule, finding in both.items()} == {
        "dead": "a",
        "dead_from_start": "b",
    }


def test_the_worst_of_two_thresholds_and_its_place():
    rows = [reading(value=v, name=n, step=9) for n, v in (("a", 0.4), ("b", 1.0), ("c", 0.2))]
    rows += [reading(probe="zero_fraction", name=n, step=9) for n in "abc"]
    (finding,) = rules.advise(rows, [], {})
    assert (finding.severity, finding.place, finding.value, finding.places, finding.step) == (
        "error",
        "b",
        1.0,
        1,
        9,
    )
    (milder,) = rules.advise(rows[:1] + rows[3:], [], {})
    assert milder.severity == "warning"


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        ([2.3, 1e4, 2.0], [], {"loss_large": "error"}),
        ([2.3, 2.0], [2.3, 2e3], {"loss_large": "error"}),
        ([2.3, 900.0], [], {}),
        ([5e4, 3e4], [4e4, 2e4], {"loss_starts_large": "note"}),
        ([5e4, 6e5], [], {"loss_large": "error", "loss_starts_large": "note"}),
        ([2.3, np.inf], [], {"loss_large": "error", "non_finite_loss": "error"}),
        ([np.nan, np.nan], [], {"non_finite_loss": "error"}),
        ([-1e4, 1.0], [], {}),
    ],
)
def test_a_large_loss_is_judged_by_the_first(train, val, expected):
    """Targets of a large scale are not blamed on the learning rate, a rise is."""
    losses = []
    for split, curve in (("train", train), ("val", val)):
        for step, value in enumerate(curve):
            point = {"step": step, "epoch": step, "split": split}
            losses.append({**point, "metric": "loss", "value": value})
    assert spoken(curves=losses) == expected


def test_a_large_loss_that_was_not_read_at_the_start_may_have_risen():
    loss = {"step": 143, "epoch": 1, "split": "train", "metric": "loss", "value": 5e4}
    assert spoken(curves=[loss]) == {"loss_large": "error"}


def test_settings_and_curves_speak():
    losses = [
        {"step": s, "epoch": s / 10, "split": "train", "metric": "loss", "value": v}
        for s, v in ((10, 2.3), (40, 2.3), (60, 2.29))
    ]
    assert spoken(curves=losses) == {"loss_flat": "warning"}
    assert spoken(curves=losses[::2]) == spoken(curves=losses[:2]) == {}  # too few readings
    early = [row | {"step": row["step"] - 10 * (row["step"] == 60) - 9} for row in losses[1:]]
    assert spoken(curves=[losses[0], *early]) == {}  # too few steps
    assert spoken(batch_size=4, norm="batch") == {"small_batch": "note"}
    assert spoken(batch_size=32, accumulate=8, norm="batch") == {"small_batch": "note"}
    assert spoken(batch_size=4, norm="layer") == spoken(batch_size=4) == {}
    sites = [reading(probe="post_sd", name=f"layers.{k}") for k in range(12)]
    assert spoken(sites, activation="sigmoid", norm="none") == {"saturating_deep": "warning"}
    assert spoken(sites, activation="sigmoid", norm="batch") == {}
    first = [reading("parameter", "update_ratio", 0.05, "a.weight", k) for k in (0, 10, 20)]
    adam = {"optimizer": "adamw", "warmup": 0, "betas": "[0.9, 0.999]"}
    assert "short_warmup" in spoken(first, losses[:1], **adam)
    for change in ({"warmup": 300}, {"optimizer": "sgd"}):
        assert "short_warmup" not in spoken(first, losses[:1], **adam | change)
    small = [row | {"value": 1e-3} for row in first]
    assert "short_warmup" not in spoken(small, losses[:1], **adam)
    assert "short_warmup" not in spoken(optimizer="sgd", warmup=0.0)
