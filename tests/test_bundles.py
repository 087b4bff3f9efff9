"""A bundle: the same bytes for the same study, every other byte noticed, nothing harmful read."""

import itertools
import json
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import bundled
import pandas as pd
import pytest
from commands import command
from refusals import refusal

from actstudy.bundles import contents, making
from actstudy.bundles.opened import opened
from actstudy.contract import own, store
from actstudy.contract.errors import StudyError
from actstudy.study import planning


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A folder with a origin-up study and its bundle."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        bundled.packed(bundled.study())
    return folder


@pytest.fixture
def bundle(origin):
    return origin / "results/origin/bundle.zip"


@pytest.fixture
def folder(bundle, tmp_path):
    """The bundle, unpacked, to be changed."""
    return bundled.unpacked(bundle, tmp_path / "unpacked")


def test_the_same_study_gives_the_same_bytes(origin, bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(origin)
    for path in Path("results").rglob("*"):
        path.touch()
    done = command(
        origin, "bundle", "origin.yaml", "--runs", "--output", str(tmp_path / "again.zip")
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    with zipfile.ZipFile(bundle) as content:
        assert {info.date_time[:3] for info in content.infolist()} == {(1980, 1, 1)}
        assert {stat.filemode(info.external_attr >> 16) for info in content.infolist()} == {
            "-rw-r--r--"
        }
        names = [name.partition("/")[2] for name in content.namelist()]
    assert names[0] == "README.md"
    assert {"origin.yaml", "environment.json", "results/origin/summary.md"} <= set(names)
    assert "results/origin/tables/cells.csv" in names
    assert sum(name.endswith("/runs.parquet") for name in names) == 7
    assert not any("checkpoints" in name for name in names)


def test_a_bundle_is_what_was_packed(origin, bundle, folder):
    for place in (bundle, folder):
        done = command(origin, "verify", str(place))
        assert done.returncode == 0, done.stdout
        assert "files as packed, 6 runs" in done.stdout
    sums = ["sha256sum", "-c", "SHA256SUMS", "--quiet"]
    assert subprocess.run(sums, cwd=folder, capture_output=True, check=False).returncode == 0
    text = (folder / "README.md").read_text()
    assert "6 completed of 6 planned runs" in text
    assert "$" not in text
    n_files = sum(path.is_file() for path in folder.rglob("*"))
    assert f"# {n_files}: one more is surplus" in text
    assert "| a CPU | 6 | 0.0117 |" in text


def test_a_bundle_without_runs_says_so(origin, tmp_path):
    small = tmp_path / "small.zip"
    done = command(origin, "bundle", "origin.yaml", "--output", str(small))
    assert "no runs (--runs packs them)" in done.stdout
    done = command(origin, "verify", str(small))
    assert done.returncode == 0
    assert "not checked: no runs are in it" in done.stdout


def test_every_flipped_byte_is_noticed(bundle, tmp_path):
    content = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as packed:
        infos = packed.infolist()
        directory = packed.start_dir
    starts = [info.header_offset for info in infos]
    heads = itertools.chain(*(range(start, start + 60, 5) for start in starts[:3]))
    spread = range(0, len(content), len(content) // 150)
    ends = [*range(directory, directory + 100, 7), *range(len(content) - 22, len(content))]
    other = tmp_path / "other.zip"
    for place in {*heads, *spread, *ends}:
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        other.write_bytes(flipped)
        try:
            lines = bundled.faults(other)
        except StudyError as error:
            lines = [str(error)]
        assert lines, f"byte {place} is not noticed"
        assert not any("\n" in line for line in lines)
        if name := name_of_data(infos, place, directory):
            assert any(name in line for line in lines), (place, name, lines)


def name_of_data(infos, place, directory):
    """The file whose packed content a byte belongs to; empty for heads and the directory."""
    for info in infos:
        start = info.header_offset + 30 + len(info.filename)
        if start <= place < min(start + info.compress_size, directory):
            return info.filename.partition("/")[2]
    return ""


def test_a_zip_that_is_cut_off_is_refused(bundle, tmp_path):
    content = bundle.read_bytes()
    other = tmp_path / "other.zip"
    for length in range(0, len(content), len(content) // 40):
        other.write_bytes(content[:length])
        refusal(lambda: bundled.faults(other), "no whole zip", "allowed: a file that")


LINK = zipfile.ZipInfo("origin/link")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ([("origin/../../evil", b"")], "allowed: plain files below one folder"),
        ([("/origin/evil", b"")], "allowed: plain files below one folder"),
        ([("origin\\..\\evil", b"")], "allowed: plain files below one folder"),
        ([("origin/a\x1b[2J", b"")], "allowed: plain files below one folder"),
        ([("evil", b"")], "allowed: plain files below one folder"),
        ([("origin/folder/", b"")], "allowed: plain files below one folder"),
        ([(LINK, b"/etc/passwd")], "got the entry 'origin/link'"),
        ([("other/file", b"")], "got 2 folders"),
        ([("origin/big", b"\0" * 200_000_000)], "bytes of content in a zip of"),
    ],
)
def test_a_harmful_zip_is_refused_and_nothing_extracted(entries, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = bundled.zip_of(tmp_path / "evil.zip", *entries)
    for name in ("verify", "unbundle"):
        done = command(tmp_path, name, str(path))
        assert done.returncode == 2
        assert part in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["evil.zip"]


def test_what_is_no_bundle_is_refused(origin, tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("no zip")
    for path, part in (
        (text, "no whole zip"),
        (tmp_path / "absent.zip", "no such file"),
        (tmp_path, "no manifest.json in it; did you mean "),
        (Path("/dev/null"), "/dev/null: is no zip and no folder"),
        (origin / "results/origin", f"did you mean {origin}/results/origin/bundle.zip? "),
        (origin / "results", "no manifest.json in it"),
    ):
        refusal(lambda path=path: bundled.faults(path), part, "allowed: a file that")
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as content:
        content.writestr("origin/file", "")
    refusal(lambda: bundled.faults(empty), "no manifest.json in it")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", "[" * 100_000, '{"format": 2}', "{\x00"])
def test_a_manifest_that_is_none_is_a_fault(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    (line,) = bundled.faults(folder)
    assert line.startswith("manifest.json: ")


def test_files_that_are_missing_surplus_or_changed_are_named(folder):
    (folder / "origin.yaml").unlink()
    (folder / "results/origin/more.csv").write_text("")
    page = folder / "results/origin/summary.md"
    page.write_text(page.read_text().replace("6 of 6", "5 of 6"))
    (folder / "results/origin/figures/mlp/link.png").symlink_to("/etc/passwd")
    (folder / "environment.json").write_text("[]")
    os.mkfifo(folder / "results/pipe")
    assert bundled.faults(folder) == [
        "results/origin/figures/mlp/link.png: is a link, or no file; allowed: a plain file",
        "results/pipe: is a link, or no file; allowed: a plain file",
        "results/origin/more.csv: surplus: the manifest does not list it",
        "origin.yaml: missing",
        f"environment.json: has 2 bytes; in the manifest {size(folder, 'environment.json')}",
        "results/origin/summary.md: its SHA-256 is not that of the manifest",
    ]


def size(folder, name):
    return json.loads((folder / "manifest.json").read_text())["files"][name]["size"]


def test_a_manifest_that_was_changed_with_its_file_is_noticed(folder):
    path = folder / "manifest.json"
    page = folder / "results/origin/summary.md"
    digest = store.sha256(page)
    page.write_text(page.read_text().replace("6 of 6", "5 of 6"))
    path.write_text(path.read_text().replace(digest, store.sha256(page)))
    (line,) = bundled.faults(folder)
    assert line.startswith("SHA256SUMS: its lines are not the hashes of manifest.json")


def change_table(folder, name, change):
    """Changes a study table; the others, and its CSV, stay as they are."""
    path = folder / f"results/origin/tables/{name}.parquet"
    frame = pd.read_parquet(path)
    change(frame)
    frame.to_parquet(path)


def raise_first(column):
    def change(frame):
        frame.loc[frame[column].first_valid_index(), column] += 0.25

    return change


def rename_runs(frame):
    frame.loc[frame["run_id"] == frame["run_id"].iloc[0], "status"] = "missing"


@pytest.mark.parametrize(
    ("name", "change", "part"),
    [
        ("runs", raise_first("reported_accuracy"), ": reported_accuracy is "),
        ("runs", raise_first("train_seconds"), ": train_seconds is "),
        ("runs", rename_runs, " is missing, but it is in the bundle"),
        ("curves", raise_first("value"), ": value is not that of its run"),
        ("calibration", raise_first("upper"), ": upper is not that of its run"),
        ("cells", raise_first("mean"), "cells: mlp, relu: mean of "),
        ("contrasts", raise_first("mean"), "contrasts: mlp, tanh: the mean of "),
        ("differences", raise_first("difference"), "contrasts: mlp, tanh: the mean of "),
        ("pareto", raise_first("throughput"), "pareto.csv: row 2: throughput is "),
    ],
)
def test_tables_that_do_not_follow_from_the_runs_are_named(folder, tmp_path, name, change, part):
    change_table(folder, name, change)
    lines = bundled.faults(bundled.packed_again(folder, tmp_path / "again.zip"))
    assert any(part in line for line in lines), lines
    assert all(line.startswith("results/origin/tables: ") for line in lines)


def first_run(folder):
    return sorted(path for path in (folder / "results/runs/mlp").iterdir())[0]


def drop_run(folder):
    shutil.rmtree(first_run(folder))


def break_seal(folder):
    (first_run(folder) / "curves.parquet").write_bytes(b"PAR1")


def swap_specs(folder):
    first, second = sorted((folder / "results/runs/mlp").iterdir())[:2]
    shutil.copy(second / "spec.json", first / "spec.json")


def add_file(folder):
    (first_run(folder) / "run.sh").write_text("rm -rf /")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (drop_run, "is completed, but it is not in the bundle"),
        (break_seal, "its seal does not verify"),
        (swap_specs, "its spec is that of results/runs/mlp/"),
        (add_file, "run.sh is no file of a run"),
    ],
)
def test_a_run_that_is_not_what_it_says_is_named(folder, tmp_path, change, part):
    change(folder)
    for place in (bundled.packed_again(folder, tmp_path / "again.zip"),):
        lines = bundled.faults(place)
        assert any(part in line for line in lines), lines


def test_a_study_of_which_nothing_has_ended_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = bundled.study(lambda run: "missing")
    shutil.rmtree("results/origin")
    refusal(lambda: making.make(planned), "no tables in results/origin", "to fix: ")
    refusal(lambda: making.make(planned, runs=True), "no run of it has ended")
    assert not list(tmp_path.rglob("*.zip"))


def test_a_folder_as_output_is_refused_by_its_name(origin, tmp_path):
    done = command(origin, "bundle", "origin.yaml", "--output", str(tmp_path))
    assert done.returncode == 2
    assert f"--output: got the folder {tmp_path}; allowed: a file, as {tmp_path}/" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_zip_is_not_written_over(origin):
    text = (origin / "origin.yaml").read_text()
    done = command(origin, "bundle", "origin.yaml", "--output", "origin.yaml")
    assert done.returncode == 2
    assert "--output: got origin.yaml, a file that is no zip" in done.stderr
    assert (origin / "origin.yaml").read_text() == text


def test_runs_travel_before_the_study_is_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = bundled.study(lambda run: "missing" if run.spec.seed else "completed")
    shutil.rmtree("results/origin")
    path = bundled.packed(planned)
    assert bundled.faults(path) == []
    with opened(path) as content:
        text = content.read("README.md").decode()
    assert "PARTIAL: 3 completed of 6 planned runs" in text


def test_a_page_that_is_older_than_its_runs_is_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = bundled.study(lambda run: "missing" if run.spec.seed else "completed")
    bundled.made_up.build(planned, store.RESULTS, bundled.whole)
    for run in planned.runs():
        folder = store.run_folder(run.spec)
        (folder / "spec.json").write_text(bundled.canonical(run.spec))
    origin = making.make(planned, runs=True)
    assert any("page and tables are left out" in note for note in origin.notes)
    assert bundled.faults(origin.path) == []
    with opened(origin.path) as content:
        assert not content.inside("results/origin")


def test_damaged_runs_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = bundled.study(lambda run: "damaged" if run.level == "tanh" else "completed")
    origin = making.make(planned, runs=True)
    assert sum("tanh" in note and "is damaged" in note for note in origin.notes) == 2
    assert origin.n_runs == 4
    assert bundled.faults(origin.path) == []


@pytest.mark.parametrize("task", ["mlp", "lm"])
def test_runs_of_any_ending_give_tables_that_are_theirs(tmp_path, monkeypatch, task):
    monkeypatch.chdir(tmp_path)
    endings = itertools.cycle([name for name in bundled.made_up.ENDINGS if name != "damaged"])
    axes = {"activation": ["relu", "tanh", "gelu"]}
    content = {"axes": axes, "tasks": {task: {"seeds": 5}}}
    planned = bundled.study(lambda run: next(endings), content=content)
    assert bundled.faults(bundled.packed(planned)) == []


def test_own_code_is_packed_with_what_it_imports_of_ones_own(tmp_path, monkeypatch):
    """The file of a path, and one that it imports from; neither torch nor the project's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [tmp_path, tmp_path / "lib"])
    Path("lib").mkdir()
    Path("lib/packed_scale.py").write_text("FACTOR = 2\n")
    lines = ["import torch", "from packed_scale import FACTOR"]
    lines += ["class Steep(torch.nn.Module):", "    def forward(self, x):"]
    lines += ["        return torch.relu(FACTOR * x)"]
    Path("packed_acts.py").write_text("\n".join(lines))
    axes = {"activation": ["relu", "packed_acts:Steep"]}
    study = {"baseline": "relu", "seeds": 1, "axes": axes, "tasks": {"mlp": {"steps": 5}}}
    Path("mine.yaml").write_text(json.dumps(study))
    packed = contents.own_code_of(planning.load("mine.yaml"))
    assert set(packed) == {"packed_acts.py", "lib/packed_scale.py"}
    monkeypatch.chdir(tmp_path / "lib")
    assert "code/packed_acts.py" in contents.own_code_of(planning.load("../mine.yaml"))
