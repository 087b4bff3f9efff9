"""Runs of trackers, read from files that the trackers themselves wrote.

Those of tests/files/judging are written by its write.py, in the versions of versions.json; event
files are written here.
"""

import importlib.util
import shutil
import sys
import types
import zipfile

import pytest
from refusals import refusal
from runs import ROOT

from actstudy.judging import readers
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import checked

FILES = ROOT / "tests/files/judging"
SOURCES = {"wandb": "wandb", "mlruns": "mlruns", "trackio": "judged.db"}
EXPORT_OF_RUNS = """"Name","State","Created","Runtime","activation","seed","accuracy"
"a","finished","2026-01-01","10","relu","0","0.8"
"b","finished","2026-01-01","10","relu","1","0.81"
"c","crashed","2026-01-01","10","gelu","2","0.1"
"d","finished","2026-01-01","10","gelu","0","0.82"
"e","finished","2026-01-01","10","gelu","1","0.83"
"""
RUNS = ("relu-0", "relu-1", "gelu-0", "gelu-1")


@pytest.fixture(scope="module")
def written():
    """The script that wrote the files."""
    spec = importlib.util.spec_from_file_location("write", FILES / "write.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["write"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Name -> the unpacked store of a tracker."""
    folder = tmp_path_factory.mktemp("stores")
    for name in SOURCES:
        with zipfile.ZipFile(FILES / f"{name}.zip") as archive:
            archive.extractall(folder)
    return {name: folder / path for name, path in SOURCES.items()}


def values(scores):
    """(level, seed) -> value of scores of one task, as they are judged."""
    frame = checked(scores.frame, "x")
    return {(row.level, row.seed): row.value for row in frame.itertuples()}


@pytest.mark.parametrize("name", SOURCES)
def test_a_tracker_s_own_files(stores, written, name):
    read = {}
    for pick in ("last", "min:val_loss", "best", "mean"):
        read[pick] = readers.read(stores[name], Options(value="accuracy", pick=pick))
    for level, seed in written.runs():
        logged = [written.numbers(level, seed, step)["accuracy"] for step in written.STEPS]
        assert values(read["last"])[level, seed] == logged[-1]
        assert values(read["best"])[level, seed] == logged[-1]
        assert values(read["min:val_loss"])[level, seed] == logged[1]
        assert values(read["mean"])[level, seed] == pytest.approx(sum(logged) / 3, abs=1e-15)
    assert len(values(read["last"])) == 8
    sentences = read["last"].assumptions
    assert "'activation' is taken as the level, by its name." in sentences
    assert "'seed' is taken as the seed, by its name." in sentences
    refusal(
        lambda: readers.read(stores[name], Options(value="accuracy")),
        "got 3 values of accuracy of one run",
        "step 0 to 2",
        "NAME: val_loss",
    )
    refusal(lambda: readers.read(stores[name]), "value: got 2 metrics", "val_loss")
    nested = readers.read(
        stores[name], Options(value="accuracy", pick="last", run_name="{level}-{seed}")
    )
    assert values(nested) == values(read["last"])


def test_one_run_s_file_or_folder(stores):
    file = next(stores["wandb"].rglob("*.wandb"))
    assert len(readers.read(file, Options(value="accuracy", pick="last")).frame) == 1
    run = next(stores["mlruns"].glob("*/*/metrics")).parent
    assert len(readers.read(run, Options(value="accuracy", pick="last")).frame) == 1


def test_deleted_runs_of_mlflow_are_left_out(stores, tmp_path):
    copy = tmp_path / "mlruns"
    shutil.copytree(stores["mlruns"], copy)
    meta = sorted(copy.glob("*/*/meta.yaml"))[0]
    meta.write_text(meta.read_text().replace("active", "deleted"))
    assert len(readers.read(copy, Options(value="accuracy", pick="last")).frame) == 7


def test_two_runs_of_one_seed_are_refused(stores, tmp_path):
    copy = tmp_path / "mlruns"
    shutil.copytree(stores["mlruns"], copy)
    run = sorted(copy.glob("*/*/meta.yaml"))[0].parent
    shutil.copytree(run, run.with_name("f" * 32))
    refusal(
        lambda: readers.read(copy, Options(value="accuracy", pick="last")),
        "2 times; runs of one seed are no replicates (pseudo-replication)",
    )


def test_benchopt_s_file(written):
    path = FILES / "benchopt.parquet"
    refusal(lambda: readers.read(path), "got 4 values of objective_value", "stop_val 0 to 3")
    frame = checked(readers.read(path, Options(pick="last")).frame, "x")
    assert sorted(frame["task"].unique()) == ["two[offset=0.0]", "two[offset=1.0]"]
    assert sorted(frame["level"].unique()) == ["fit[activation=gelu]", "fit[activation=relu]"]
    assert sorted(frame["seed"].unique()) == [0, 1, 2, 3]
    assert len(frame) == 16
    by_task = frame.set_index(["task", "level", "seed"])["value"]
    first, second = (by_task[f"two[offset={offset}]"] for offset in ("0.0", "1.0"))
    gains = by_task.xs("fit[activation=gelu]", level=1) - by_task.xs(
        "fit[activation=relu]", level=1
    )
    assert first.between(0.8, 0.83).all()
    assert second.between(1.8, 1.83).all()
    assert gains.notna().all()
    error = readers.read(path, Options(value="objective_error", pick="last"))
    assert checked(error.frame, "x")["value"].max() < 0.2


def chart(columns):
    """An exported chart of some runs, with the columns that its page adds."""
    head = ["Step"]
    for name in columns:
        head += [f"{name} - accuracy", f"{name} - accuracy__MIN", f"{name} - accuracy__MAX"]
    lines = [",".join(f'"{name}"' for name in head)]
    for step in range(3):
        cells = [str(step)]
        for place in range(len(columns)):
            value = "" if step == 2 and place == 0 else f"0.{place + 1}{step}"
            cells += [value] * 3
        lines.append(",".join(f'"{cell}"' if cell else "" for cell in cells))
    return "\n".join(lines) + "\n"


def test_an_exported_chart(tmp_path):
    path = tmp_path / "wandb_export.csv"
    path.write_text(chart(RUNS))
    scores = readers.read(path, Options(pick="last"))
    assert scores.metric == "accuracy"
    assert values(scores) == {
        ("relu", 0): 0.11,
        ("relu", 1): 0.22,
        ("gelu", 0): 0.32,
        ("gelu", 1): 0.42,
    }
    assert "Levels and seeds are read from the names of runs" in " ".join(scores.assumptions)
    path.write_text(chart(["activation: relu", "activation: gelu"]))
    refusal(lambda: readers.read(path, Options(pick="last")), "its name does not say its level")


def test_an_exported_table_of_runs(tmp_path):
    path = tmp_path / "wandb_export.csv"
    path.write_text(EXPORT_OF_RUNS)
    refusal(
        lambda: readers.read(path, Options(value="accuracy")),
        "run c (crashed): value: got none that counts; 1 of 5 runs has no finite value",
    )
    options = Options(value="accuracy", diverged="none")
    scores = readers.read(path, options)
    assert values(scores) == {
        ("relu", 0): 0.8,
        ("relu", 1): 0.81,
        ("gelu", 0): 0.82,
        ("gelu", 1): 0.83,
    }
    sentence = "Runs that did not finish are taken as never made: c (crashed)."
    assert sentence in scores.assumptions
    lost = readers.read(path, Options(value="accuracy", diverged="nan")).frame
    assert list(lost["diverged"]) == [False, False, True, False, False]
    by_name = EXPORT_OF_RUNS.replace('"activation","seed",', "")
    for letter, name in zip("abde", RUNS, strict=True):
        by_name = by_name.replace(f'"{letter}"', f'"{name}"')
    for cells in ('"relu","0",', '"relu","1",', '"gelu","2",', '"gelu","0",', '"gelu","1",'):
        by_name = by_name.replace(cells, "")
    path.write_text(by_name.replace('"c"', '"gelu-2"'))
    assert values(readers.read(path, options)) == values(scores)
    lost = readers.read(path, Options(value="accuracy", diverged="nan")).frame
    assert list(lost["diverged"]) == [False, False, True, False, False]


def write_events(folder, offset, steps=range(3)):
    """An event file of two scalars."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step in steps:
            writer.add_scalar("accuracy", offset + step / 4, step)
            writer.add_scalar("val_loss", abs(step - 1), step)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A folder of event files, a folder in it per run."""
    pytest.importorskip("tensorboard")
    # TensorBoard's own switch: without TensorFlow, which takes ten seconds to import
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
    root = tmp_path_factory.mktemp("events")
    for place, level in enumerate(("relu", "gelu")):
        for seed in range(3):
            write_events(root / level / f"seed_{seed}", 8 * place + seed)
    return root


def test_event_files(events):
    options = Options(value="accuracy", pick="last")
    scores = readers.read(events, options)
    expected = {
        ("relu", 0): 0.5,
        ("relu", 1): 1.5,
        ("relu", 2): 2.5,
        ("gelu", 0): 8.5,
        ("gelu", 1): 9.5,
        ("gelu", 2): 10.5,
    }
    assert values(scores) == expected
    named = Options(value="accuracy", pick="last", run_name="{level}/seed_{seed}")
    assert values(readers.read(events, named)) == expected
    best = readers.read(events, Options(value="accuracy", pick="min:val_loss"))
    assert values(best)["relu", 0] == 0.25
    refusal(lambda: readers.read(events), "value: got 2 metrics")
    wrong = Options(value="accuracy", pick="last", run_name="{level}+{seed}")
    refusal(lambda: readers.read(events, wrong), "its name does not say its level")
    without_level = Options(value="accuracy", run_name="{seed}")
    refusal(lambda: readers.read(events, without_level), "run_name: got '{seed}'")


def test_a_restarted_run_counts_once(events, tmp_path):
    write_events(tmp_path / "relu-0", 0, range(3))
    write_events(tmp_path / "relu-0", 100, range(1, 3))
    scores = readers.read(tmp_path, Options(value="accuracy", pick="last"))
    assert values_of_one(scores) == [100.5]


def values_of_one(scores):
    """The values of scores that are not enough to be judged."""
    return list(scores.frame["value"])


def test_hyperparameters_of_event_files_are_settings(events, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for level in ("relu", "gelu"):
        for seed in range(2):
            with SummaryWriter(str(tmp_path / f"{level}{seed}")) as writer:
                settings = {"activation": level, "seed": seed}
                writer.add_hparams(settings, {"accuracy": 0.5 + seed}, run_name="h")
    scores = readers.read(tmp_path, Options(value="accuracy"))
    assert values(scores) == {
        ("relu", 0): 0.5,
        ("relu", 1): 1.5,
        ("gelu", 0): 0.5,
        ("gelu", 1): 1.5,
    }


def test_a_damaged_event_file_is_named(events, tmp_path):
    file = next(events.rglob("*tfevents*"))
    raw = file.read_bytes()
    copy = tmp_path / "relu-0" / file.name
    copy.parent.mkdir()
    middle = bytearray(raw)
    middle[len(raw) // 2] ^= 255
    copy.write_bytes(bytes(middle))
    options = Options(value="accuracy", pick="last")
    refusal(lambda: readers.read(tmp_path, options), copy.name, "damaged")
    copy.write_bytes(raw[:-5])  # of a run that was killed: what was written before counts
    assert values_of_one(readers.read(tmp_path, options)) != []


def test_without_tensorboard_a_line_says_so(events, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    refusal(lambda: readers.read(events), "the package tensorboard", "pip install")


def test_settings_that_differ_as_well_are_said(stores):
    from actstudy.judging.reading import runs

    several = []
    for level in ("a", "b"):
        for seed in range(2):
            settings = {"method": level, "seed": seed, "lr": 0.1 if level == "a" else 0.2}
            several.append(runs.Run(f"{level}{seed}", settings, {"x": one_point(seed)}))
    scores = runs.scores(several, Options(), "s")
    sentence = "What differs exactly as the levels do may be what makes the difference: "
    assert f"{sentence}lr (a 0.1, b 0.2)." in scores.assumptions
    mixed = [
        runs.Run(run.name, run.settings | {"lr": place}, run.metrics)
        for place, run in enumerate(several)
    ]
    assumptions = runs.scores(mixed, Options(), "s").assumptions
    assert "Settings that differ between runs as well: lr." in assumptions
    without = [runs.Run(run.name, {**run.settings, "method": "a"}, run.metrics) for run in several]
    refusal(lambda: runs.scores(without, Options(), "s"), "2 times", "pseudo-replication")


def test_a_run_that_never_logged_the_metric_is_not_left_out_in_silence():
    from actstudy.judging.reading import missing, runs

    several = []
    for level in ("a", "b"):
        for seed in range(2):
            metrics = {"x": one_point(seed), "y": one_point(seed)}
            if (level, seed) == ("b", 1):
                del metrics["x"]
            several.append(runs.Run(f"{level}{seed}", {"method": level, "seed": seed}, metrics))
    refusal(
        lambda: runs.scores(several, Options(value="x"), "s"), "s: run b1: value: got no x; 1 of"
    )
    others = runs.scores(several, Options(value="x", missing="none"), "s")
    assert "Runs without x are taken as never made: b1." in others.assumptions
    assert len(others.frame) == 3
    options = Options(value="x", missing="nan")
    lost = missing.settled(runs.scores(several, options, "s"), options, "s")
    assert list(lost.frame["diverged"]) == [False, False, False, True]


def one_point(value):
    """A metric that was logged once."""
    import numpy as np

    return np.zeros(1), np.full(1, float(value))


def test_a_run_that_diverged_is_refused_or_marked(stores, tmp_path):
    copy = tmp_path / "mlruns"
    shutil.copytree(stores["mlruns"], copy)
    metric = sorted(copy.glob("*/*/metrics/accuracy"))[0]
    metric.write_text(metric.read_text() + "1795808983648 nan 3\n")
    options = Options(value="accuracy", pick="last")
    refusal(lambda: readers.read(copy, options), "value: got nan; 1 of 8", "--diverged nan")
    scores = readers.read(copy, Options(value="accuracy", pick="last", diverged="nan"))
    assert scores.frame["diverged"].sum() == 1
    assert checked(scores.frame, "x")["value"].isna().sum() == 1
