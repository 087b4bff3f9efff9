"""What grows with a study: the workflow's plan, what is remembered of runs, and bounded tables."""

import argparse
import itertools
import json
import math
import os
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from made_up import study_of, write_run
from project import Project

from actstudy.analysis import collect, long_tables, remembered, run_tables, status, tables
from actstudy.analysis.questions.outcomes import BEST
from actstudy.commands import study as of_study
from actstudy.contract import manifests, published, store
from actstudy.contract.errors import StudyError
from actstudy.contract.manifests import SUMMARY
from actstudy.contract.spec import run_id
from actstudy.study import jobs, planning, run_files, series

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import run_folders  # noqa: E402

STUDY = {
    "baseline": "relu",
    "axes": {"activation": ["relu", "tanh", "gelu"]},
    "tasks": {"mlp": {"epochs": 3, "seeds": 4, "targets": [0.3], "axes": {"width": [16, 32]}}},
}


@pytest.fixture(autouse=True)
def settled(monkeypatch, tmp_path):
    """Files count as settled at once, and few runs are remembered, in a folder of the test."""
    monkeypatch.setattr(published, "SETTLED_NS", -(10**9))
    monkeypatch.setattr(remembered, "MIN_RUNS", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


@pytest.fixture
def study(tmp_path):
    return study_of(tmp_path, STUDY)


@pytest.fixture
def root(study, tmp_path):
    """The folder of the study's runs, all but the last seed's."""
    for run in study.runs():
        if run.spec.seed < 3:
            folder = store.run_folder(run.spec, tmp_path / "runs")
            run_folders.write_run(run.spec, folder, 6)
    return tmp_path / "runs"


@pytest.fixture
def older(root):
    """The folder of runs whose manifests have no rows, as before there were any."""
    for path in root.glob("*/*/manifest.json"):
        checksums = manifests.checksums(json.loads(path.read_text()))
        path.write_text(store.json_text(checksums))
    return root


def folder_of(study, root, place=0):
    return store.run_folder(study.runs()[place].spec, root)


def same(built, other):
    """Whether two builds have equal tables, to the last value."""
    assert list(built.frames) == list(other.frames)
    for name, frame in built.frames.items():
        pd.testing.assert_frame_equal(frame, other.frames[name], obj=name)


def build(study, root, parts=None):
    return tables.build(study.plan(), root, [], pd.DataFrame(), parts)


def reads(study, root, parts):
    """How many runs a build reads from their own files, and its tables of runs."""
    source = run_tables.RunTables(root, parts)
    frames = collect.collect(study.plan().runs, source, ["curves"])
    return source.n_read, frames


def test_parts_give_the_same_tables_and_read_each_run_once(study, root, tmp_path):
    parts = tmp_path / "parts"
    whole = build(study, root)
    same(build(study, root, parts), whole)
    assert reads(study, root, parts)[0] == 0
    same(build(study, root, parts), whole)


def test_one_more_seed_reads_its_runs_alone(study, root, tmp_path):
    parts = tmp_path / "parts"
    assert reads(study, root, parts)[0] == 2 * 3 * 3
    for run in study.runs():
        folder = store.run_folder(run.spec, root)
        if not folder.is_dir():
            run_folders.write_run(run.spec, folder, 6)
    assert reads(study, root, parts)[0] == 2 * 3
    same(build(study, root, parts), build(study, root))


def edit(path):
    """Flip a byte in place: size and folder stay."""
    with path.open("r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("name", store.TABLES)
def test_an_edited_run_is_read_again_and_damaged(study, root, tmp_path, name):
    parts = tmp_path / "parts"
    reads(study, root, parts)
    rows = remembered.Rows(root)
    folder = folder_of(study, root)
    rows.of(folder)
    rows.write()
    edit(folder / name)
    n, frames = reads(study, root, parts)
    assert n == 1
    runs = frames["runs"].set_index("run_id")
    assert runs.loc[folder.name, "status"] == "damaged"
    assert folder.name not in set(frames["curves"]["run_id"])
    assert status.state(folder, rows=remembered.Rows(root)) == "damaged"


@pytest.mark.parametrize("name", store.FILES)
def test_a_deleted_file_is_noticed(study, root, tmp_path, name):
    parts = tmp_path / "parts"
    reads(study, root, parts)
    rows = remembered.Rows(root)
    folder = folder_of(study, root)
    rows.of(folder)
    rows.write()
    (folder / name).unlink()
    _, frames = reads(study, root, parts)
    runs = frames["runs"].set_index("run_id")
    expected = "missing" if name == store.MANIFEST else "damaged"
    assert runs.loc[folder.name, "status"] == expected
    waits = "waiting" if name == store.MANIFEST else "damaged"
    assert status.state(folder, rows=remembered.Rows(root)) == waits


def test_a_run_trained_again_is_read_again(study, root, tmp_path):
    """Another seal under the same id: what was kept of the run is of no use."""
    parts = tmp_path / "parts"
    _, before = reads(study, root, parts)
    run = study.runs()[0]
    folder = folder_of(study, root)
    shutil.rmtree(folder)
    run_folders.write_run(run.spec, folder, 7)
    n, after = reads(study, root, parts)
    assert n == 1
    own = after["curves"][after["curves"]["run_id"] == run.id]
    assert len(own) == 4 * 7
    others = [frame[frame["run_id"] != run.id] for frame in (before["curves"], after["curves"])]
    pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in others))


