"""Own data by name: of content alone, shown by the stem of the file; when files are read again."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import own_files
import pandas as pd
import pytest
import yaml

from actstudy.analysis.page import result_tables
from actstudy.contract import own, own_data, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.data import prepared
from actstudy.own_data import describe
from actstudy.own_data.options import SPLITS
from actstudy.study import planning

FIELDS = {"batch_size": 10, "seeds": 1, "activation": "relu"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder in which files count as settled; nothing known of earlier tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    monkeypatch.setattr(describe, "SETTLED", 0)
    forget()
    return tmp_path


def forget():
    """What a process knows of own data is gone, as in another process."""
    for memory in (describe._described, describe._stamps, own_data._known):
        memory.clear()


def splits_of(value):
    """The arrays of own data by split."""
    return describe.splits(describe.describe(value))


def plan_of(tasks, **study):
    """A study of some tasks, as planned."""
    own_files.write(Path("s.yaml"), yaml.safe_dump({"tasks": tasks, **study}))
    return planning.load("s.yaml")


def refused(value, pattern):
    """Own data are refused in one line that has a pattern."""
    with pytest.raises(StudyError, match=pattern) as caught:
        splits_of(value)
    assert "\n" not in str(caught.value)
    assert "allowed:" in str(caught.value)


def test_a_renamed_copy_has_the_name_and_the_ids_of_the_file(folder):
    path = own_files.wine(folder)
    name = describe.describe("wine.csv")
    assert own_data.is_name(name)
    plan = plan_of({"mlp": {"dataset": "wine.csv", **FIELDS}})
    prepared.prepare(name, folder / "results/data" / name)
    shutil.move(path, folder / "my grapes.csv")
    renamed = plan_of({"mlp": {"dataset": "my grapes.csv", **FIELDS}})
    assert [run.id for run in renamed.possible] == [run.id for run in plan.possible]
    assert plan.tasks["mlp"].title == "MLP on wine"
    assert renamed.tasks["mlp"].title == "MLP on my grapes"
    shutil.rmtree(folder / "results/data" / name)
    prepared.prepare(name, folder / "results/data" / name)  # the arrays are the same
    own_files.images(folder / "pets")
    of_folder = describe.describe("./pets")
    (folder / "pets").rename(folder / "animals")
    assert describe.describe("./animals") == of_folder


def test_a_page_has_the_source_and_licence_that_the_study_declares_now(folder):
    own_files.wine(folder)
    name = describe.describe("wine.csv")
    prepared.prepare(name, folder / "results/data" / name)
    digest = store.sha256(folder / "results/data" / name / "manifest.json")
    shutil.copy(folder / "wine.csv", folder / "grapes.csv")
    dataset = {"path": "grapes.csv", "licence": "CC BY 4.0"}
    settings = plan_of({"mlp": {"dataset": dataset, **FIELDS}}).tasks["mlp"]
    about = {"label": "grapes", "source": "own data: grapes.csv", "licence": "CC BY 4.0"}
    assert settings.own_data == {name: about}
    assert settings.recipe["dataset"] == settings.data_label(name) == "grapes"
    assert describe.describe("wine.csv") == name
    assert own_data.declaration(name)["licence"] == "not stated"  # of this file, again
    assert store.sha256(folder / "results/data" / name / "manifest.json") == digest


def test_data_of_one_stem_have_labels_that_differ(folder):
    own_files.wine(folder)
    own_files.wine(folder / "b", n=90)
    own_files.wine(folder / "c", n=75)
    (folder / "c/wine.csv").rename(folder / "c/mnist1d.csv")
    datasets = ["wine.csv", "b/wine.csv", "c/mnist1d.csv", "mnist1d"]
    study = plan_of({"mlp": FIELDS}, axes={"dataset": datasets}, compare="dataset")
    names = [describe.describe(path) for path in datasets[:3]]
    stems = ("wine", "wine", "mnist1d")
    digits = [name.removeprefix("own_") for name in names]
    expected = [f"{stem}_{part}" for stem, part in zip(stems, digits, strict=True)]
    assert [run.level for run in study.possible] == [*expected, "mnist1d"]
    assert study.tasks["mlp"].axes["dataset"] == [*expected, "mnist1d"]
    assert study.tasks["mlp"].title.startswith(f"MLP on {expected[0]} and {expected[1]} and")
    plan = Plan.from_json(json.dumps(json.loads(study.plan().to_json())))
    assert plan.tasks["mlp"].data_label(names[0]) == expected[0]


def test_what_is_written_while_data_are_prepared_is_read_by_the_next_plan(folder):
    path = own_files.wine(folder)
    name = describe.describe("wine.csv")
    describe.splits(name)
    path.write_text(path.read_text().replace("red", "rose"))
    describe.note(name)  # as the last step of preparation
    forget()
    assert describe.describe("wine.csv") != name


@pytest.mark.parametrize("replace", [False, True], ids=["written", "replaced"])
def test_content_of_the_same_size_and_time_is_read_again(folder, replace):
    path = own_files.wine(folder)
    name = describe.describe("wine.csv")
    describe.splits(name)
    describe.note(name)
    status = path.stat()
    other = folder / "other.csv" if replace else path
    other.write_text(path.read_text().replace("red", "tan"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert path.stat().st_size == status.st_size
    assert describe.describe("wine.csv") != name
    forget()
    assert describe.describe("wine.csv") != name


def test_what_has_just_been_written_is_not_noted(folder, monkeypatch):
    own_files.wine(folder)
    monkeypatch.setattr(describe, "SETTLED", 10**18)
    name = describe.describe("wine.csv")
    prepared.prepare(name, folder / "results/data" / name)
    assert not (folder / describe.NOTES).exists()


def test_links_to_folders_and_files_are_followed(folder):
    own_files.images(folder / "pets", ["cat", "dog", "emu"])
    whole = splits_of("./pets")
    (folder / "pets/emu").rename(folder / "emus")
    (folder / "pets/emu").symlink_to(folder / "emus")
    (folder / "pets/dog/0.png").rename(folder / "dog.png")
    (folder / "pets/dog/0.png").symlink_to(folder / "dog.png")
    linked = splits_of("./pets")
    for split in SPLITS:
        assert (whole[split]["x"] == linked[split]["x"]).all()
        assert (whole[split]["y"] == linked[split]["y"]).all()


def test_links_that_lead_back_or_nowhere_are_refused(folder):
    own_files.images(folder / "pets")
    (folder / "pets/dog/all").symlink_to(folder / "pets")
    refused("./pets", "pets/dog/all: a link back to .*pets; allowed: links to other folders")
    (folder / "pets/dog/all").unlink()
    (folder / "pets/emu").symlink_to(folder / "emus")
    refused("./pets", "pets/emu: a link to what is not there; allowed: .*; to fix: remove")


def test_a_page_says_of_which_file_and_licence_its_data_are(folder):
    own_files.wine(folder)
    study = plan_of({"mlp": {"dataset": {"path": "wine.csv", "licence": "CC0"}, **FIELDS}})
    (name,) = {run.spec.dataset for run in study.possible}
    runs = pd.DataFrame({"data": [name], "data_subset": [None]})
    tables = SimpleNamespace(plan=study.plan(), of=lambda *_: runs)
    sentence = f"wine is own data: wine.csv ({name}), licence: CC0"
    assert result_tables.data_sentences(tables, "mlp") == [sentence]


def test_a_label_that_a_task_does_not_predict_names_the_key(folder):
    own_files.csv(folder / "ages.csv", "x,y", [[row, row % 70] for row in range(700)])
    fault = "got 'ages', which holds a table with numbers to predict; .* dataset: target: class"
    with pytest.raises(StudyError, match=fault):
        plan_of({"mlp": {"dataset": "ages.csv", **FIELDS}})
    fault = "got 'ages', which holds a table with 70 classes; .* dataset: target: number"
    with pytest.raises(StudyError, match=fault):
        plan_of(
            {"tabular_regression": {"dataset": {"path": "ages.csv", "target": "class"}, **FIELDS}}
        )
