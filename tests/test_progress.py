"""How far a study is: estimates, what `make study` shows, the order of runs, room on the disk."""

import io
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake.cli
import yaml
from project import Project
from runs import ROOT, TINY, quiet, run

from actstudy.analysis import ending, forecast, retry, status, watch
from actstudy.commands import driver, processes
from actstudy.contract import locks, store
from actstudy.contract.errors import StudyError
from actstudy.study import disk, jobs, planning, tries

TWO_TASKS = {
    "axes": {"activation": ["tanh", "relu"], "depth": [1, 2]},
    "tasks": {
        "mlp": {"seeds": 2},
        "lm": {"seeds": 2},
    },
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function that writes a study file into an empty folder and returns the study."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()

    def write(name="mine", **content):
        file = Path(f"config/{name}.yaml")
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return planning.load(file)

    return write


@pytest.fixture
def small_study(load):
    """Two activations at two seeds, of a network that trains in a moment."""
    return load(axes={"activation": ["tanh", "relu"]}, seeds=2, tasks={"mlp": TINY})


def training_folder(folder: Path, trained: float, remaining: float) -> Path:
    """The folder of a run that trains, with its note."""
    folder.mkdir(parents=True)
    store.write_json(folder / forecast.NOTE, {"train_seconds": trained, "seconds_left": remaining})
    return folder


def test_completed_runs_say_how_long_the_others_take(tmp_path):
    running = training_folder(tmp_path / "b", 8.0, 2.0)
    todo = [running, tmp_path / "c", tmp_path / "d"]
    assert forecast.seconds_left(todo, [running], [10.0, 20.0]) == 2 * 15.0 + 2.0


def test_before_one_has_completed_those_that_train_say_it(tmp_path):
    running = [training_folder(tmp_path / "a", 1.0, 3.0), training_folder(tmp_path / "b", 4.0, 4.0)]
    assert forecast.seconds_left([*running, tmp_path / "c"], running, []) == 3.0 + 4.0 + 6.0


def test_a_run_that_has_noted_nothing_yet_counts_whole(tmp_path):
    assert forecast.seconds_left([tmp_path / "a"], [tmp_path / "a"], [5.0]) == 5.0


def test_the_whole_is_the_sum_over_tasks_shared_by_the_processes(tmp_path):
    todo = {"mlp": [tmp_path / "a"], "lm": [tmp_path / "b", tmp_path / "c"]}
    whole = forecast.total(todo, [], {"mlp": [100.0], "lm": [250.0]}, 2)
    assert (whole.todo, whole.seconds, whole.untimed) == (3, 600.0, ())
    assert re.fullmatch(r"about 5 min left, until (\d{4}-\d\d-\d\d )?\d\d:\d\d", str(whole))


def test_a_task_that_nothing_is_known_of_is_named(tmp_path):
    todo = {"mlp": [tmp_path / "a"], "lm": [tmp_path / "b"]}
    assert str(forecast.total(todo, [], {"mlp": [60.0]}, 1)) == (
        "about 60 s left and more: no run of lm has been timed yet"
    )
    assert str(forecast.total(todo, [], {}, 1)) == (
        "no estimate: no run of mlp, lm has been timed yet"
    )
    assert str(forecast.total({"mlp": []}, [], {}, 1)) == "nothing left to train"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(44.6, "45 s"), (89, "89 s"), (119, "2 min"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")],
)
def test_durations_in_words(seconds, words):
    assert forecast.duration(seconds) == words


def test_the_end_has_its_date_unless_it_is_today():
    evening = datetime(2026, 1, 31, 23, 0)
    assert forecast.clock(60, evening) == "23:01"
    assert forecast.clock(2 * 3600, evening) == "2026-02-01 01:00"


def test_runs_train_task_by_task_and_seed_by_seed(load):
    planned = load(**TWO_TASKS)
    ids, n_first = jobs.in_order(planned)
    by_id = {run.id: run for run in planned.possible}
    order = [(by_id[run_id].spec.task, by_id[run_id].spec.seed) for run_id in ids]
    assert order == ([("mlp", 0)] * 4 + [("mlp", 1)] * 4 + [("lm", 0)] * 4 + [("lm", 1)] * 4)
    assert n_first == 8 + 1


def test_one_run_of_every_task_comes_before_the_second_task(load):
    tasks = {"mlp": {"seeds": 2}, "cls": {"seeds": 2}, "lm": {"seeds": 2}}
    planned = load(axes={"activation": ["tanh", "relu"]}, tasks=tasks)
    ids, _ = jobs.in_order(planned)
    task_of = {run.id: run.spec.task for run in planned.possible}
    assert [task_of[run_id] for run_id in ids] == ["mlp"] * 4 + ["cls", "lm"] + ["cls"] * 3 + [
        "lm"
    ] * 3
    planned_jobs = jobs.plan_jobs(planned, 0, None, True, {})
    places = [planned_jobs.priorities[run_id] for run_id in ids]
    assert places == sorted(places, reverse=True)
    assert places[5] > planned_jobs.aside > places[6]
    assert (
        planned_jobs.data_priority("mnist1d")
        > places[0]
        > planned_jobs.data_priority("sotu_eras-v8192-t24")
    )
    assert planned_jobs.urgent > planned_jobs.data_priority("mnist1d")


def test_in_a_study_of_one_task_the_first_seed_comes_before_references(load):
    planned = load(axes={"activation": ["tanh", "relu"]}, tasks={"mlp": {"seeds": 3}})
    planned_jobs = jobs.plan_jobs(planned, 0, None, True, {})
    for planned_run in planned.possible:
        is_first = planned_jobs.priorities[planned_run.id] > planned_jobs.aside
        assert is_first == (planned_run.spec.seed == 0)


def test_a_pack_has_the_place_of_its_first_run(load):
    pack = {"seeds": 4, "engine": "pack", "pack_width": 4, "dropout": 0.0}
    planned = load(axes={"activation": ["tanh", "relu"]}, tasks={"mlp": pack})
    planned_jobs = jobs.plan_jobs(planned, 0, None, True, {})
    assert sorted(map(planned_jobs.priority, planned_jobs.packs.values())) == [8, 16]


def test_one_core_trains_in_that_order(tmp_path, data_folder):
    project = Project(tmp_path / "project", [data_folder])
    study = {
        "axes": {"activation": ["tanh", "relu"]},
        "tasks": {"mlp": {"seeds": 2, "epochs": 1, "warmup": 0}},
    }
    (project.folder / "config/smoke.yaml").write_text(yaml.safe_dump(study))
    planned = planning.load(project.folder / "config/smoke.yaml")
    project.seal(planned.runs(), data_folder)
    targets = planned.files_of(planned.runs())[::-1]
    printed = project.snakemake("--cores", "1", *targets)
    assert re.findall(r"^mlp (\w+-s\d)", printed, re.M) == [
        "tanh-s0",
        "relu-s0",
        "tanh-s1",
        "relu-s1",
    ]


def test_the_watch_counts_ends_and_sees_who_trains(small_study, data_folder):
    runs = small_study.runs()
    seen = watch.Watch(small_study)
    assert seen.counts() == "0 of 4 runs completed"
    assert "no run of mlp has been timed yet" in seen.line()
    folders = [store.run_folder(run.spec) for run in runs]
    run(runs[0].spec, folders[0], data_folder, quiet())
    store.publish(folders[0])
    with locks.locked(folders[1]):
        seen.look()
        assert "1 of 4 runs completed, 1 running; about" in seen.line()
        assert seen.stopping() == "stopping: 1 run saves its state\n"
    (folders[0] / "curves.parquet").write_bytes(b"")
    assert watch.Watch(small_study).counts() == "0 of 4 runs completed, 1 damaged"


def test_the_last_look_reads_all_runs(small_study, monkeypatch):
    monkeypatch.setattr(watch, "MAX_READ", 2)
    monkeypatch.setattr(store, "summary_row", lambda _: {"status": "failed"})
    for planned in small_study.runs():
        folder = store.run_folder(planned.spec)
        folder.mkdir(parents=True)
        (folder / store.MANIFEST).touch()
    seen = watch.Watch(small_study)
    seen._rows.clear()
    seen.look(max_read=1)
    assert seen.counts() == "0 of 4 runs completed, 1 failed, 3 ended"
    seen.look(max_read=None)
    assert seen.counts() == "0 of 4 runs completed, 4 failed"


def test_a_damaged_run_is_read_again(small_study, data_folder):
    first = small_study.runs()[0]
    folder = store.run_folder(first.spec)
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).touch()
    seen = watch.Watch(small_study)
    assert seen.counts() == "0 of 4 runs completed, 1 damaged, trained again"
    assert seen.forecast().todo == 4
    text, _ = status.status(small_study)
    assert "mlp: 4 runs left" in text
    assert text.endswith(
        "manifest.json is not a whole manifest: with the next start the run is trained again"
    )
    shutil.rmtree(folder)
    run(first.spec, folder, data_folder, quiet())
    store.publish(folder)
    seen.look()
    assert seen.counts() == "1 of 4 runs completed"
    (folder / "curves.parquet").unlink()
    seen = watch.Watch(small_study)
    assert seen.counts() == "0 of 4 runs completed, 1 damaged, published again"
    assert seen.forecast().todo == 3
    line = status.describe_failure(small_study, folder)
    assert line.endswith(
        "curves.parquet is missing: with the next start the run is published again"
    )
    (folder / "curves.parquet").touch()  # a file that is there starts no run
    seen = watch.Watch(small_study)
    assert seen.counts() == "0 of 4 runs completed, 1 damaged"
    line = status.describe_failure(small_study, folder)
    assert line.endswith(f"does not have its checksum; to fix: python -m actstudy retry {folder}")


