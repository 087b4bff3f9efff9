"""Own data without code: tables, images and texts as arrays, their splits, names and manifests."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import own_files
import pandas as pd
import pytest
import yaml
from commands import command
from PIL import Image
from runs import ROOT
from torchvision.transforms import v2

from actstudy.contract import own, own_data, registry, spec, store
from actstudy.contract.errors import StudyError
from actstudy.data import prepared
from actstudy.own_data import describe, files, images
from actstudy.own_data.options import SPLITS
from actstudy.study import jobs, planning


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder, and none of an earlier test's study file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    return tmp_path


def age(path):
    """Give all files a time of an hour ago, from which their time says their content."""
    past = time.time() - 3600
    for file in files.listed(path):
        os.utime(file, (past, past))


def settle(monkeypatch):
    """Let files that have just been written count as settled."""
    monkeypatch.setattr(describe, "SETTLED", 0)


def arrays_of(value):
    """The arrays of own data, and what they declare."""
    name = describe.describe(value)
    return describe.splits(name), registry.dataset(name)


def manifest_of(value, folder):
    """The manifest of own data, prepared."""
    name = describe.describe(value)
    prepared.prepare(name, folder / name)
    return json.loads((folder / name / "manifest.json").read_text())


def test_a_table_is_numbers_and_one_hot_categories(folder):
    own_files.wine(folder)
    splits, declared = arrays_of("wine.csv")
    rows = own_files.wine_rows()
    assert declared["own"]["columns"] == ["ash", "proline", "colour=red", "colour=white"]
    assert declared["own"]["class_names"] == ["0", "1", "2"]
    assert {split: len(splits[split]["y"]) for split in SPLITS} == {
        "train": 42,
        "val": 9,
        "test": 9,
    }
    expected = {
        (ash, proline, colour == "red", colour == "white", label)
        for ash, proline, colour, label in rows
    }
    read = []
    for split in SPLITS:
        for x, y in zip(splits[split]["x"], splits[split]["y"], strict=True):
            read.append((*x, y))
        assert np.bincount(splits[split]["y"]).tolist() == [len(splits[split]["y"]) // 3] * 3
    assert set(read) == expected
    assert len(read) == len(rows)


def test_a_manifest_says_what_was_read(folder):
    own_files.wine(folder)
    manifest = manifest_of({"path": "wine.csv", "licence": "CC BY 4.0"}, folder / "results/data")
    assert manifest["licence"] == "CC BY 4.0"
    assert manifest["counts"] == {"train": 42, "val": 9, "test": 9}
    assert manifest["class_counts"]["test"] == [3, 3, 3]
    assert manifest["own"]["fingerprint"] == store.sha256(folder / "wine.csv")
    assert manifest["own"]["read"]["label"] == "class"
    assert len(manifest["mean"]) == manifest["shape"][0] == 4
    assert str(folder) not in json.dumps(manifest)
    name = manifest["dataset"]
    own_data._known.pop(name)  # as another process has it
    assert registry.dataset(name)["title"] == "wine"
    assert registry.dataset(name)["shape"] == [4]
    assert registry.train_size(name) == 42


def test_a_name_is_of_content_and_reading_not_of_the_path(folder):
    path = own_files.wine(folder)
    name = describe.describe("wine.csv")
    (folder / "other").mkdir()
    shutil.copy(path, folder / "other/wine.csv")
    assert describe.describe("other/wine.csv") == name
    assert describe.describe({"path": "wine.csv", "label": "class"}) == name
    assert describe.describe({"path": "wine.csv", "licence": "mine"}) == name
    others = [{"drop": ["colour"]}, {"split": [0.6, 0.2, 0.2]}, {"categories": ["ash"], "drop": []}]
    names = {name, *(describe.describe({"path": "wine.csv", **keys}) for keys in others[:2])}
    assert len(names) == 3
    path.write_text(path.read_text().replace("red", "rose"))
    assert describe.describe("wine.csv") not in names


def test_parquet_is_read_as_csv_is(folder):
    path = own_files.wine(folder)
    pd.read_csv(path).to_parquet(folder / "wine.parquet", index=False)
    from_csv, _ = arrays_of("wine.csv")
    from_parquet, declared = arrays_of("wine.parquet")
    assert declared["own"]["columns"] == ["ash", "proline", "colour=red", "colour=white"]
    for split in SPLITS:
        for part in ("x", "y"):
            np.testing.assert_array_equal(from_csv[split][part], from_parquet[split][part])


def test_categories_and_medians_are_those_of_train(folder):
    rows = [[row, row % 2, "train", "a"] for row in range(40)]
    rows += [[row, row % 2, "val", "new" if row < 42 else "a"] for row in range(40, 46)]
    rows += [[row, row % 2, "test", "a"] for row in range(46, 52)]
    rows[3][0] = ""
    rows[50][0] = ""
    own_files.csv(folder / "t.csv", "n,label,split,kind", rows)
    splits, declared = arrays_of({"path": "t.csv", "missing": "impute", "target": "class"})
    assert declared["own"]["columns"] == ["n", "n missing", "kind=a"]
    assert declared["own"]["unseen"] == {"kind": {"train": 0, "val": 2, "test": 0}}
    median = np.median([row for row in range(40) if row != 3])
    assert declared["own"]["imputed"] == {"n": {"n": 2, "median": median}}
    assert splits["train"]["x"][3].tolist() == [median, 1, 1]
    assert splits["test"]["x"][4].tolist() == [median, 1, 1]
    assert splits["val"]["x"][:, 2].tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "target", "is_number"),
    [
        ([0.5 * row for row in range(60)], None, True),  # not whole
        (list(range(60)), None, True),  # more than 20 whole numbers
        ([row % 70 for row in range(1000)], None, True),
        ([row % 70 for row in range(4000)], None, True),  # the same column of more rows
        ([row % 70 for row in range(4000)], "class", False),
        ([row % 20 for row in range(60)], None, False),
        ([row % 3 for row in range(60)], "number", True),
        ([0.5 * (row % 3) for row in range(60)], "class", False),
        ([f"{row % 3}a" for row in range(60)], None, False),
    ],
)
def test_whether_a_label_is_a_number(folder, values, target, is_number):
    own_files.csv(folder / "t.csv", "x,y", enumerate(values))
    value = {"path": "t.csv", **({"target": target} if target else {})}
    splits, declared = arrays_of(value)
    assert declared.get("target") == ("number" if is_number else None)
    assert ("classes" in declared) is not is_number
    labels = np.concatenate([splits[split]["y"] for split in SPLITS])
    assert labels.dtype == (np.float64 if is_number else np.int64)
    if is_number:
        assert sorted(labels) == sorted(values)


def test_numbers_are_shared_out_by_their_size(folder):
    own_files.csv(folder / "t.csv", "x,y", [[row, row * 1.5] for row in range(400)])
    splits, _ = arrays_of("t.csv")
    means = [splits[split]["y"].mean() for split in SPLITS]
    assert np.ptp(means) < 30  # of a range of 600


def test_a_column_says_splits_and_val_is_drawn_from_train(folder):
    rows = [[row, row % 2, "train" if row < 40 else "test"] for row in range(60)]
    own_files.csv(folder / "t.csv", "x,label,part", rows)
    splits, declared = arrays_of({"path": "t.csv", "split": "part"})
    assert declared["own"]["columns"] == ["x"]
    assert sorted(splits["test"]["x"].ravel()) == list(range(40, 60))
    assert len(splits["val"]["y"]) == 8
    assert len(splits["train"]["y"]) == 32


def test_groups_and_equal_rows_stay_whole(folder):
    rows = [[row, row // 3, row % 2] for row in range(90)]
    own_files.csv(folder / "t.csv", "x,house,label", rows)
    splits, declared = arrays_of({"path": "t.csv", "group": "house"})
    assert declared["own"]["columns"] == ["x"]
    houses = [set((splits[split]["x"] // 3).ravel()) for split in SPLITS]
    assert sum(map(len, houses)) == len(set.union(*houses)) == 30
    own_files.csv(folder / "e.csv", "x,label", [[row // 2, row // 2 % 2] for row in range(80)])
    splits, _ = arrays_of({"path": "e.csv"})
    values = [set(splits[split]["x"].ravel()) for split in SPLITS]
    assert sum(map(len, values)) == len(set.union(*values)) == 40


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda text: "\ufeff" + text, {}),
        (lambda text: text.replace("\n", "\r\n"), {}),
        (lambda text: text.replace(",", ";"), {}),
        (lambda text: text.replace(",", "\t"), {}),
        (lambda text: text.replace(",", ";").replace(".", ","), {"decimal": ","}),
        (lambda text: text.replace("red", '"red"') + "\n", {}),
    ],
    ids=["BOM", "CRLF", "semicolons", "tabs", "decimal commas", "quotes"],
)
def test_spellings_of_a_csv_that_are_read_alike(folder, change, options):
    path = own_files.wine(folder)
    plain, _ = arrays_of("wine.csv")
    own_files.write(path, change(path.read_text()))
    changed, _ = arrays_of({"path": "wine.csv", **options})
    for split in SPLITS:
        np.testing.assert_array_equal(plain[split]["x"], changed[split]["x"])


def test_images_of_any_size_and_format_in_class_folders(folder):
    own_files.images(folder / "pets")
    own_files.images(folder / "pets", ["emu"], suffix="jpg")
    manifest = manifest_of("./pets", folder / "results/data")
    assert manifest["own"]["class_names"] == ["cat", "dog", "emu"]
    assert manifest["shape"] == [3, 32, 32]
    assert manifest["counts"] == {"train": 18, "val": 3, "test": 3}
    assert len(manifest["mean"]) == 3


def test_an_image_is_resized_as_stated(folder):
    """Against torchvision's antialiased resize of the shorter side and centre crop."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (60, 91, 3), np.uint8))
    reference = v2.Compose([v2.Resize(16, antialias=True), v2.CenterCrop(16)])(image)
    difference = np.asarray(images.resized(image, 16)).astype(int) - np.asarray(reference)
    assert np.abs(difference).max() <= 1
    assert images.resized(image, 100).size == (100, 100)