def test_files_that_have_just_changed_are_not_believed_the_next_time(
    study, root, tmp_path, monkeypatch
):
    monkeypatch.setattr(published, "SETTLED_NS", 3600 * 10**9)
    assert reads(study, root, tmp_path / "parts")[0] == 18
    assert reads(study, root, tmp_path / "parts")[0] == 18


@pytest.mark.parametrize("harm", ["delete", "cut", "{", "[]", '{"version": 1, "runs": 2}'])
def test_harmed_parts_are_read_anew(study, root, tmp_path, harm):
    parts = tmp_path / "parts"
    whole = build(study, root, parts)
    victim = sorted(parts.glob("part-*/curves-0.parquet"))[0]
    if harm == "delete":
        shutil.rmtree(victim.parent)
    elif harm == "cut":
        victim.write_bytes(victim.read_bytes()[:-9])
    else:
        (parts / run_tables.INDEX).write_text(harm)
    same(build(study, root, parts), whole)
    same(build(study, root, parts), whole)


def test_a_part_of_long_runs_has_few_of_them(study, root, tmp_path, monkeypatch):
    whole = build(study, root)
    monkeypatch.setattr(run_tables, "PART_ROWS", 100)
    parts = tmp_path / "parts"
    same(build(study, root, parts), whole)
    assert len(list(parts.glob("part-*"))) == 9
    assert reads(study, root, parts)[0] == 0