def test_work_is_shared_by_as_many_processes_as_there_are_jobs(load, monkeypatch):
    monkeypatch.setattr(forecast.host, "cores", lambda: 16)
    monkeypatch.setattr(forecast.host, "gpus", lambda: ["a"] * 8)
    pack = {"seeds": 4, "engine": "pack", "pack_width": 4, "dropout": 0.0}
    alone = load(axes={"activation": ["tanh", "relu"]}, seeds=2, tasks={"mlp": TINY}, device="cpu")
    assert watch.Watch(alone).forecast().processes == 4
    assert watch.Watch(alone, forecast.room(alone, 1)).forecast().processes == 1
    packed = load(axes={"activation": ["tanh", "relu"]}, tasks={"mlp": pack}, device="cpu")
    assert watch.Watch(packed).forecast().processes == 2
    assert "all with 2 processes" in status.status(packed)[0]
    on_gpu = load(axes={"activation": ["tanh", "relu"]}, seeds=9, tasks={"mlp": TINY})
    rooms = [forecast.room(on_gpu), forecast.room(on_gpu, 6, None), forecast.room(on_gpu, 16, 4)]
    assert rooms == [on_gpu.slots_per_gpu, 6, min(4 * on_gpu.slots_per_gpu, 16)]


def test_processes_that_trained_count_and_not_the_idle_first_look(small_study, monkeypatch):
    monkeypatch.setattr(forecast.host, "cores", lambda: 16)
    seen = watch.Watch(small_study)
    assert seen.forecast().processes == 4
    with locks.locked(store.run_folder(small_study.runs()[0].spec)):
        seen.look()
        assert seen.forecast().processes == 1
    seen.look()
    assert seen.forecast().processes == 1


