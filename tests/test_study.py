"""Specs, ids, streams and study files."""

import dataclasses
import json
import math

import numpy as np
import pytest
import small_tables
import yaml
from hypothesis import given
from hypothesis import strategies as st
from runs import ROOT, tiny

from actstudy.contract import checkout, errors, registry, spec, streams
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.data.sets.sotu_text import prepare as prepare_texts
from actstudy.study import grid, planning
from actstudy.study.config import RunFields
from actstudy.study.template import template


def study(tmp_path, **content):
    path = tmp_path / "study.yaml"
    path.write_text(
        yaml.safe_dump(
            {"axes": {"activation": ["tanh", "relu"]}, "tasks": {"mlp": {"seeds": 2}}, **content}
        )
    )
    return path


def pinned_specs():
    vary = [
        {},
        {"lr": 0.1},
        {"hidden": (64, 32)},
        {"init": "he_normal", "init_args": {"factor": 1.0}},
        {"optimizer": "sgd", "momentum": 0.9},
    ]
    return [
        tiny(activation, seed, **fields)
        for activation, seed in (("relu", 0), ("elu", 7))
        for fields in vary
    ]


def test_a_plan_has_the_classes_of_each_data_set(tmp_path):
    axes = {"activation": ["relu", "tanh"], "dataset": ["cifar10", "cifar100"]}
    plan = planning.load(study(tmp_path, axes=axes, tasks={"vision": {}})).plan()
    settings = plan.tasks["vision"]
    assert settings.classes == {"cifar10": 10, "cifar100": 100}
    levels = {row["data"]: settings.chance(row["data"]) for row in plan.runs}
    assert levels == {"cifar10": 0.1, "cifar100": 0.01}
    assert settings.chance("cifar100", "top5") == 0.05
    assert math.isnan(settings.chance_level)
    assert Plan.from_json(plan.to_json()) == plan


def test_a_plan_of_an_earlier_version_is_read(tmp_path):
    content = json.loads(planning.load(study(tmp_path)).plan().to_json())
    del content["tasks"]["mlp"]["classes"]
    content["tasks"]["mlp"]["chance"] = 0.1
    settings = Plan.from_json(json.dumps(content)).tasks["mlp"]
    assert math.isnan(settings.chance_level)


def test_ten_ids_are_pinned():
    """An id that moves orphans everyone's finished runs: undo the change, or raise RECIPE on
    purpose.
    """
    assert [spec.run_id(s) for s in pinned_specs()] == (
        ROOT / "tests/pinned_ids.txt"
    ).read_text().split()


def test_a_new_field_changes_no_old_id():
    before = spec.canonical(tiny())
    assert "label_smoothing" not in json.loads(before)
    assert json.loads(spec.canonical(tiny(label_smoothing=0.1)))["label_smoothing"] == 0.1


@pytest.mark.parametrize("one", [*pinned_specs(), tiny(clip="adaptive"), tiny(clip=None)])
def test_json_round_trip(one):
    assert spec.from_json(spec.canonical(one)) == one


def test_one_network_has_one_id():
    assert spec.run_id(tiny(hidden=[16, 16])) == spec.run_id(tiny(depth=2, width=16))
    assert spec.run_id(tiny("leaky")) == spec.run_id(tiny("leaky_relu"))


def test_every_field_has_a_reason():
    assert all(f.metadata["why"] for f in dataclasses.fields(spec.RunSpec))


@given(st.integers(0, 2**40), st.text(max_size=10), st.integers(0, 2**40))
def test_streams_are_pure(seed, name, position):
    first, again = (streams.stream(seed, name, position).random(3) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, streams.stream(seed, name, position + 1).random(3))
    assert not np.array_equal(first, streams.stream(seed + 1, name, position).random(3))


def test_order_is_a_permutation_that_changes_by_epoch():
    first, second = (streams.epoch_order(3, epoch, 100) for epoch in (0, 1))
    assert sorted(first) == list(range(100))
    assert not np.array_equal(first, second)


def test_streams_do_not_move_between_releases():
    assert streams.epoch_order(0, 0, 8).tolist() == [3, 2, 1, 7, 4, 5, 6, 0]


