"""Study files that are wrong: each told in one line before anything starts; tests/faults/configs.py
tries thousands.
"""

import dataclasses
import re
import subprocess
import sys
import time

import pytest
import small_tables
import yaml
from faults import configs, mutants, typos
from runs import ROOT

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.study import checks, grid, model_checks, planning, reading, seeding


@pytest.fixture
def file(tmp_path):
    return tmp_path / "study.yaml"


@pytest.mark.parametrize("name", configs.CASES)
def test_a_bad_file_is_one_line(file, name):
    content, says = configs.CASES[name]
    kind, said = configs.verdict(file, content)
    assert kind == "invalid", said
    assert says in said


OFF = {
    "the loader": (reading, "parse", lambda text, *_: yaml.safe_load(text), "task twice"),
    "what YAML misreads": (reading, "plain_value", yaml.safe_load, "hexadecimal"),
    "keys that are text": (reading, "_is_key", lambda _: True, "key of two lines"),
    "the size of a file": (reading, "MAX_YAML_BYTES", 10**9, "large"),
    "the depth of a file": (reading, "MAX_YAML_DEPTH", 10**9, "nested deep"),
    "the number of runs": (seeding, "MAX_RUNS", 10**12, "an axis without end"),
    "sites": (model_checks, "sites", lambda _: ["layers.0", "layers.9"], "site that is none"),
    "arguments": (model_checks, "_check_arguments", lambda *_: None, "division by zero"),
    "sizes": (model_checks, "_check_sizes", lambda *_: None, "batch norm of one"),
}


@pytest.mark.parametrize("guard", OFF)
def test_without_its_guard_a_bad_file_is_not_told(file, monkeypatch, guard):
    module, name, off, case = OFF[guard]
    monkeypatch.setattr(module, name, off)
    content, says = configs.CASES[case]
    kind, said = configs.verdict(file, content)
    assert kind != "invalid" or says not in said


def test_mutants_are_told_or_can_be_trained(file):
    counts, wrong = configs.mutated(file, 200)
    assert not wrong
    assert min(counts["valid"], counts["invalid"]) > 5  # of 200: both kinds are tried


def test_what_is_accepted_and_cannot_be_trained_is_seen(file, monkeypatch):
    monkeypatch.setattr(model_checks, "check", lambda *_: None)
    for case in ("site that is none", "site without an activation", "division by zero", "heads"):
        assert configs.verdict(file, configs.CASES[case][0])[0] == "accepted but untrainable"


def test_a_file_that_hangs_is_seen(file, monkeypatch):
    monkeypatch.setattr(configs, "SECONDS", 0.05)
    monkeypatch.setattr(planning, "load", lambda _: time.sleep(9))
    assert configs.verdict(file, b"")[0] == "traceback"


def test_a_grid_too_large_stops_before_it_is_made(file, monkeypatch):
    monkeypatch.setattr(grid.itertools, "product", lambda *_: pytest.fail("expanded"))
    for case in ("a billion cells", "a billion seeds"):
        began = time.perf_counter()
        assert configs.verdict(file, configs.CASES[case][0])[0] == "invalid"
        assert time.perf_counter() - began < 1


@pytest.mark.parametrize("extra", [0, 1])
def test_the_largest_study_is_allowed(file, monkeypatch, extra):
    """Seeds and rates to choose from count, as their runs do."""
    monkeypatch.setattr(seeding, "MAX_RUNS", 2 * (4 + 3 * (4 + 3)) - extra)
    file.write_text(
        "axes: {activation: [relu, tanh]}\nseeds: 4\ntune_lr: [0.1, 0.2, 0.3]\ntasks: {mlp: }\n"
    )
    if extra:
        with pytest.raises(
            StudyError, match="axes: got 50 runs, seeds among them; allowed: at most 49"
        ):
            planning.load(file)
    else:
        study = planning.load(file)
        assert len(study.possible) + len(study.tuning) == 50