def test_running_runs_are_grouped_by_their_task(tmp_path):
    running = [training_folder(tmp_path / task / "a", 1.0, 3.0) for task in ("mlp", "lm")]
    todo = {"mlp": [running[0]], "lm": [running[1], tmp_path / "lm/b"]}
    assert forecast.total(todo, running, {}, 1).seconds == 3.0 + 3.0 + 4.0


@pytest.fixture
def signals():
    """The signal handlers of this process are those from before the test again."""
    interrupt = signal.getsignal(signal.SIGINT)
    terminate = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_this_process_alone_stops_the_jobs(small_study, capsys, number):
    Path(".snakemake").mkdir()
    seen = watch.Watch(small_study)
    waiting = [sys.executable, "-c", "import time; time.sleep(30)"]
    with locks.locked(store.run_folder(small_study.runs()[0].spec)):  # after the watch's look
        threading.Timer(0.5, os.kill, (os.getpid(), number)).start()
        start = time.monotonic()
        assert processes.call(waiting, seen) == (-signal.SIGTERM, number)
    assert time.monotonic() - start < 20
    assert capsys.readouterr().err == "stopping: 1 run saves its state\n"


@pytest.mark.parametrize(
    ("status", "number", "ends"), [(0, 2, 130), (1, 2, 1), (-15, 15, 143), (-9, 0, 137)]
)
def test_a_stopped_study_does_not_exit_with_0(
    small_study, monkeypatch, capsys, status, number, ends
):
    monkeypatch.setattr(processes, "call", lambda *_: (status, number))
    assert driver.main(["--configfile", small_study.file, "--cores", "1"], "make study") == ends
    assert ("stopped: 0 of 4" in capsys.readouterr().out) == bool(number)