def test_expansion_crosses_axes_and_seeds(tmp_path):
    made = planning.load(
        study(tmp_path, axes={"activation": ["tanh", "relu", "gelu"], "depth": [2, 4]})
    )
    assert len(made.runs()) == 3 * 2 * 2
    assert len({run.id for run in made.runs()}) == 12
    assert {run.group for run in made.runs()} == {"depth=2", "depth=4"}


@pytest.mark.parametrize("changes", [{}, {"lr": 1}, {"lr": 1.0}, {"init_args": {"seed": 2}}])
def test_a_cell_at_seeds_has_the_runs_and_ids_of_these_seeds(changes):
    """Also if the id of the cell was asked for before."""
    cell = spec.RunSpec(task="mlp", dataset="digits", activation="relu", seed=7, **changes)
    spec.run_id(cell)
    for seed, run in zip((0, 1, 7), grid.at_seeds(cell, (0, 1, 7)), strict=True):
        alone = dataclasses.replace(cell, seed=seed)
        assert run == alone
        assert spec.run_id(run) == spec.run_id(alone)
        assert spec.canonical(run) == spec.canonical(alone)


def test_layers_from_weak_to_strong(tmp_path):
    path = study(tmp_path, defaults={"lr": 0.5, "width": 7}, tasks={"mlp": {"lr": 0.25}})
    assert planning.load(path).runs()[0].spec.lr == 0.25
    assert planning.load(path).runs()[0].spec.width == 7
    assert planning.load(path, {"lr": "0.125"}).runs()[0].spec.lr == 0.125
    assert planning.run_spec("mlp", 0, {"activation": "relu", "lr": 2.0}, str(path)).lr == 2.0
    assert (
        planning.run_spec("mlp", 0, {"activation": "relu", "steps": 9, "warmup": 0}).epochs is None
    )


def test_command_line_replaces_an_axis_and_selects_tasks(tmp_path):
    path = study(tmp_path)
    assert {run.level for run in planning.load(path, {"activation": "elu,mish"}).runs()} == {
        "elu",
        "mish",
    }
    assert {run.level for run in planning.load(path, {"activation": "relu"}).runs()} == {"relu"}
    assert [*planning.load(path, {"tasks": "mlp", "seeds": 3}).tasks] == ["mlp"]


def test_an_entry_may_set_several_fields(tmp_path):
    made = planning.load(
        study(
            tmp_path,
            axes={"activation": ["relu", {"activation": "elu", "activation_args": {"alpha": 0.5}}]},
        )
    )
    assert made.runs()[-1].level == "elu (activation_args={'alpha': 0.5})"
    assert made.runs()[-1].spec.activation_args == {"alpha": 0.5}


def test_the_plan_does_not_depend_on_the_order_of_keys(tmp_path):
    first, second = (tmp_path / name / "x.yaml" for name in "ab")
    for path, order in ((first, 1), (second, -1)):
        path.parent.mkdir()
        content = {
            "tasks": {"mlp": {"seeds": 2, "lr": 0.1}},
            "axes": {"activation": ["relu", "tanh"]},
            "note": "n",
        }
        path.write_text(yaml.safe_dump(dict(list(content.items())[::order]), sort_keys=False))
    assert [r.id for r in planning.load(first).runs()] == [
        r.id for r in planning.load(second).runs()
    ]
    plans = [planning.load(file).plan().to_json() for file in (first, second)]
    assert plans[0].replace(str(first), "") == plans[1].replace(str(second), "")


def test_command_line_is_stronger_than_a_tasks_block(tmp_path):
    path = study(tmp_path, tasks={"mlp": {"seeds": 2, "baseline": "relu"}})
    assert len(planning.load(path, {"seeds": 5}).runs()) == 10
    assert planning.load(path, {"baseline": "tanh"}).tasks["mlp"].baseline == "tanh"
    assert planning.load(path, {"steps": 10, "warmup": 0}).runs()[0].spec.epochs is None


def test_a_variant_may_stand_beside_its_base(tmp_path):
    path = study(tmp_path, axes={"activation": ["relu", {"activation": "relu", "lr": 0.01}]})
    assert planning.load(path).tasks["mlp"].baseline == "relu"


