"""The demos: what each table says is what its title says, each has a picture, bad input a line."""

import importlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import forks
import nbformat
import pandas as pd
import pytest
import torch
from project import Project
from runs import ROOT
from torch import nn

from actstudy.advice import rules
from actstudy.analysis import figures
from actstudy.commands import cli
from actstudy.contract import demos
from actstudy.experiments import demo_debugging, demo_notebook, demo_own_activation
from actstudy.health import doctor, reach
from actstudy.health.loss import choose
from actstudy.health.subject import Choices

torch.set_num_threads(1)
LABELS = Choices(loss="cross_entropy")


@pytest.fixture(scope="module", autouse=True)
def in_forks():
    """Python that a demo starts is a fork of this one."""

    def run(command, cwd, **options):
        return forks.python(cwd, *command[2:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_own_activation, "subprocess", SimpleNamespace(run=run))
        yield


@pytest.fixture(scope="module")
def table():
    """A demo's table, computed once."""
    frames = {}

    def of(name):
        if name not in frames:
            module = importlib.import_module(f"actstudy.experiments.demo_{name}")
            named = demos.DEMOS[name].activations
            frames[name] = (module.table(named) if named else module.table()).to_pandas()
        return frames[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_notebook, "STEPS", 30)
        patch.setattr(demo_notebook, "SEEDS", 2)
        yield of


@pytest.mark.parametrize("name", demos.DEMOS)
def test_each_has_a_picture(name, table, tmp_path):
    module = importlib.import_module(f"actstudy.analysis.figures.demo_{name}")
    file = tmp_path / "table.parquet"
    table(name).to_parquet(file)
    figure, caption = module.draw(pd.read_parquet(file))
    figures.save(figure, caption, tmp_path / name)
    assert (tmp_path / f"{name}.png").stat().st_size > 20_000
    assert caption.endswith(".")


def test_why_a_line_fails_where_activations_do_not(table):
    frame = table("why")
    points = frame[frame["kind"] == "test"].copy()
    points["right"] = (points["probability"] > 0.5) == (points["label"] == 1)
    right = points.groupby(["activation", "problem"])["right"].mean().unstack("activation")
    assert set(right.index) == {"circle", "moons", "XOR", "spiral"}
    assert (right["identity"] < 0.9).all()
    assert (right.drop(columns="identity") > 0.95).all(axis=None)
    difference = frame[frame["kind"] == "collapse"].set_index("activation")["difference"]
    assert difference["identity"] < 1e-12
    assert (difference.drop("identity") > 1e-4).all()


def test_gradients_fall_by_a_factor_per_layer(table):
    frame = table("gradient_flow")
    median = frame.groupby(["activation", "init", "layer"])["gradient"].median()
    assert (median.xs(20, level="layer") == 1).all()
    assert median["sigmoid", "xavier_normal", 0] < 1e-9
    assert 0.3 < median["relu", "he_normal", 0] < 3
    assert median["relu", "xavier_normal", 0] < 0.01


def test_a_plot_is_the_function_and_breaks_where_it_jumps(table):
    frame = table("plot").set_index(["activation", "order", "x"])["value"].sort_index()
    silu = frame["silu", 0]
    x = torch.tensor(silu.index.to_numpy())
    assert abs(silu.to_numpy() - nn.functional.silu(x).numpy()).max() < 1e-12
    slope = frame["relu", 1]
    assert slope[slope.isna()].index.to_list() == [0.0]
    assert set(slope.dropna()) == {0.0, 1.0}
    assert not frame["gelu", 2].isna().any()


def test_units_die_and_come_back(table):
    frame = table("dead_units")
    second = frame[frame["site"] == "3 (ReLU)"].set_index(["training", "step"])["dead"]
    sound, fast, pushed, revived = (second[name] for name in frame["training"].unique())
    assert sound.max() < 0.3 < 0.5 < fast.iloc[-1]
    assert pushed.loc[200:].min() == revived[200] == 1
    assert revived.iloc[-1] < 0.3
    expected = frame.groupby("training", sort=False)["findings"].first()
    assert [("dead" in text) for text in expected] == [False, True, True, False]


def test_doctor_names_each_fault_and_none_of_sound_models(table):
    first = table("debugging").groupby("model", sort=False).first()
    assert len(first) == len(demo_debugging.CASES)
    assert (first["rule"] == first["expected"]).all(), first[["rule", "expected"]]
    assert (first["cause"] == "").all()
    faults = table("debugging").groupby("model")["rule"].agg(set)
    assert faults["fp16 overflow"] >= {"overflow_fp16", "non_finite_loss"}


def test_findings_of_doctor_are_labelled_in_words(table):
    labels = (
        table("debugging").query("rule != ''").drop_duplicates("rule").set_index("rule")["label"]
    )
    assert labels.is_unique
    assert set(labels.index) <= demo_debugging.LABELS_OF_RULES.keys()
    assert not labels.str.contains("_").any()
    assert demo_debugging.LABELS_OF_RULES.keys() <= {rule.name for rule in rules.rules()}


def test_an_own_backward_is_right_and_keeps_half(table):
    frame = table("own_activation")
    outcomes = frame.loc[frame["kind"] == "test", "outcome"]
    assert len(outcomes) > 20
    assert set(outcomes) == {"passed"}
    by_x = frame[frame["kind"].isin(["slope", "difference"])].pivot(index="x", columns="kind")
    assert (by_x["value"]["slope"] - by_x["value"]["difference"]).abs().max() < 1e-8
    saved = frame[frame["kind"] == "bytes"].set_index("name")["value"]
    assert saved["own backward"] * 2 == saved["by autograd"]


def test_a_failed_test_of_the_template_is_a_failed_row(monkeypatch, tmp_path):
    run = demo_own_activation.subprocess.run

    def break_it(command, cwd, **options):
        if "pytest" in command:
            module = Path(cwd, "bend.py")
            text = module.read_text().replace("return gradient * slope", "return gradient")
            module.write_text(text)
        return run(command, cwd=cwd, **options)

    monkeypatch.setattr(demo_own_activation.subprocess, "run", break_it)
    outcome = {row["name"]: row["outcome"] for row in demo_own_activation._of_tests(tmp_path)}
    assert outcome["the own backward is that of autograd"] == "failed"
    assert outcome["beta is learnt"] == "passed"


def test_five_experiments_have_every_cell(table):
    frame = table("notebook")
    assert list(frame["experiment"].unique()) == [
        *("activations", "flow", "pairs", "hybrids", "precisions")
    ]
    cells = frame[frame["metric"] == "accuracy"].groupby(["experiment", "activation", "condition"])
    assert (cells.size() == 2).all()
    assert len(cells) == 6 + 9 + 4 + 9
    final = cells["value"].mean()
    assert abs(final["precisions", "tanh", "bf16"] - final["precisions", "tanh", "fp32"]) < 0.1
    assert frame["value"].notna().all()


def net(*last, depth=2):
    torch.manual_seed(0)
    hidden = [nn.Linear(16, 16), nn.ReLU()] * depth
    return nn.Sequential(*hidden, nn.Linear(16, 10), *last)


@pytest.mark.parametrize(
    ("last", "operation"),
    [
        ([], "Addmm"),
        ([nn.Softmax(1)], "Softmax"),
        ([nn.Sigmoid(), nn.Unflatten(1, (2, 5))], "Sigmoid"),
        ([nn.Tanh()], "Tanh"),
        ([nn.LogSoftmax(1)], "LogSoftmax"),
    ],
)
def test_the_last_operation_is_read_from_the_graph(last, operation):
    assert reach.last_operation(net(*last)(torch.zeros(4, 16))) == operation


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid(), nn.Tanh()])
def test_no_output_of_the_last_operation_has_a_lower_loss(last):
    """The bound that doctor names is reached at the best output, and by no other one."""
    y = torch.arange(10)
    output = net(last)(torch.zeros(10, 16))
    loss = choose("cross_entropy", output, y, None, 0)
    (bound,) = reach.facts_of(loss, output, y).values()
    logits = torch.randn(10, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.5)
    for _ in range(300):
        optimizer.zero_grad()
        value = loss.of(last(logits))
        value.backward()
        optimizer.step()
    assert bound <= value.item() + 1e-5
    assert value.item() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(
    "model",
    [
        net(nn.LogSoftmax(1)),
        net(nn.ReLU()),
        net(nn.LayerNorm(10)),
        net().half(),
        net(depth=6),
        nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 10)),
    ],
    ids=["log softmax", "relu logits", "norm", "halves", "six layers", "tanh"],
)
def test_sound_models_have_none_of_the_new_findings(model):
    x, y = demo_debugging.batch()
    findings = {f.rule for f in doctor.examine(model, x, y, 20, choices=LABELS).health.findings()}
    new = {case.rule for case in demo_debugging.CASES} - {"saturating_deep"}
    assert not findings & new


