"""How own data are split: stated splits, whole groups, folders, shares that are reached."""

import shutil

import own_files
import pytest

from actstudy.contract import own, registry
from actstudy.contract.errors import StudyError
from actstudy.own_data import describe
from actstudy.own_data.options import SPLITS


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder, and none of an earlier test's study file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    return tmp_path


def splits_of(value):
    """The arrays of own data by split."""
    return describe.splits(describe.describe(value))


def refused(value, pattern):
    """Own data are refused in one line that has a pattern and says what to do."""
    with pytest.raises(StudyError, match=pattern) as caught:
        splits_of(value)
    line = str(caught.value)
    assert "\n" not in line
    assert "allowed:" in line or "to fix:" in line, line
    assert len(line) < 400


def test_val_is_drawn_from_a_stated_train_by_whole_groups(folder):
    rows = [[row, f"p{row // 4}", row % 2, "train" if row < 160 else "test"] for row in range(200)]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    splits = splits_of({"path": "t.csv", "group": "person"})
    persons = [set((splits[split]["x"] // 4).ravel()) for split in SPLITS]
    assert sum(map(len, persons)) == len(set.union(*persons)) == 50
    assert len(persons[1]) == 7  # 0.15 of 0.85 of 40


def test_a_group_in_two_stated_splits_is_refused(folder):
    rows = [[row, row // 4, row % 2, SPLITS[row % 3]] for row in range(60)]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    value = {"path": "t.csv", "group": "person"}
    refused(value, r"group: got '0' in train, val, test \(15 such of 15\); allowed: each group in")
    rows = [[*row[:3], SPLITS[min(2, row[0] // 20)]] for row in rows]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    assert [len(splits_of(value)[split]["y"]) for split in SPLITS] == [20, 20, 20]


@pytest.mark.parametrize("name", ["dev", "eval", "valid", "Validation", "val"])
def test_folders_of_val_in_any_spelling(folder, name):
    for split in ("train", name, "test"):
        own_files.images(folder / "pets" / split, n=4)
        for row, text in enumerate(own_files.sentences(4, seed=len(split))):
            own_files.write(folder / "books" / split / f"{row}.txt", f"{split} {text}")
    splits = splits_of("./pets")
    assert [len(splits[split]["y"]) for split in SPLITS] == [8, 8, 8]
    texts = splits_of("./books")
    for split, start in zip(SPLITS, ("train", name, "test"), strict=True):
        assert {text.split()[0] for text in texts[split]["x"]} == {start}


def test_folders_of_which_some_are_splits_are_refused(folder):
    for split in ("train", "test", "extra"):
        own_files.images(folder / "pets" / split, n=3)
        own_files.write(folder / "books" / split / "a.txt", f"a text of {split}")
    odd = "folders test, train are splits, and extra not; allowed: train, val and test alone"
    refused("./pets", odd)
    refused("./books", odd)
    (folder / "pets/test").rename(folder / "pets/other")
    refused("./pets", "folders train are splits, and extra, other not")
    for name in ("val", "test"):
        own_files.images(folder / "cats" / name, n=3)
    refused("./cats", "none is train of the folders test, val; allowed")
    own_files.images(folder / "vehicles", ["train", "plane"])  # a class may be called so
    assert set(splits_of("./vehicles")["test"]["y"]) == {0, 1}


def test_a_column_called_split_in_any_case_and_with_an_odd_value(folder):
    rows = [[row, row % 2, ("Train", "DEV", "test")[row // 20]] for row in range(60)]
    own_files.csv(folder / "t.csv", "x,label,split", rows)
    assert [len(splits_of("t.csv")[split]["y"]) for split in SPLITS] == [20, 20, 20]
    rows[50][2] = "holdout"
    own_files.csv(folder / "t.csv", "x,label,split", rows)
    refused("t.csv", "row 52: column 'split': got 'holdout'; allowed: train, val and test")


def test_texts_that_all_stand_in_train_are_refused(folder):
    own_files.write(folder / "song.txt", "\n".join(["one line", "two lines", "three lines"] * 20))
    refused(
        "song.txt", r"split val: no document of its own among 9 \(3 different ones of 60 in all"
    )
    for split in SPLITS:
        own_files.write(folder / f"books/{split}/a.txt", "the same text")
    refused("./books", "split val: no document of its own among 1")
    for row in range(3):
        own_files.write(folder / f"equal/{row}.txt", "the same text")
    refused("./equal", "split train: no document of its own among 0")


def test_shares_that_whole_groups_miss_are_refused_and_reached_ones_noted(folder):
    rows = [[row, row // 10, 2 if row < 30 else row // 10 % 2] for row in range(2000)]
    own_files.csv(folder / "t.csv", "x,house,label", rows)
    value = {"path": "t.csv", "group": "house"}
    refused(value, r"group: got shares \[0\.3\d+, .* of whole groups in 3 folds, not \[0.7, 0.15")
    rows = [[*row[:2], row[1] % 2] for row in rows]
    own_files.csv(folder / "t.csv", "x,house,label", rows)
    splits = splits_of(value)
    reached = registry.dataset(describe.describe(value))["own"]["shares"]
    assert reached == {split: len(splits[split]["y"]) / 2000 for split in SPLITS}
    assert reached == pytest.approx({"train": 0.7, "val": 0.15, "test": 0.15}, abs=0.02)


def test_groups_are_shared_out_alike_each_time(folder):
    rows = [[row, row // 10, row // 10 % 2] for row in range(2000)]
    own_files.csv(folder / "t.csv", "x,house,label", rows)
    first = splits_of({"path": "t.csv", "group": "house"})
    again = splits_of({"path": "t.csv", "group": "house"})
    assert (first["test"]["x"] == again["test"]["x"]).all()


@pytest.mark.parametrize("spelling", ["None", "NA", "-", "?"])
def test_a_class_that_is_spelled_like_a_missing_value(folder, spelling):
    rows = [[row, (spelling, "mild")[row % 2]] for row in range(40)]
    own_files.csv(folder / "t.csv", "x,label", rows)
    refused("t.csv", r"row 2: column 'label': label missing .* categories: \[label\]")
    value = {"path": "t.csv", "categories": ["label"]}
    declared = registry.dataset(describe.describe(value))
    assert declared["own"]["class_names"] == sorted([spelling, "mild"])
    texts = own_files.sentences(40)
    own_files.csv(folder / "p.csv", "text,label", [[texts[row], label] for row, label in rows])
    assert registry.dataset(describe.describe({**value, "path": "p.csv"}))["kind"] == "passages"
    rows[5][1] = ""
    own_files.csv(folder / "t.csv", "x,label", rows)
    refused(value, "row 7: column 'label': label missing")


def test_the_size_of_images_is_of_their_name(folder):
    own_files.images(folder / "pets")
    names = {describe.describe({"path": "./pets", "size": size}) for size in (16, 32)}
    assert len(names) == 2
    assert describe.describe("./pets") in names


def test_equal_examples_stay_in_one_split(folder):
    own_files.images(folder / "pets", n=20)
    for path in sorted((folder / "pets").rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy_{path.name}"))
    texts = own_files.sentences(40) * 2
    rows = [[text, row % 2] for row, text in enumerate(texts)]
    own_files.csv(folder / "p.csv", "text,label", rows)
    rows = [[row // 2, row // 2 % 2, "train" if row < 80 else "test"] for row in range(120)]
    own_files.csv(folder / "t.csv", "x,label,split", rows)
    for path, n in (("./pets", 40), ("p.csv", 40), ("t.csv", 60)):
        splits = splits_of(path)
        distinct = [set(map(repr, splits[split]["x"].tolist())) for split in SPLITS]
        assert sum(map(len, distinct)) == len(set.union(*distinct)) == n