def test_grey_images_have_one_channel_and_16_bits_are_scaled(folder):
    for label in ("a", "b"):
        (folder / "x" / label).mkdir(parents=True)
        for row in range(3):
            values = np.full((8, 8), 65535 if label == "b" else 257 * (row + 1), np.uint16)
            values[0, 0] = 257 * row
            Image.fromarray(values).save(folder / "x" / label / f"{row}.png")
    splits, declared = arrays_of({"path": "./x", "size": 8})
    assert declared["shape"] == [1, 8, 8]
    white = np.concatenate([splits[split]["x"][splits[split]["y"] == 1] for split in SPLITS])
    assert (white[:, 0, 1:] == 255).all()
    assert sorted(white[:, 0, 0, 0]) == [0, 1, 2]


def test_folders_called_train_val_and_test_are_splits(folder):
    for split, n in (("train", 6), ("valid", 2), ("test", 3)):
        own_files.images(folder / "pets" / split, n=n)
    splits, declared = arrays_of("./pets")
    assert declared["own"]["read"]["split"] == "folders"
    assert {split: len(splits[split]["y"]) for split in SPLITS} == {
        "train": 12,
        "val": 4,
        "test": 6,
    }
    shutil.rmtree(folder / "pets/valid")
    splits, _ = arrays_of("./pets")
    assert {split: len(splits[split]["y"]) for split in SPLITS} == {
        "train": 10,
        "val": 2,
        "test": 6,
    }