def test_parts_do_not_pile_up(study, root, tmp_path, monkeypatch):
    monkeypatch.setattr(run_tables, "PART_RUNS", 4)
    monkeypatch.setattr(run_tables, "SPARE_PARTS", 2)
    parts = tmp_path / "parts"
    runs = [run for run in study.runs() if store.run_folder(run.spec, root).is_dir()]
    for run, place in itertools.product(runs[:3], range(4)):
        folder = store.run_folder(run.spec, root)
        run_folders.write_run(run.spec, folder, 5 + place)
        reads(study, root, parts)
        assert len(list(parts.glob("part-*"))) <= -(-len(runs) // 4) + 2
    same(build(study, root, parts), build(study, root))


@pytest.fixture
def grown(study, root, tmp_path, monkeypatch):
    """A folder of two small parts, the most that there may be, as a study has grown by runs."""
    monkeypatch.setattr(run_tables, "PART_RUNS", 4)
    monkeypatch.setattr(run_tables, "SPARE_PARTS", 2)
    parts = tmp_path / "parts"
    reads(study, root, parts)
    for run, n in zip(study.runs()[:2], (5, 7), strict=True):
        run_folders.write_run(run.spec, store.run_folder(run.spec, root), n)
        reads(study, root, parts)
    return parts


def test_small_parts_alone_are_written_anew(study, root, grown):
    before = {path: path.stat().st_ino for path in grown.glob("part-*/runs-0.parquet")}
    run = study.runs()[2]
    run_folders.write_run(run.spec, store.run_folder(run.spec, root), 5)
    n, _ = reads(study, root, grown)
    assert 3 <= n <= 4
    after = {path: path.stat().st_ino for path in grown.glob("part-*/runs-0.parquet")}
    assert len(before.items() & after.items()) >= 3
    same(build(study, root, grown), build(study, root))


def test_a_kill_between_a_part_and_the_index_loses_no_run(study, root, grown, monkeypatch):
    """What is new goes with the kill, so the next build has nothing to write."""
    run = study.runs()[2]
    folder = store.run_folder(run.spec, root)
    whole = build(study, root)
    content = {path: path.read_bytes() for path in grown.glob("part-*/*")}
    folder.rename(root / "moved")
    run_folders.write_run(run.spec, folder, 5)

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_tables.RunTables, "_write_index", killed)
        with pytest.raises(KeyboardInterrupt):
            reads(study, root, grown)
    assert {path: path.read_bytes() for path in content} == content
    shutil.rmtree(folder)
    (root / "moved").rename(folder)
    same(build(study, root, grown), whole)


def test_a_part_that_lacks_a_run_of_the_index_is_read_anew(study, root, grown):
    whole = build(study, root)
    first, second = sorted(grown.glob("part-*"))[:2]
    shutil.rmtree(first)
    shutil.copytree(second, first)
    same(build(study, root, grown), whole)
    assert reads(study, root, grown)[0] == 0


def test_a_run_that_has_just_ended_is_read_once_per_build(study, root, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "SETTLED_NS", 3600 * 10**9)
    source = run_tables.RunTables(root, tmp_path / "parts")
    for names in (["predictions"], ["curves"]):
        collect.collect(study.plan().runs, source, names)
    assert source.n_read == 18


def test_status_reads_a_run_once_and_says_the_same(study, older):
    root = older
    first, _ = status.status(study, root)
    rows = remembered.Rows(root)
    for run in study.runs():
        folder = store.run_folder(run.spec, root)
        if folder.is_dir():
            rows.of(folder)
    assert rows.n_read == 0
    again, _ = status.status(study, root)
    assert again == first
    assert "18 of 24 runs completed" in first


def stamped(root):
    """The manifests with a later time, as a workflow leaves them."""
    time.sleep(run_folders.TICK)
    for path in root.glob("*/*/manifest.json"):
        path.touch()


def test_status_opens_no_table_of_published_runs(study, root, monkeypatch):
    first, _ = status.status(study, root)
    stamped(root)
    monkeypatch.setattr(store, "summary_row", None)
    assert status.status(study, root)[0] == first
    row = published.row(folder_of(study, root))
    assert row == store.read(folder_of(study, root), "runs")[0].select(SUMMARY).to_pylist()[0]


def test_a_manifest_of_older_files_is_read(study, older):
    stamped(older)
    folder = folder_of(study, older)
    assert published.row(folder) is None
    assert store.verifies(folder)
    assert status.state(folder, rows=remembered.Rows(older)) == "completed"


@pytest.mark.parametrize("name", store.TABLES)
def test_a_row_is_not_believed_once_a_table_has_changed(study, root, name):
    """Nor if a clock was set back: the time of the last change is none that a program can set."""
    folder = folder_of(study, root)
    stamped(root)
    assert published.row(folder)["status"] == "completed"
    time.sleep(run_folders.TICK)
    edit(folder / name)
    os.utime(folder / name, (0, 0))
    assert published.row(folder) is None
    assert status.state(folder, rows=remembered.Rows(root)) == "damaged"


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut, emptied, edit])
def test_a_manifest_that_was_stamped_afterwards_hides_no_damage(study, root, harm):
    """As a workflow stamps it, or `touch`, `chmod -R` and copies of folders do."""
    folder = folder_of(study, root)
    harm(folder / "predictions.parquet")
    stamped(root)
    assert published.row(folder) is None
    assert status.state(folder, rows=remembered.Rows(root)) == "damaged"


