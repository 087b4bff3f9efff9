"""Comparisons with torch: when they are made again, what is left of them, broken back ends."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from runs import ROOT

from actstudy.analysis import ending, forecast, status, watch
from actstudy.commands import cli
from actstudy.contract import literals, parity, parity_stamp, spec, store
from actstudy.data import prepared
from actstudy.frameworks import backend
from actstudy.study import parities, planning
from actstudy.training import parity as comparison
from actstudy.training import parity_file
from actstudy.training.parity_file import ParityFailed

OLD = {"torch": "1.0", "code": "0" * 12}
STUDY = {
    "compare": "framework",
    "baseline": "torch",
    "seeds": 2,
    "axes": {"framework": ["torch", "keras-jax"], "activation": ["relu", "gelu"]},
    "tasks": {"vision": {"steps": 4, "warmup": 0, "width": 4}},
}


def compare(run, **changes):
    """Write the comparison of a run's cell, as it would be now but for some keys."""
    stamp = parity_stamp.stamp(run.spec.framework)
    check = {"name": "logits", "where": "conv1", "value": 1e-7, "limit": 2e-6}
    content = {"checks": [check], "error": None, "stamp": stamp, "seconds": 80.0, **changes}
    store.write_json(parity.path(run.spec), content)


def publish(run):
    """Make a run of the present folder look as if it had been published."""
    folder = store.run_folder(run.spec)
    folder.mkdir(parents=True)
    for name in store.FILES:
        (folder / name).write_text("{}")


@pytest.fixture
def compared(tmp_path, monkeypatch, prepared_folder):
    """A study of two seeds in the present folder whose data and comparisons are there."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/data").symlink_to(prepared_folder("fashion_mnist_tenth").parent)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    study = planning.load(file)
    keras = [run for run in study.possible if run.spec.framework == "keras-jax"]
    for run in keras:
        compare(run)
    return study, keras


def test_a_comparison_of_other_code_is_outdated_for_runs_to_train_alone(compared):
    study, keras = compared
    specs = [run.spec for run in study.possible]
    assert parities.to_compare(specs) == {}
    first, second = [run for run in keras if run.spec.activation == "gelu"]
    compare(first, stamp=OLD)
    assert list(parities.to_compare(specs)) == [parity.path(first.spec)]
    publish(first)
    assert list(parities.to_compare(specs)) == [parity.path(first.spec)]
    publish(second)
    assert parities.to_compare(specs) == {}
    assert forecast.comparisons(study).todo == 0


@pytest.fixture
def comparing(monkeypatch):
    """A list of the commands that compare, each of which writes a file of the present code."""
    commands = []

    def compared(command, **_):
        commands.append(command)
        run = spec.from_json(command[command.index("--spec") + 1])
        stamp = parity_stamp.stamp(run.framework)
        store.write_json(Path(command[-1]), {"checks": [], "error": None, "stamp": stamp})
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(parity_file.subprocess, "run", compared)
    return commands


def test_a_run_makes_an_outdated_comparison_again_once(compared, comparing):
    _, (run, *_) = compared
    assert parity_file.compare_first(run.spec, store.DATA, list) == 0
    assert comparing == []
    compare(run, stamp=OLD)
    assert parity_file.compare_first(run.spec, store.DATA, list) > 0
    assert parity_file.compare_first(run.spec, store.DATA, list) == 0
    assert len(comparing) == 1
    parity.path(run.spec).unlink()
    parity_file.compare_first(run.spec, store.DATA, list)
    assert len(comparing) == 2


def test_versions_and_code_are_in_the_stamp_and_comments_are_not(monkeypatch, tmp_path):
    stamp = parity_stamp.stamp("keras-tensorflow")
    assert set(stamp) == {"torch", "keras", "tensorflow", "code"}
    assert "unknown" not in stamp.values()
    for name in ("frameworks", "training"):
        shutil.copytree(ROOT / "lib/actstudy" / name, tmp_path / name)
    monkeypatch.setattr(literals, "PACKAGE", tmp_path)
    layers = tmp_path / "frameworks/layers.py"
    codes = []
    for addition in ("", "# a comment\n", "x = 1\n"):
        layers.write_text(layers.read_text() + addition)
        literals.tree.cache_clear()
        codes.append(parity_stamp.code.__wrapped__())
    literals.tree.cache_clear()
    assert codes[0] == codes[1] == stamp["code"] != codes[2]


def test_status_and_cost_count_comparisons(compared):
    study, keras = compared
    compare(keras[0], stamp=OLD)
    text, _ = status.status(study)
    rest = "1 comparison of Keras with torch left, about 80 s each"
    assert f"parity: 1 of 2 framework cells compared; {rest}" in text
    parity.path(keras[-1].spec).unlink()
    assert forecast.comparisons(study).todo == 2
    assert forecast.comparisons(study).seconds == 160


def test_progress_and_the_last_line_count_comparisons_while_some_are_left(compared):
    study, keras = compared
    compare(keras[0], stamp=OLD)
    parity.path(keras[-1].spec).unlink()
    seen = watch.Watch(study)
    assert seen.counts() == "0 of 8 runs completed, 0 of 2 framework cells compared"
    compare(keras[0])
    seen.look()
    assert "0 of 8 runs completed, 1 of 2 framework cells compared, 0 running; " in seen.line()
    assert seen.forecast().seconds == 80
    assert "1 of 2 framework cells compared" in ending.unfinished(seen, "make study", True)
    compare(keras[-1])
    seen.look()
    assert seen.counts() == "0 of 8 runs completed"
    assert seen.forecast().seconds == 0


def test_retry_of_a_run_that_failed_by_parity_compares_again(compared, monkeypatch, capsys):
    study, keras = compared
    first, *others = keras
    reasons = {first.id: "parity: logits at conv1: 0.5, allowed 2e-06"}
    for run in keras:
        publish(run)
        store.write_json(store.run_folder(run.spec) / "spec.json", dataclasses.asdict(run.spec))

    def row_of(folder):
        return {"status": "failed", "reason": reasons.get(folder.name, "a full disk")}

    monkeypatch.setattr(store, "summary_row", row_of)
    monkeypatch.setattr(store, "verifies", lambda folder: True)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["retry", "failed", "--config", study.file])
    file = parity.path(first.spec)
    line = f"cleared {file}; the next start compares its cell with torch again"
    assert capsys.readouterr().out.count(line) == 1
    assert not parity_stamp.is_present(file, "keras-jax")
    (other, _) = [run for run in others if parity.path(run.spec) != file]
    assert parity_stamp.is_present(parity.path(other.spec), "keras-jax")


def test_a_broken_back_end_is_one_line_that_its_runs_fail_by(compared, monkeypatch):
    def broken():
        raise ImportError("libfoo.so: cannot open\nmore")

    monkeypatch.setattr(backend, "_import_keras", broken)
    monkeypatch.setattr(os, "environ", {**os.environ})
    _, (run, *_) = compared
    data = store.DATA / "fashion_mnist_tenth"
    content = comparison.content_of(run.spec, lambda: prepared.load(data))
    line = "keras-jax cannot be imported: libfoo.so: cannot open; to fix: pip install 'actstudy[ke"
    assert content["error"].startswith(line)
    assert "\n" not in content["error"]
    compare(run, **content)
    with pytest.raises(ParityFailed, match=r"^parity: keras-jax cannot be imported: libfoo"):
        parity_file.check(run.spec)
