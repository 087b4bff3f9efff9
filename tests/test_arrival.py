"""Runs that arrive in a bundle: all or none, never over others, with seals and the present time."""

import json
import shutil
import time
from pathlib import Path

import bundled
import pytest
from commands import command

from actstudy.bundles import arrival
from actstudy.contract import locks, published, sources, store

MANIFEST = {"dataset": "mnist1d", "version": 1, "counts": {"train": 4}, "title": "what readers see"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A folder with a origin-up study of six runs, two of which failed, and its bundle."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        planned = bundled.study(lambda run: "failed" if run.level == "gelu" else "completed")
        bundled.packed(planned)
    return folder


@pytest.fixture
def target(origin, tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def unbundle(origin, target, status=0):
    """What `unbundle` prints here."""
    done = command(target, "unbundle", str(origin / "results/origin/bundle.zip"))
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def runs(folder):
    """The folders of runs, with files."""
    return sorted(path.parent for path in Path(folder, "results/runs/mlp").glob("*/manifest.json"))


def files(folder):
    """Every file below a folder -> its content, but for the notes of locks."""
    names = [
        path for path in Path(folder).rglob("*") if path.is_file() and ".locks" not in path.parts
    ]
    return {path: path.read_bytes() for path in names}


def test_runs_arrive_with_their_seals_and_the_present_time(origin, target):
    started = time.time()
    printed = unbundle(origin, target)
    assert "6 runs: 4 new, 0 were here already" in printed
    assert "2 of them failed and are left out, to be trained here" in printed
    assert "what is left: python -m actstudy run origin.yaml -n" in printed
    assert [path.name for path in runs(target)] == [
        path.name for path in runs(origin) if not path.name.startswith("gelu")
    ]
    for run in runs(target):
        source = origin / run.relative_to(target)
        for name in (*store.FILES, "spec.json", "environment.json"):
            assert (run / name).read_bytes() == (source / name).read_bytes()
        assert store.verifies(run)
        assert store.verifies(run / "checkpoints/final")
        assert json.loads((run / store.ARRIVED).read_text())["bundle"] == "bundle.zip"
        assert (run / "manifest.json").stat().st_mtime > started - 1
        assert published.amiss(run) == ([], [])
        (run / "runs.parquet").unlink()
        store.publish(run)
    assert not list(target.rglob(".unbundle/*"))
    assert "4 were here already" in unbundle(origin, target)


def test_a_run_with_other_content_is_named_and_nothing_is_written(origin, target):
    unbundle(origin, target)
    first, second = runs(target)[:2]
    shutil.rmtree(second)
    for place in (first, first / "checkpoints/final"):
        content = json.loads((place / "manifest.json").read_text())
        (place / "manifest.json").write_text(json.dumps({**content, "runs.parquet": "0" * 64}))
    before = files(target)
    printed = unbundle(origin, target, status=2)
    assert f"results/runs/mlp/{first.name}: holds this run with other content" in printed
    assert f"retry results/runs/mlp/{first.name}" in printed
    assert files(target) == before


def test_a_run_that_was_begun_here_gives_way(origin, target):
    name = runs(origin)[-1].name
    begun = target / "results/runs/mlp" / name
    (begun / "checkpoints").mkdir(parents=True)
    for file in ("checkpoints/step-000000010.pt", "checkpoints/step-000000010.sha256"):
        (begun / file).write_text("state")
    assert "4 new" in unbundle(origin, target)
    assert store.verifies(begun)
    assert not list(begun.glob("checkpoints/step-*"))


def test_a_run_that_is_training_here_is_refused(origin, target):
    name = runs(origin)[-1].name
    with locks.locked(target / "results/runs/mlp" / name):
        printed = unbundle(origin, target, status=2)
    assert f"results/runs/mlp/{name} is held by pid" in printed
    assert not files(target / "results")


def test_a_fault_in_the_bundle_leaves_nothing(origin, target, tmp_path_factory):
    folder = bundled.unpacked(origin / "results/origin/bundle.zip", tmp_path_factory.mktemp("un"))
    page = folder / "results/origin/summary.md"
    page.write_text(page.read_text().replace("6 of 6", "5 of 6"))
    done = command(target, "unbundle", str(folder))
    assert done.returncode == 1
    assert "summary.md: its SHA-256 is not that of the manifest" in done.stdout
    assert "nothing was unpacked" in done.stdout
    assert not files(target)


def test_a_bundle_without_runs_is_refused(origin, target):
    done = command(origin, "bundle", "origin.yaml", "--output", str(target / "small.zip"))
    assert done.returncode == 0
    done = command(target, "unbundle", "small.zip")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("allowed: what `bundle --runs` has packed")


def test_a_disk_that_fails_on_the_way_leaves_nothing(origin, target, monkeypatch):
    rename = Path.rename
    count = 0

    def failing(self, target):
        nonlocal count
        count += 1
        if count == 20:
            raise OSError(28, "No space left on device", str(target))
        return rename(self, target)

    with bundled.opened(origin / "results/origin/bundle.zip") as content:
        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(OSError, match="No space left"):
            arrival.unbundle(content, "")
    assert count == 20
    assert not files(target)


@pytest.fixture
def on_data(tmp_path_factory):
    """A bundle of one run that was trained on the data of MANIFEST, and its folder."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data = Path("results/data/mnist1d")
        store.write_json(data / "manifest.json", MANIFEST)
        sources.pin(data)
        digest = store.sha256(data / "manifest.json")
        patch.setattr(bundled.made_up, "parts_of", parts_with(digest, bundled.made_up.parts_of))
        bundled.packed(bundled.study())
    return folder


def parts_with(digest, parts_of):
    """`made_up.parts_of` of runs that were trained on some data."""

    def parts(*arguments):
        origin = parts_of(*arguments)
        origin["runs"][0]["data_sha256"] = digest
        return origin

    return parts


def test_a_later_preparation_is_held_to_the_data_of_the_runs(on_data, target):
    assert "their data are prepared when the study starts" in unbundle(on_data, target)
    other = {**MANIFEST, "counts": {"train": 5}}
    with pytest.raises(store.Damaged, match="the arrays are others than those"):
        sources.settled(Path("results/data/mnist1d"), other)
    same = {**MANIFEST, "title": "another title"}
    assert sources.settled(Path("results/data/mnist1d"), same) == MANIFEST
    sources.check(Path("results/data/mnist1d"), "mnist1d")


@pytest.mark.parametrize("prepared", [True, False])
def test_runs_on_other_data_than_those_here_are_refused(on_data, target, prepared):
    data = Path("results/data/mnist1d")
    store.write_json(data / "manifest.json", {**MANIFEST, "counts": {"train": 5}})
    sources.pin(data)
    if not prepared:
        shutil.rmtree(data)
    printed = unbundle(on_data, target, status=2)
    assert (
        "was trained on other data (sha" if prepared else "were trained on other data"
    ) in printed
    assert not runs(target)


def test_retry_forgets_that_a_run_has_arrived(origin, target):
    unbundle(origin, target)
    shutil.copy(origin / "origin.yaml", target)
    run = runs(target)[0]
    done = command(target, "retry", run.name, "--config", "origin.yaml")
    assert done.returncode == 0, done.stderr
    assert not (run / store.ARRIVED).exists()