@pytest.mark.parametrize("flag", ["-n", "-np", "--dry-run", "--unlock", "--dag", "--report"])
def test_a_dry_run_says_nothing_of_a_study_that_ended(small_study, monkeypatch, capsys, flag):
    monkeypatch.setattr(driver.subprocess, "call", lambda command: 7 * (flag in command))
    words = ["--configfile", small_study.file, "--cores", "1", flag]
    assert driver.main(words, "make study") == 7
    assert capsys.readouterr().out == ""


def test_without_a_terminal_it_is_a_line_now_and_then(small_study, monkeypatch, capsys):
    monkeypatch.setattr(watch, "PLAIN_SECONDS", 1000.0)
    stream = io.StringIO()
    first = small_study.runs()[0]
    with watch.Display(watch.Watch(small_study), stream) as display:
        display.refresh()
        display.refresh()
        display.copy(f"mlp {first.id}: completed, test accuracy 0.5, 1.0 s\nother\n", sys.stdout)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("0 of 4 runs completed, 0 running; no estimate")
    assert "\x1b" not in stream.getvalue()
    printed = capsys.readouterr().out
    assert printed == f"mlp {first.level}, seed 0: test accuracy 0.5, 1.0 s\nother\n"


def test_a_terminal_has_one_live_line(small_study, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    with watch.Display(watch.Watch(small_study), stream) as display:
        display.refresh()
        display.copy("a line\n", stream)
    assert "0 of 4 runs completed" in stream.getvalue()
    assert "a line" in stream.getvalue()


def ended(study, states):
    """A watch of a study whose runs have ended so."""
    names = [run.id for run in study.runs()]
    seen = watch.Watch(study)
    seen.states = dict(zip(names, states, strict=True))
    return seen


def test_the_ending_counts_failed_and_diverged_runs(small_study):
    seen = ended(small_study, ["completed", "completed", "failed", "diverged"])
    assert ending.ending(seen, 754.0) == (
        "The study took 13 min. Study mine: 2 of 4 runs completed, 1 failed, 1 diverged."
    )


@pytest.fixture
def elsewhere(monkeypatch):
    """The PATH has no program of this installation."""
    monkeypatch.setattr(ending.shutil, "which", lambda name: None)


def test_the_ending_prints_the_answer_of_the_page_and_a_run_by_the_studys_recipe(small_study):
    page = Path(small_study.folder, "summary.md")
    page.parent.mkdir(parents=True)
    answer = "- **MLP** (mlp): Use tanh rather than leaky\\_relu.\n- **GPT** (lm): None.\n"
    later = "### To decide what is open\n\n- mlp: more seeds\n\n## How\n\n- n\n"
    page.write_text(f"# Study\n\n## Answer\n\nCompared: x.\n\n{answer}\n| a |\n\n{later}")
    text = ending.ending(ended(small_study, ["completed"] * 4), 1.0)
    plain = "MLP (mlp): Use tanh rather than leaky_relu.\n- GPT (lm): None.\nSummary: "
    assert f" completed.\n- {plain}" in text
    assert "more seeds" not in text
    assert "train --task mlp --activation mish --seed 0 --config config/mine.yaml\n" in text
    page.write_text("# Study\n\nnothing is compared\n")
    assert " completed.\nSummary: " in ending.ending(ended(small_study, ["completed"] * 4), 1.0)


@pytest.mark.usefixtures("elsewhere")
def test_hints_name_the_study_that_ran(load):
    Path("Snakefile").touch()
    for name, config in (("mine", " --config config/mine.yaml"), ("config", "")):
        planned = load(name, axes={"activation": ["tanh", "relu"]}, tasks={"mlp": TINY})
        Path(planned.folder).mkdir(parents=True, exist_ok=True)
        Path(planned.folder, "summary.md").touch()
        text = ending.ending(ended(planned, ["completed"] * 2), 1.0)
        assert f"Summary: {planned.folder}/summary.md " in text
        assert f"-m actstudy status{config}\n" in text
        assert f"edit {planned.file}, then: " in text
        assert text.count("--configfile config/mine.yaml") == (name == "mine")
        tried = ending.ending(ended(planned, ["completed"] * 2), 1.0, ["lr=0.1", "seeds=2"])
        assert f"-m actstudy status{config} --set lr=0.1 seeds=2\n" in tried
        assert " --config lr=0.1 seeds=2\n" in tried


def test_hints_call_programs_of_the_path_by_their_names(small_study, tmp_path, monkeypatch):
    Path(small_study.folder).mkdir(parents=True)
    Path(small_study.folder, "summary.md").touch()
    seen = ended(small_study, ["completed"] * 4)
    (tmp_path / "bin").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    for path in (tmp_path / "bin/actstudy", other / "actstudy"):
        path.touch(mode=0o755)
    monkeypatch.setattr(ending.sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    text = ending.ending(seen, 1.0)
    assert "\n  actstudy status --config config/mine.yaml\n" in text
    assert "\n  actstudy train --task mlp" in text
    assert "then: actstudy run config/mine.yaml -n\n" in text
    monkeypatch.setenv("PATH", str(other))  # of another installation
    assert "/python -m actstudy status --config config/mine.yaml\n" in ending.ending(seen, 1.0)


def test_the_ending_names_the_file_that_was_asked_for(small_study):
    folder = Path(small_study.folder)
    folder.mkdir(parents=True)
    for name in ("summary.md", "appendix.md"):
        (folder / name).touch()
    seen = ended(small_study, ["completed"] * 4)
    assert f"\nSummary: {folder}/summary.md  (" in ending.ending(seen, 1.0, [], ["--cores", "1"])
    text = ending.ending(seen, 1.0, [], [f"{folder}/appendix.md", "--cores", "1"])
    assert f"\nAppendix: {folder}/appendix.md  (" in text
    assert "summary.md" not in text


@pytest.mark.usefixtures("elsewhere")
def test_hints_of_a_folder_without_the_workflow_say_run(small_study):
    Path(small_study.folder).mkdir(parents=True)
    Path(small_study.folder, "summary.md").touch()
    seen = ended(small_study, ["completed"] * 4)
    run_it = "python -m actstudy run config/mine.yaml -n"
    assert f"/{run_it}\n" in ending.ending(seen, 1.0)
    assert f"/{run_it} --config lr=0.1\n" in ending.ending(seen, 1.0, ["lr=0.1"])
    plan = small_study.plan()
    assert retry.study_command(plan) == "python -m actstudy run config/mine.yaml"
    page = "results/mine/summary.md"
    assert retry.study_command(plan, page) == f"python -m actstudy run config/mine.yaml {page}"
    Path("Snakefile").touch()
    assert retry.study_command(plan, page) == f"snakemake {page} --configfile config/mine.yaml"


def test_after_ctrl_c_it_says_how_to_go_on(small_study):
    seen = ended(small_study, ["completed", "waiting", "waiting", "waiting"])
    again = "make study ARGS='--configfile config/mine.yaml'"
    words = ending.make_study(["--configfile", "config/mine.yaml"])
    assert ending.unfinished(seen, words, True) == (
        f"stopped: 1 of 4 runs completed; to go on from there: {again}"
    )
    assert ending.unfinished(seen, ending.make_study([]), False).endswith(
        "once that is fixed: make study"
    )


@pytest.mark.parametrize(
    "pair",
    [
        "lr=1e-3",
        "lr=0.0010",
        "looks=False",
        "looks=false",
        "lr=[0.5,0.60]",
        "lr=0.5,0.6",
        "activation=[relu,gelu]",
        "activation=relu,gelu",
        "activation=[relu]",
        "init_args={std: 1e-2}",
        "seeds=2",
        "note=",
    ],
)
def test_make_study_watches_the_folder_that_snakemake_writes_to(small_study, pair):
    read = snakemake.cli.parse_config([pair])
    folder = tries.results_folder("mine", read)
    assert tries.results_folder("mine", dict([pair.split("=", 1)])) == folder
    assert tries.results_folder("mine", json.loads(json.dumps(read))) == folder


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-np results/summary.md",
        "--configfile a.yaml b.yaml --cores 3",
        "--configfile=a.yaml results/a/summary.md -c2",
        "-j4 -k --config lr=0.1 seeds=2",
        "--config seeds=2 --configfiles a.yaml -C lr=0.1",
        "--res gpu=3 mem_mb=100 --rerun-incomplete",
        "--resources mem_mb=100 --quiet all",
        "--forcerun train --dag",
        "--lint json",
        "--configfile a.yaml --report a.html",
        "--report",
        "--summary",
        "--cores all --keep-going --dryrun",
        "--config --unlock",
        "results/summary.md -q -S",
    ],
)
def test_options_are_those_that_snakemake_reads(load, line):
    """Read without importing snakemake, which takes a second; the profile is the project's."""
    words = line.split()
    options = driver.options_of(words)
    profile = str(ROOT / "profiles/default")
    expected = snakemake.cli.get_argument_parser([profile]).parse_args(words)
    assert list(options.configfile) == list(expected.configfile)
    assert list(options.config) == list(expected.config or [])
    assert jobs.are_run(options) == jobs.are_run(expected)
    gpus = [word for word in options.resources if word.startswith("gpu=")]
    assert gpus == [f"gpu={n.value}" for name, n in expected.resources.items() if name == "gpu"]
    cores = expected.cores if "all" not in str(options.cores) else "all"
    assert options.cores == str(cores)