def test_a_study_is_named_after_its_file(tmp_path):
    for name, folder in (("config.yaml", "results"), ("mine.yaml", "results/mine")):
        study(tmp_path).rename(tmp_path / name)
        assert planning.load(tmp_path / name).folder == folder
    for name in ("runs.yaml", "..yaml", "-x.yaml", "a b.yaml"):
        study(tmp_path).rename(tmp_path / name)
        with pytest.raises(StudyError, match="the file's name names the study"):
            planning.load(tmp_path / name)


def test_a_key_given_twice_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("tasks: {mlp: }\naxes: {}\naxes: {activation: [relu]}\n")
    with pytest.raises(StudyError, match="key 'axes' is set twice"):
        planning.load(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "config").glob("*.yaml")))
def test_shipped_studies_load(name):
    assert planning.load(ROOT / "config" / name).runs()


BAD = {
    "unknown key": ({"sedes": 3}, r"sedes: unknown key; .*did you mean 'seeds'"),
    "unknown run field": ({"defaults": {"learning": 1}}, r"defaults\.learning: unknown key"),
    "misspelt field": (
        {"tasks": {"mlp": {"widht": 8}}},
        r"tasks\.mlp\.widht: unknown key; .*did you mean 'width'",
    ),
    "misspelt activation": (
        {"axes": {"activation": ["gellu"]}},
        r"got 'gellu'; unknown activation; .*did you mean 'gelu'",
    ),
    "misspelt task": ({"tasks": {"mpl": None}}, r"tasks\.mpl: unknown task; .*did you mean 'mlp'"),
    "misspelt init": ({"defaults": {"init": "he_norml"}}, r"did you mean 'he_normal'"),
    "misspelt axis": (
        {"axes": {"activaton": ["relu"]}},
        r"unknown run field; .*did you mean 'activation'",
    ),
    "seed as axis": (
        {"axes": {"activation": ["relu"], "seed": [1]}},
        r"seeds are set by the key `seeds`",
    ),
    "wrong type": (
        {"defaults": {"lr": "fast"}},
        r"defaults\.lr: got 'fast'; allowed: a number",
    ),
    "wrong choice": (
        {"defaults": {"norm": "group"}},
        r"got 'group'; allowed: 'none', 'batch' or 'layer'",
    ),
    "out of range": ({"defaults": {"lr": -1}}, r"got -1; allowed: greater than 0"),
    "clip below zero": (
        {"defaults": {"clip": -1}},
        r"defaults\.clip: got -1; allowed: a number above 0, 'adaptive' or null",
    ),
    "clip of zero": (
        {"axes": {"clip": [1, 0]}},
        r"axes\.clip: clip: got 0; allowed: a number above 0, 'adaptive' or null",
    ),
    "misspelt clip": (
        {"tasks": {"mlp": {"clip": "adaptve"}}},
        r"clip: got 'adaptve'; did you mean 'adaptive'\? allowed: a number above 0, 'adaptive' or",
    ),
    "boolean for clip": ({"defaults": {"clip": False}}, r"clip: got False; allowed: a number"),
    "not a number": (
        {"defaults": {"lr": float("nan")}},
        r"line \d+: defaults\.lr: got \.nan; allowed: a finite decimal number",
    ),
    "depth zero": (
        {"tasks": {"mlp": {"depth": 0}}},
        r"tasks\.mlp\.depth: got 0; allowed: greater than or equal to 1",
    ),
    "no seeds": (
        {"tasks": {"mlp": {"seeds": 0}}},
        r"seeds: got 0; allowed: greater than or equal to 1",
    ),
    "empty axis": ({"axes": {"activation": []}}, r"axes\.activation: got \[\]"),
    "no task": ({"tasks": {}}, r"tasks: got \{\}"),
    "duplicate cell": (
        {"axes": {"activation": ["leaky", "leaky_relu"]}},
        r"'leaky_relu' is listed twice",
    ),
    "unknown baseline": ({"baseline": "gelu"}, r"baseline: got 'gelu'; .*allowed: tanh, relu"),
    "unknown comparison": ({"compare": "innit"}, r"compare: got 'innit'"),
    "argument of another activation": (
        {"defaults": {"activation_args": {"alpha": 1}}},
        r"activation_args: got 'alpha'; allowed: none",
    ),
    "two lengths": ({"defaults": {"steps": 5, "epochs": 5}}, r"steps and epochs are both set"),
    "warm-up too long": (
        {"defaults": {"epochs": 1, "warmup": 2}},
        r"warmup: got 2.0; allowed: at most the run's length, 1; to fix: leave warmup out$",
    ),
    "accumulate": (
        {"defaults": {"accumulate": 3}},
        r"accumulate: got 3; allowed: a divisor of batch_size 100",
    ),
    "boolean for a number": ({"defaults": {"lr": True}}, r"lr: got True; allowed: a number"),
    "boolean for seeds": (
        {"tasks": {"mlp": {"seeds": True}}},
        r"seeds: got True; allowed: a number",
    ),
    "betas": ({"defaults": {"betas": [-1, 2]}}, r"betas\.\d: got -?\d; allowed: "),
    "no hidden layers": ({"defaults": {"hidden": []}}, r"hidden: got \[\]; allowed: "),
    "empty layer": (
        {"defaults": {"hidden": [8, 0]}},
        r"got 0; allowed: greater than or equal to 1",
    ),
    "empty hybrid": ({"axes": {"activation": [{"activation": {}}]}}, r"activation: got \{\}"),
    "negative sd": (
        {"defaults": {"init": "normal", "init_args": {"std": -1}}},
        r"init_args\.std: got -1\.0; allowed: greater than 0",
    ),
    "two axes, one field": (
        {"axes": {"activation": ["relu", {"activation": "gelu", "lr": 0.01}], "lr": [0.1, 0.2]}},
        r"axes\.lr: sets lr, which axis activation sets too",
    ),
    "rival axes": (
        {"axes": {"activation": ["relu"], "steps": [10], "epochs": [3]}},
        r"sets steps, which axis epochs sets too",
    ),
    "heads": ({"tasks": {"lm": {"heads": 5}}}, r"heads: got 5; allowed: a divisor of width 32"),
    "no vocabulary": (
        {"tasks": {"lm": {"vocabulary": None}}},
        r"vocabulary: missing; task lm needs it",
    ),
    "vocabulary of bytes": (
        {"tasks": {"lm": {"vocabulary": 100}}},
        r"vocabulary: got 100; allowed: .* 258",
    ),
    "data of another kind": (
        {"tasks": {"lm": {"dataset": "mnist1d"}}},
        r"dataset: got 'mnist1d', which holds signals; allowed: a data set of text",
    ),
    "dropout of a ResNet": (
        {"tasks": {"vision": {"dropout": 0.1}}},
        r"dropout: set, but task vision has no use",
    ),
    "field of another task": (
        {"defaults": {"stem": "large"}},
        r"stem: set, but task mlp has no use for it",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_study_is_one_line(tmp_path, case):
    content, message = BAD[case]
    path = study(tmp_path, **content)
    with pytest.raises(StudyError, match=message) as caught:
        planning.load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "not readable as YAML"), ("- 1", "got list"), ("", "got nothing")],
)
def test_bad_yaml_is_one_line(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(StudyError, match=message) as caught:
        planning.load(tmp_path / "x.yaml")
    assert "\n" not in str(caught.value)


def test_missing_file_and_bad_override(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        planning.load(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match=r"--config: ler: unknown key; .*did you mean 'lr'"):
        planning.load(study(tmp_path), {"ler": 1})


WITH_DATA = [task for task in registry.tasks() if task not in small_tables.OF_TASK]


@pytest.mark.parametrize("task", WITH_DATA)
def test_a_template_trains_what_the_defaults_train(tmp_path, task):
    check_template(tmp_path, task, template(task), {})


@pytest.mark.parametrize(("task", "name"), small_tables.OF_TASK.items())
def test_a_template_without_data_has_a_place_for_them(tmp_path, task, name):
    text = template(task)
    assert "    dataset: TABLE  # your data: " in text
    with small_tables.there(tmp_path / "package"):
        check_template(tmp_path, task, text.replace("TABLE", name), {"dataset": name})


def check_template(tmp_path, task, text, fields):
    (tmp_path / "mine.yaml").write_text(text)
    ours = planning.load(tmp_path / "mine.yaml")
    assert [run.id for run in ours.runs()] == [
        spec.run_id(planning.run_spec(task, seed, {"activation": name, **fields}))
        for name in planning.load(checkout.ROOT / checkout.DEFAULT_STUDY).activations
        for seed in range(3)
    ]
    assert ours.tasks[task].targets == registry.task(task)["targets"]
    assert all("#" in line for line in text.splitlines()[9:])  # every value has its reason


def test_registry_names_are_files():
    assert "mlp" in registry.tasks()
    assert "mnist1d" in registry.datasets()
    assert "metrics" not in registry.tasks()


def test_task_defaults_are_run_fields():
    for task in registry.tasks():
        assert set(registry.task(task)["defaults"]) <= set(RunFields.model_fields)


def test_a_limit_of_time_is_the_hosts_and_changes_no_run(tmp_path):
    made = {}
    for minutes in (None, 1.5):
        file = tmp_path / f"limit{minutes or 0:.0f}.yaml"
        file.write_text(
            yaml.safe_dump({"tasks": {"mlp": {"activation": "relu"}}, "timeout_minutes": minutes})
        )
        made[minutes] = planning.load(file)
        assert made[minutes].timeout_minutes == minutes
    assert made[None].runs()[0].id == made[1.5].runs()[0].id
    file.write_text(
        yaml.safe_dump({"tasks": {"mlp": {"activation": "relu"}}, "timeout_minutes": 0})
    )
    with pytest.raises(StudyError, match=r"timeout_minutes: got 0; allowed: greater than 0"):
        planning.load(file)


def test_the_nearest_name_comes_first_and_long_lists_are_cut():
    names = [f"name{number}" for number in range(30)]
    message = errors.choices("nam7", [*names, "width"])
    assert message.startswith("did you mean 'name7'? allowed: name7, ")
    assert message.endswith(" and 27 more")
    assert errors.choices("nam7", names[:9]).endswith(f"allowed: {', '.join(names[:9])}")
    assert errors.choices("zz", names) == f"allowed: {', '.join(names[:20])} and 10 more"
    assert errors.choices("zz", names[:20]) == f"allowed: {', '.join(names[:20])}"
    assert errors.choices("zz", []) == "allowed: none"


def test_a_warm_up_of_the_tasks_own_is_shortened_to_the_steps_of_a_study(tmp_path):
    def runs(**block):
        file = tmp_path / "short.yaml"
        file.write_text(
            yaml.safe_dump({"axes": {"activation": ["relu", "tanh"]}, "tasks": {"mlp": block}})
        )
        return {run.spec.warmup for run in planning.load(file).runs()}

    batch = planning.run_spec("mlp", 0, {"activation": "relu"}).batch_size
    epoch = 3500 // batch
    assert runs(steps=5) == {0.5 / epoch}
    with pytest.raises(StudyError, match=r"warmup: got 0.5 epochs, each of 35 steps or more; "):
        runs(steps=5, warmup=0.5)
    assert runs(steps=2 * epoch) == {2}
    by_hand = {"activation": "relu", "steps": 5}
    hand = planning.run_spec("mlp", 0, by_hand, steps_per_epoch=lambda run: epoch)
    assert runs(steps=5) == {hand.warmup}


def test_a_data_set_need_not_say_it():
    assert registry.train_size("wikitext2") is None


def test_the_steps_of_running_text_are_bounded_by_its_words(tmp_path):
    def runs(**block):
        file = tmp_path / "short.yaml"
        file.write_text(yaml.safe_dump({"tasks": {"lm": {"activation": "relu", **block}}}))
        return {run.spec.warmup for run in planning.load(file).runs()}

    documents = prepare_texts()["train"]["x"]
    n_words = sum(len(text.split()) for text in documents)
    assert registry.train_size("sotu_text", "TRAIN_WORDS") == n_words
    (warmup,) = runs(steps=5)
    least = 1_236_907 // (64 * 6)
    assert warmup == 0.5 / least
    windows = sum(-(-len(text.encode()) // 64) for text in documents)
    assert round(warmup * windows // 6) <= 5  # even if every byte were a token
    assert runs(steps=least) == {0.02}
    with pytest.raises(StudyError, match=r"tasks\.lm: warmup: got 0.03 epochs, each of 3,221 "):
        runs(steps=5, warmup=0.03)


def test_a_batch_larger_than_a_data_set_is_refused_in_planning(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_text("tasks: {mlp: {activation: relu, batch_size: 3501}}")
    with pytest.raises(StudyError, match=r"batch_size: got 3501; allowed: at most the 3500 train"):
        planning.load(file)