def test_a_text_file_is_paragraphs_in_their_order(folder):
    paragraphs = own_files.sentences(20)
    own_files.write(folder / "book.txt", "\ufeff" + "\r\n\r\n".join(paragraphs))
    splits, declared = arrays_of("book.txt")
    assert declared["own"]["read"]["unit"] == "paragraphs"
    assert [*splits["train"]["x"], *splits["val"]["x"], *splits["test"]["x"]] == paragraphs
    assert {split: len(splits[split]["x"]) for split in SPLITS} == {
        "train": 14,
        "val": 3,
        "test": 3,
    }
    own_files.write(folder / "lines.txt", "\n".join([*paragraphs, paragraphs[0]]))
    splits, declared = arrays_of("lines.txt")
    assert declared["own"]["read"]["unit"] == "lines"
    assert declared["own"]["repeated_documents_left_out"] == 1
    assert paragraphs[0] not in splits["test"]["x"]


def test_a_folder_of_texts_is_documents(folder):
    for row, text in enumerate(own_files.sentences(20)):
        own_files.write(folder / f"books/{row}.md", text)
    splits, _ = arrays_of("./books")
    again, _ = arrays_of("./books")
    assert {split: len(splits[split]["x"]) for split in SPLITS} == {
        "train": 14,
        "val": 3,
        "test": 3,
    }
    assert splits["test"]["x"].tolist() == again["test"]["x"].tolist()