def test_spellings_of_one_value_are_one_folder(small_study):
    def folder(pair):
        words = ["--configfile", small_study.file, "--config", pair]
        return driver.study_of(driver.options_of(words)).folder

    assert folder("lr=1e-3") == folder("lr=0.0010") == "results/mine+lr=0.001"
    assert folder("lr=[1e-2,0.10]") == folder("lr=0.01,0.1") == "results/mine+lr=0.01,0.1"


def test_a_full_disk_is_named_before_anything_starts(small_study, monkeypatch):
    disk.check_room(small_study)
    usage = SimpleNamespace(free=disk.SMALL_RUN * 4 - 1)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StudyError, match=r"got 1 MB of free disk; allowed: at least 1 MB for the"):
        disk.check_room(small_study)


def test_published_runs_say_how_much_the_others_take(small_study):
    folder = store.run_folder(small_study.runs()[0].spec)
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).write_bytes(b"x" * 1000)
    assert disk.bytes_needed(small_study) == 3 * 1000


def test_snakemake_is_refused_if_the_disk_is_too_small(tmp_path, data_folder):
    project = Project(tmp_path / "project", [data_folder])
    file = project.folder / "lib/actstudy/study/disk.py"
    file.write_text(file.read_text().replace("SMALL_RUN = 300_000", "SMALL_RUN = 10**18"))
    printed = project.snakemake("--cores", "1", status=2)
    assert re.search(
        r"^actstudy: .*/results/runs: got .* MB of free disk; allowed: ", printed, re.M
    )
    project.snakemake("-n")
    project.snakemake("--unlock")