def test_a_copy_is_read_and_remembered(study, root, tmp_path):
    copy = tmp_path / "copy" / "runs"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    stamped(copy)
    assert published.row(folder_of(study, copy)) is None
    assert "18 of 24 runs completed" in status.status(study, copy)[0]
    rows = remembered.Rows(copy)
    rows.of(folder_of(study, copy))
    assert rows.n_read == 0


def test_published_tables_are_known_by_the_manifest(study, root, tmp_path):
    """Those published from a seal that has come from elsewhere, with other times, too."""
    final = tmp_path / "run" / "checkpoints" / "final"
    shutil.copytree(folder_of(study, root), final, copy_function=shutil.copyfile)
    store.publish(tmp_path / "run")
    time.sleep(run_folders.TICK)
    (tmp_path / "run" / store.MANIFEST).touch()
    assert published.row(tmp_path / "run")["status"] == "completed"


def test_a_row_that_was_edited_is_damage(study, root):
    folder = folder_of(study, root)
    path = folder / store.MANIFEST
    time.sleep(run_folders.TICK)
    path.write_text(path.read_text().replace('"completed"', '"diverged"'))
    assert published.row(folder) is None
    assert not store.verifies(folder)
    assert status.state(folder, rows=remembered.Rows(root)) == "damaged"


def test_few_runs_are_not_remembered_and_results_are_left_alone(study, older, monkeypatch):
    root = older
    monkeypatch.setattr(remembered, "MIN_RUNS", 19)
    before = sorted(root.parent.rglob("*"))
    status.status(study, root)
    assert sorted(root.parent.rglob("*")) == before
    monkeypatch.setattr(remembered, "MIN_RUNS", 18)
    status.status(study, root)
    note = remembered.Rows(root).note
    assert sorted(root.parent.rglob("*")) == sorted([*before, *note.parents[:2], note])


def test_without_a_place_for_caches_status_is_the_same(study, older, monkeypatch):
    root = older
    first, _ = status.status(study, root)
    remembered.Rows(root).note.unlink()
    remembered.Rows(root).note.parent.rmdir()
    remembered.Rows(root).note.parent.parent.joinpath("actstudy").write_text("a file")
    assert status.status(study, root)[0] == first


def test_the_note_of_rows_may_be_torn(study, older):
    root = older
    first, _ = status.status(study, root)
    note = remembered.Rows(root).note
    for text in (note.read_text()[:-20], "[]", '{"columns": 1}', '{"runs": {"a": 1}}'):
        note.write_text(text)
        assert status.status(study, root)[0] == first


def thinned_and_whole(study, root, monkeypatch):
    whole = build(study, root)
    monkeypatch.setattr(long_tables, "MAX_ROWS", 300)
    monkeypatch.setattr(long_tables, "MIN_POINTS", {"curves": 2, "health": 2})
    monkeypatch.setattr(run_tables, "PART_RUNS", 5)
    return build(study, root), whole


def test_long_tables_are_bounded_and_answers_are_those_of_all_rows(study, root, monkeypatch):
    thin, whole = thinned_and_whole(study, root, monkeypatch)
    best = thin.frames["curves"]["split"] == BEST
    assert len(thin.frames["curves"][~best]) <= 300 < len(whole.frames["curves"])
    assert len(thin.frames["health"]) <= 300 < len(whole.frames["health"])
    for name, frame in whole.frames.items():
        if name not in ("curves", "health"):
            pd.testing.assert_frame_equal(thin.frames[name], frame, obj=name)