def test_a_list_and_one_line_for_what_is_wrong(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for words, expected in (
        ([], "dead_units"),
        (["dead_unit"], "did you mean 'dead_units'"),
        (["plot", "rellu"], "relu"),
        (["plot", "swigl"], "did you mean 'silu'"),
        (["dead_units", "relu"], "allowed: no activations"),
        (["plot", "--only", "picture"], "plot.parquet: missing"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(["demo", *words])
        out, err = capsys.readouterr()
        assert expected in out + err
        assert (ended.value.code == 0) == (not words)
        assert err.count("\n") == (1 if words else 0)


def test_other_activations_have_a_picture_of_their_own(monkeypatch, tmp_path):
    (tmp_path / "my.acts.py").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", "plot", "tanh", "sigmoid"])
    assert ended.value.code == 0
    assert (tmp_path / "results/demos/plot-tanh-sigmoid.png").is_file()
    assert demos.stem("plot", ("a.b:C",)).name == "plot-a_b_C"


def test_the_workflow_makes_a_picture_and_the_notebook(table, tmp_path):
    project = Project(tmp_path)
    shutil.copytree(ROOT / "docs/notebooks", tmp_path / "docs/notebooks")
    (tmp_path / demos.FOLDER).mkdir(parents=True)
    table("notebook").to_parquet(tmp_path / demos.FOLDER / "notebook.parquet")
    targets = [str(demos.FOLDER / name) for name in ("plot.png", "notebook.ipynb")]
    rules, _ = project.planned("--cores", "1", *targets)
    assert rules == {"demo_table", "demo_picture", "demo_notebook"}
    assert not project.planned()[0] & rules  # no study needs them
    project.snakemake("--cores", "1", *targets)
    assert (tmp_path / targets[0]).stat().st_size > 20_000
    notebook = nbformat.read(tmp_path / targets[1], 4)
    outputs = []
    for cell in notebook.cells:
        outputs += cell.get("outputs", ())
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