def test_typos_of_names_are_told_with_the_name(file, monkeypatch):
    counts, _ = typos.measured(file, 2)
    right, tried, _ = (sum(column) for column in zip(*counts.values(), strict=True))
    assert right / tried >= 0.95
    assert all(
        2 * good >= all_of_it for good, all_of_it, _ in counts.values()
    )  # no kind of name without hints
    monkeypatch.setattr(errors, "meant", lambda *_: "")
    assert "did you mean" not in typos.told(file, "tasks: {mlp: {activation: rleu}}")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a: [1, -2, 0.5, 1.0e-3, .5, +1.]", [1, -2, 0.5, 0.001, 0.5, 1.0]),
        ("a: [1e-3, 1E3, 1.5e3, -.5e-3, +.5]", [0.001, 1000.0, 1500.0, -0.0005, 0.5]),
        ("a: 'no'", "no"),
        ("a: y", "y"),
    ]
    + [
        ("a: [true, False, null, ~]", [True, False, None, None]),
        ("a: '1e-3'", "1e-3"),
        ("a: 1e-3x", "1e-3x"),
    ]
    + [
        ("a: {'1': 010 Reykjavík}", {"1": "010 Reykjavík"}),
        ("a: |\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_what_is_read_is_what_is_written(file, text, read):
    file.write_text(text)
    assert reading.read(file) == {"a": read}


def test_a_number_needs_no_point_in_a_file(file):
    text = "tasks: {mlp: {activation: relu, lr: 1e-3, seeds: 1}}\n"
    file.write_text(text)
    (run,) = planning.load(file).runs()
    assert run.spec.lr == 0.001
    file.write_text(text.replace("1e-3", "0.001"))
    assert [run.id] == [one.id for one in planning.load(file).runs()]


def test_on_the_command_line_a_number_needs_no_point():
    assert reading.coerce("1e-3", "--lr") == 0.001
    assert reading.coerce("0.1,1e-2", "--lr") == reading.coerce(" 0.1, 1e-2", "--lr") == [0.1, 0.01]
    assert reading.coerce("[1e-3, 2E+1]", "--lr") == [0.001, 20.0]
    assert reading.coerce("{std: 1e-2}", "--init_args") == {"std": 0.01}
    with pytest.raises(StudyError, match=r"^--config: looks: got no; allowed: true, false"):
        reading.coerce("no", "--config: looks")


@pytest.mark.parametrize("tasks", ["[[mlp]]", "{mlp: 1}", "../mlp", "3"])
def test_tasks_of_the_command_line_are_names(file, tasks):
    file.write_text("tasks: {mlp: {activation: relu}}")
    with pytest.raises(StudyError, match=r"unknown task; .*allowed: cls, contrastive, lm, mlp"):
        planning.load(file, {"tasks": tasks})


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/x", "a b", "-x", ".x", "é", "a\n", "a\0", "x" * 201]
)
def test_a_name_that_is_no_folders_is_refused(name):
    with pytest.raises(StudyError, match=r"^here: got '.*'; allowed: letters, digits"):
        errors.check_folder_name(name, "here")
    assert errors.check_folder_name("relu-s0_1.B", "here") == "relu-s0_1.B"


@pytest.mark.parametrize("name", ["task", "dataset", "activation", "seed", "vocabulary"])
def test_a_whole_spec_leaves_no_folder(name):
    one = planning.run_spec("lm", 0, {"activation": "relu"})
    checks.check_paths(one, "here")
    for part in ("../../x", "/x", "a/b"):
        with pytest.raises(StudyError, match=r"^here: got '.*'; allowed: letters, digits"):
            checks.check_paths(dataclasses.replace(one, **{name: part}), "here")


def test_a_study_that_cannot_be_opened_is_one_line(tmp_path):
    for path, says in ((tmp_path, "is a directory"), (tmp_path / "none.yaml", "no such file")):
        with pytest.raises(StudyError, match=says):
            reading.read(path)


@pytest.mark.parametrize("task", registry.tasks())
def test_sites_are_those_of_the_model(task, tmp_path):
    if task in small_tables.OF_TASK:
        with small_tables.there(tmp_path):
            data = {"dataset": small_tables.OF_TASK[task]}
            mutants.make(planning.run_spec(task, 0, {"activation": "relu", "depth": 5, **data}))
        return
    mutants.make(planning.run_spec(task, 0, {"activation": "relu"}))
    if task not in ("vision", "contrastive"):  # whose depth is not set, or fixed
        mutants.make(planning.run_spec(task, 0, {"activation": "relu", "depth": 5}))


def test_a_refusal_is_one_line_whatever_it_holds(capsys):
    with pytest.raises(SystemExit) as stopped:
        errors.refuse("a\nb\r\nc")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "actstudy: a b c\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1e400", "a finite decimal number"),
        ("-1e400", "a finite decimal number"),
        ("1" * 75 + "e400", "a finite decimal number"),
        ("08", "a finite decimal number"),
        ("1_0e-1", "a finite decimal number"),
        (str(2**63), "a whole one below 2**63"),
    ],
)
def test_what_a_refusal_suggests_can_be_read(text, told):
    with pytest.raises(StudyError, match=f"got {text}; allowed: .*{re.escape(told)}"):
        reading.parse(f"a: {text}", "here")
    assert reading.parse(f"a: {2**63 - 1}", "here") == {"a": 2**63 - 1}


def test_every_default_of_the_reference_can_be_read():
    for line in (ROOT / "docs/config.md").read_text().splitlines():
        for found in re.findall(r"`([-+.\d][^`]*)`", line) if line.startswith("| `") else []:
            reading.parse(f"a: {found}", line)


def test_a_text_field_is_told_its_choices():
    with pytest.raises(StudyError, match=r"norm: got False; allowed: .*batch"):
        planning.run_spec("mlp", 0, {"norm": False})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--configfile", "a.yaml", "bad.yaml"],
        ["--configfile=bad.yaml", "--config", "seeds=3"],
        ["--config", "seeds=3", "--configfile", "bad.yaml"],
    ],
)
def test_make_study_tells_of_a_bad_file_before_it_starts_snakemake(tmp_path, arguments):
    (tmp_path / "bad.yaml").write_text("tasks: [\n")
    script = ROOT / "workflow/scripts/study.py"
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("actstudy: bad.yaml: line 2: not readable as YAML")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