def test_texts_with_a_class_are_passages(folder):
    rows = [[f'"{text}"', row % 2] for row, text in enumerate(own_files.sentences(40))]
    own_files.csv(folder / "reviews.csv", "review,label", rows)
    splits, declared = arrays_of("reviews.csv")
    assert declared["kind"] == "passages"
    assert set(np.concatenate([splits[split]["x"] for split in SPLITS])) == set(
        own_files.sentences(40)
    )
    assert arrays_of({"path": "reviews.csv", "text": "review"})[1]["kind"] == "passages"
    assert declared["classes"] == 2
    texts = own_files.sentences(90)
    own_files.csv(
        folder / "n.csv", "text,label", [[text, row % 30] for row, text in enumerate(texts)]
    )
    assert arrays_of({"path": "n.csv", "target": "class"})[1]["classes"] == 30


def forget():
    """What a process knows of own data is gone, as in another process."""
    for memory in (describe._described, describe._stamps, own_data._known):
        memory.clear()


def test_known_files_are_not_read_again(folder, monkeypatch):
    path = own_files.wine(folder)
    settle(monkeypatch)
    name = describe.describe("wine.csv")
    prepared.prepare(name, folder / "results/data" / name)
    forget()
    monkeypatch.setattr(describe, "_read", lambda *_, **__: pytest.fail("read again"))
    assert describe.describe("wine.csv") == name
    assert own_data.known(name).train_size == 42
    os.utime(path)
    with pytest.raises(pytest.fail.Exception):
        describe.describe("wine.csv")


def test_looking_writes_nothing(folder):
    path = own_files.wine(folder)
    age(path)
    describe.describe("wine.csv")
    assert [file.name for file in folder.iterdir()] == ["wine.csv"]


def test_content_that_changes_after_planning_is_refused(folder):
    path = own_files.wine(folder)
    name = describe.describe("wine.csv")
    path.write_text(path.read_text().replace("red", "rose"))
    with pytest.raises(StudyError, match=r"wine.csv: the content has changed since .* to fix: run"):
        prepared.prepare(name, folder / "results/data" / name)
    source = json.dumps({"path": "wine.csv"})
    done = command(folder, "prepare", name, f"results/data/{name}", "--source", source)
    assert done.returncode == 2
    assert "the content has changed" in done.stderr
    assert not (folder / "results/data" / name / "manifest.json").exists()


def test_own_data_in_a_study_elsewhere_and_on_the_command_line(folder):
    own_files.wine(folder / "elsewhere")
    fields = "dataset: wine.csv, epochs: 2, width: 8, batch_size: 10, warmup: 0, seeds: 1"
    study = f"tasks: {{mlp: {{{fields}}}}}\naxes: {{activation: [relu, tanh]}}\n"
    own_files.write(folder / "elsewhere/grapes.yaml", study)
    plan = planning.load(folder / "elsewhere/grapes.yaml")
    name = describe.describe("elsewhere/wine.csv")
    assert {run.spec.dataset for run in plan.possible} == {name}
    assert plan.tasks["mlp"].title == "MLP on wine"
    flags = ["--dataset", "elsewhere/wine.csv", "--epochs", "2", "--width", "8", "--warmup", "0"]
    words = ["train", "--task", "mlp", "--activation", "relu", "--batch_size", "10", "--seed", "0"]
    done = command(folder, *words, *flags, "--device", "cpu", "--quiet")
    assert done.returncode == 0, done.stderr
    (run,) = [run for run in plan.possible if run.level == "relu"]
    assert store.verifies(store.run_folder(run.spec))