def test_thinned_rows_are_rows_of_the_whole_with_first_and_last(study, root, monkeypatch):
    thin, whole = thinned_and_whole(study, root, monkeypatch)
    curves = thin.frames["curves"]
    spaced = curves[curves["split"] != BEST]
    both = spaced.merge(whole.frames["curves"], how="left", indicator=True)
    assert (both["_merge"] == "both").all()
    steps = spaced.groupby("run_id")["step"]
    assert (steps.min() == run_folders.BATCHES).all()
    assert (steps.max() == 6 * run_folders.BATCHES).all()


def test_what_is_kept_of_a_part_does_not_hold_the_rest_of_it(study, root):
    """A slice of texts, even of no row, would hold all of them: of each part, until the end."""
    curves = build(study, root).frames["curves"]
    whole = pa.array(curves["run_id"]).get_total_buffer_size()
    for rows in (long_tables.best_of_val(curves), long_tables.reaching(curves, study.plan())):
        assert pa.array(rows["run_id"]).get_total_buffer_size() < whole / 4


def test_the_best_of_val_survives_thinning(study, root, monkeypatch):
    from actstudy.analysis.questions.outcomes import best_validation

    thin, whole = thinned_and_whole(study, root, monkeypatch)
    pd.testing.assert_series_equal(
        best_validation(thin.frames["curves"]), best_validation(whole.frames["curves"])
    )


def test_endings_of_all_kinds_are_thinned_alike(tmp_path, monkeypatch):
    """Runs that diverged, failed or have no number, whose long tables are short or empty."""
    endings = ["completed", "diverged", "diverged_at_once", "failed", "nan", "missing", "damaged"]
    study = study_of(tmp_path, {**STUDY, "axes": {"activation": ["relu", "tanh", "prelu"]}})
    plan = study.plan()
    for place, run in enumerate(study.runs()):
        ending = endings[place % len(endings)]
        write_run(run.spec, store.run_folder(run.spec, tmp_path / "runs"), ending, plan, 0.0)
    thin, whole = thinned_and_whole(study, tmp_path / "runs", monkeypatch)
    for name in ("targets", "early", "findings", "learnt", "runs", "incomplete"):
        pd.testing.assert_frame_equal(
            thin.frames[name], whole.frames[name], obj=name, check_dtype=False
        )


def test_runs_of_one_seed_share_jobs_across_an_axis(study):
    cut = series.series(sorted(study.possible, key=lambda run: run.spec.seed), 3, 1)
    assert [len(members) for members in cut.values()] == [3] * 8
    for members in cut.values():
        assert len({(member.seed, member.width) for member in members}) == 1


def test_no_run_is_asked_for_twice(tmp_path):
    """Runs of series have no job of their own beside it, and each run has one."""
    study = study_of(tmp_path, STUDY)
    planned = jobs.plan_jobs(study, 0, None, True, {"x": 1})
    several = [*itertools.chain(*planned.series.values())]
    alone = run_files.alone(planned)
    assert sorted([*alone, *map(run_id, several)]) == sorted(planned.specs)
    assert run_files.pattern([]) == run_files.NONE
    assert run_files.pattern(["a.b", "c"]) == r"a\.b|c"


def test_what_is_not_as_published_is_named(study, root, monkeypatch, tmp_path):
    folder = folder_of(study, root)
    assert published.amiss(folder) == ([], [])
    (folder / "health.parquet").unlink()
    edit(folder / "curves.parquet")
    assert published.amiss(folder) == (["health.parquet"], ["curves.parquet"])
    (folder / store.MANIFEST).unlink()
    assert published.amiss(folder) == ([], [])
    assert published.signature(tmp_path / "nowhere") == ""


def test_each_folder_of_a_run_is_looked_into_once(study, monkeypatch):
    looks = []
    monkeypatch.setattr(published, "_files", lambda run: looks.append(run) or {})
    run_files.amiss(study)
    assert looks == [store.run_folder(run.spec) for run in study.runs()]


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_folder):
    """A copy of the project with a finished study of six runs."""
    return Project(tmp_path_factory.mktemp("project"), [data_folder])