def test_the_sample_of_published_runs_is_the_same_each_time(tmp_path):
    folders = [tmp_path / f"{size:02}" for size in range(16)]
    for size, folder in enumerate(folders):
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * size)
    assert disk.mean_bytes(folders) == sum(range(0, 16, 2)) / 8


def test_runs_are_sampled_in_the_order_of_the_study(small_study, monkeypatch):
    folders = [store.run_folder(run.spec) for run in small_study.runs()][:3]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / store.MANIFEST).touch()
    seen = []
    monkeypatch.setattr(disk, "mean_bytes", lambda done: seen.extend(done) or 1.0)
    disk.bytes_needed(small_study)
    assert seen == folders


def test_a_run_that_a_setting_broke_is_not_to_be_tried_again(small_study):
    folder = store.run_folder(small_study.runs()[0].spec)
    row = {"status": "failed", "reason": "ValueError: batch_size: got 5000; allowed: at most 3500"}
    for reason, words in (
        (row["reason"], "edit config/mine"),
        ("acts.py: line 7: ValueError: no", "edit acts.py: line 7, then run the study again"),
        ("RuntimeError: the device is lost", f"python -m actstudy retry {folder}"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "verifies", lambda _: True)
            patch.setattr(store, "summary_row", lambda _, r=reason: {**row, "reason": r})
            line = status.describe_failure(small_study, folder)
            assert line.startswith(f"{folder}: {reason}  (to fix: {words}")


def test_status_looks_beside_the_study(tmp_path, data_folder):
    project = Project(tmp_path / "project", [data_folder])
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "actstudy", "status", "--config"]
    file = project.folder / "config/smoke.yaml"
    home = project.folder
    project.folder = tmp_path / "elsewhere"
    shutil.copytree(home / "lib", project.folder / "lib")
    printed = project.call(*command, str(file))
    assert f"runs are looked for in {home}/results/runs\n" in printed