def test_a_prepared_data_set_serves_the_jobs_that_only_know_its_name(folder):
    own_files.wine(folder)
    name = describe.describe("wine.csv")
    source = json.dumps({"path": "wine.csv"})
    done = command(folder, "prepare", name, f"results/data/{name}", "--source", source)
    assert done.returncode == 0, done.stderr
    done = command(folder, "reference", "mlp", f"results/data/{name}", "reference.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "reference.json").read_text())["data"] == name


def test_numbers_far_from_zero_are_moved_there(folder):
    rows = [[1_700_000_000 + row, row % 2] for row in range(40)]
    own_files.csv(folder / "t.csv", "time,label", rows)
    name = describe.describe("t.csv")
    splits = prepared.load_raw(name)
    times = np.sort(np.concatenate([splits[split]["x"].ravel() for split in SPLITS]))
    assert (np.diff(times) == 1).all()
    offset = registry.dataset(name)["own"]["subtracted"]["time"]
    assert times[0] + offset == 1_700_000_000


def test_own_data_as_levels_of_an_axis(folder):
    own_files.wine(folder)
    own_files.csv(folder / "small.csv", "a,kind", [[row, row % 2] for row in range(30)])
    study = {
        "tasks": {"mlp": {"activation": "relu", "batch_size": 10, "seeds": 1}},
        "axes": {"dataset": ["wine.csv", {"path": "small.csv", "label": "kind"}, "mnist1d"]},
        "compare": "dataset",
    }
    own_files.write(folder / "s.yaml", yaml.safe_dump(study))
    plan = planning.load("s.yaml")
    assert [run.level for run in plan.possible] == ["wine", "small", "mnist1d"]
    assert [run.spec.dataset for run in plan.possible] == [
        describe.describe("wine.csv"),
        describe.describe({"path": "small.csv", "label": "kind"}),
        "mnist1d",
    ]
    assert list(plan.tasks["mlp"].classes.values()) == [3, 2, 10]
    study["tasks"]["mlp"]["batch_size"] = 23
    own_files.write(folder / "s.yaml", yaml.safe_dump(study))
    with pytest.raises(StudyError, match="batch_size: got 23; allowed: at most the 22 train"):
        planning.load("s.yaml")


def test_the_workflow_prepares_own_data_from_their_path(folder):
    own_files.wine(folder / "elsewhere")
    study = {
        "tasks": {"mlp": {"dataset": {"path": "wine.csv", "drop": ["colour"]}, "batch_size": 10}},
        "axes": {"activation": ["relu"]},
        "seeds": 1,
    }
    own_files.write(folder / "elsewhere/grapes.yaml", yaml.safe_dump(study))
    options = ["--configfile", "elsewhere/grapes.yaml", "-n", "--cores", "1"]
    words = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name = describe.describe({"path": "elsewhere/wine.csv", "drop": ["colour"]})
    assert re.search(r"^prepare_own +1$", done.stdout + done.stderr, re.MULTILINE)
    sources = jobs.own_data_of(planning.load("elsewhere/grapes.yaml"))
    assert sources == {name: '{"path": "elsewhere/wine.csv", "drop": ["colour"]}'}
    assert not (folder / "results").exists()


def test_small_classes_in_groups(folder):
    rows = [[row, row // 2, row // 2 % 2] for row in range(24)]
    own_files.csv(folder / "t.csv", "x,house,label", rows)
    splits, _ = arrays_of({"path": "t.csv", "group": "house"})
    assert all(set(splits[split]["y"]) == {0, 1} for split in SPLITS)


def test_a_job_whose_file_has_changed_is_refused(folder):
    path = own_files.wine(folder)
    study = {
        "tasks": {"mlp": {"dataset": "wine.csv", "batch_size": 10, "activation": "relu"}},
        "seeds": 1,
    }
    own_files.write(folder / "s.yaml", yaml.safe_dump(study))
    (run,) = planning.load("s.yaml").possible
    data = folder / "results/data" / run.spec.dataset
    prepared.prepare(data.name, data)
    path.write_text(path.read_text().replace("white", "green"))
    done = command(folder, "train", "--spec", spec.canonical(run.spec), "--quiet")
    assert done.returncode == 2
    assert "wine.csv has changed since" in done.stderr
    assert "run snakemake again, which plans new runs on the new content" in done.stderr
    assert done.stderr.count("\n") == 1