def test_an_unknown_run_is_refused_with_the_nearest(project):
    printed = project.snakemake("-n", "results/runs/mlp/relu-s0-0/manifest.json", status=2)
    assert "got run 'relu-s0-0'" in printed
    assert "allowed: a run of this study" in printed


def test_a_table_alone_is_asked_for_only_of_a_run_that_has_ended(study, root, monkeypatch):
    monkeypatch.chdir(root.parent)
    monkeypatch.setattr(store, "RUNS", Path("runs"))
    planned = jobs.plan_jobs(study, 0, None, True, {"x": 1})
    done = folder_of(study, Path("runs"))
    run_files.check_targets(planned, ["-n", f"{done}/curves.parquet"])
    (done / store.MANIFEST).unlink()
    run_files.check_targets(planned, ["-n", f"{done}/{store.MANIFEST}"])
    with pytest.raises(StudyError) as refusal:
        run_files.check_targets(planned, ["-n", f"{done}/curves.parquet"])
    expected = f"{done}/curves.parquet: comes with its run; allowed: {done}/manifest.json, "
    assert str(refusal.value).startswith(expected)


SEVERAL = """
runs_per_job: 3
axes: {activation: [relu, tanh, gelu]}
tasks: {mlp: {epochs: 3, seeds: 2, axes: {width: [16, 32]}}}
"""


def test_a_table_that_is_gone_or_edited_is_noticed_in_a_series(project):
    """Nothing else names tables of runs: the job of its series starts, that of no other."""
    file = project.folder / "config/several.yaml"
    file.write_text(SEVERAL)
    several = planning.load(file)
    for run in several.runs():
        run_folders.write_run(run.spec, project.folder / store.run_folder(run.spec), 6)
    plan = [sys.executable, "-m", "snakemake", "--configfile", "config/several.yaml", "-n"]

    def printed():
        return project.call(*plan)

    assert not re.search(r"^series_\w+", printed(), re.M)
    victim = project.folder / folder_of(several, store.RUNS)
    content = (victim / "curves.parquet").read_bytes()
    (victim / "curves.parquet").unlink()
    assert len(set(re.findall(r"^series_\w+ +1$", printed(), re.M))) == 1
    text = project.call(*plan, "--quiet", "host")
    run = f"{store.RUNS}/mlp/{victim.name}"  # outputs are touched in order, the manifest last
    assert f"{run}/curves.parquet (update), {run}/{store.MANIFEST} (update)" in text
    (victim / "curves.parquet").write_bytes(content)
    assert not re.search(r"^series_\w+", printed(), re.M)
    named = project.call(*plan, "results/several/tables/plan.json", "--quiet", "host")
    assert named.count(f"{store.RUNS}/mlp/{victim.name}/curves.parquet") == 1


def test_numbers_of_made_up_runs_are_of_the_schema(study, root):
    curves, health = store.read(folder_of(study, root), "curves", "health")
    assert len(curves) == 4 * 6
    assert len(health) == run_folders.PROBED_STEPS * run_folders.SITES * len(run_folders.PROBES)
    assert np.isfinite(curves["value"].to_numpy()).all()


def watching(folder, seconds):
    return argparse.Namespace(config=str(folder / "made.yaml"), set=[], watch=seconds)


def test_status_looks_again_until_no_run_is_left(tmp_path, monkeypatch, capsys):
    """While it waits the runs that were left end."""
    monkeypatch.chdir(tmp_path)
    study = study_of(tmp_path, STUDY)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        for run in study.runs():
            run_folders.write_run(run.spec, store.run_folder(run.spec), 6)

    monkeypatch.setattr(of_study.time, "sleep", wait)
    assert of_study.status(watching(tmp_path, 2.5)) == 0
    printed = capsys.readouterr().out
    assert waits == [2.5]
    assert printed.count("study made: ") == 2
    assert "study made: 24 of 24 runs completed" in printed


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan])
def test_a_watch_without_a_pause_is_refused(tmp_path, seconds):
    with pytest.raises(StudyError, match=r"--watch: got .*; allowed: at least 1"):
        of_study.status(watching(tmp_path, seconds))
