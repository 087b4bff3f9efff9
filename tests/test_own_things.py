"""One's own data, model and task: right, or refused in one line that says what is allowed."""

import ast
import dataclasses
import shutil

import numpy as np
import own_package
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refusal
from runs import ROOT, quiet, run, run_row
from torch import nn

from actstudy.commands import cli
from actstudy.contract import declarations, literals, registry
from actstudy.data import arrays, augment, prepared, standardisation
from actstudy.nets import activations
from actstudy.study import model_checks, planning
from actstudy.training import wiring

DATASET = {
    "title": "Two columns",
    "kind": "table",
    "version": 1,
    "source": "drawn here",
    "licence": "none",
    "shape": [2],
    "classes": 2,
}
# The class is the sign of the small column; the large one says nothing.
PREPARE = """
import numpy as np

def prepare():
    splits = {}
    for index, split in enumerate(("train", "val", "test")):
        rng = np.random.default_rng(index)
        x = np.stack([rng.normal(750, 300, 200), rng.normal(1, 0.2, 200)], 1)
        splits[split] = {"x": x, "y": x[:, 1] > 1}
    return splits
"""
TASK = {
    **ast.literal_eval(ast.unparse(literals.assignments("tasks/mlp.py")["TASK"])),
    "title": "Own model",
    "takes": ["table"],
    "net": "own",
    "packs": False,
    "model_fields": ["width"],
}
TASK["defaults"] = {
    "dataset": "columns",
    "width": 16,
    "lr": 0.01,
    "epochs": 20,
    "batch_size": 50,
}
NET = """
import torch
from torch import nn

SITES = ("first", "second")

class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 0.5))
    def forward(self, x):
        return x * self.gamma

class Own(nn.Module):
    def __init__(self, width, make_act):
        super().__init__()
        self.stem = nn.Linear(2, width)
        self.first = make_act("first")
        self.up = nn.Linear(width, width)
        self.second = make_act("second")
        self.scale = LayerScale(width)
        self.head = nn.Linear(width, 2)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1, width) * 0.02)
    def forward(self, x):
        x = self.stem(x) + (self.cls_token + self.pos_embed)[:, 0]
        return self.head(self.scale(self.second(self.up(self.first(x)))))
"""
BUILD = """
from actstudy.nets.own import Own
from actstudy.tasks.classification import evaluate, linear_on_inputs, loss, train_scores

def build(spec, data, make_act):
    return Own(spec.width, make_act)

def reference(data):
    return linear_on_inputs("linear", data)
"""
OWN = {
    "data/sets/columns.py": f"DATASET = {DATASET}\n{PREPARE}",
    "nets/own.py": NET,
    "tasks/own.py": f"TASK = {TASK}\n{BUILD}",
}


@pytest.fixture
def package(tmp_path):
    with own_package.copied(tmp_path, OWN) as package:
        yield package


def spec(**fields):
    return planning.run_spec("own", fields.pop("seed", 0), {"activation": "relu", **fields})


def data_of(package, tmp_path):
    folder = tmp_path / "prepared"
    shutil.rmtree(folder, ignore_errors=True)
    prepared.prepare("columns", folder)
    return prepared.load(folder)


# Literals


@pytest.mark.parametrize("key", DATASET)
def test_a_missing_key_of_a_data_set_is_named(package, key):
    rest = {name: value for name, value in DATASET.items() if name != key}
    package.write("data/sets/columns.py", f"DATASET = {rest}\n{PREPARE}")
    allowed = declarations.DATASET[key].values.allowed
    refusal(
        lambda: registry.dataset("columns"),
        f"lib/actstudy/data/sets/columns.py: DATASET: missing: {key};",
        allowed,
    )


REQUIRED = [name for name, key in declarations.TASK.items() if key.needed_by]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_of_a_task_is_named(package, key):
    rest = {name: value for name, value in TASK.items() if name != key}
    package.write("tasks/own.py", f"TASK = {rest}\n{BUILD}")
    allowed = declarations.TASK[key].values.allowed
    refusal(spec, f"lib/actstudy/tasks/own.py: TASK: missing: {key};", allowed)


@pytest.mark.parametrize("wrong", [None, -1, 0.5, "", [], {}, [None], float("nan"), (), b"x"])
@pytest.mark.parametrize("keys", [declarations.DATASET, declarations.TASK], ids=["DATASET", "TASK"])
def test_wrong_types_are_refused(keys, wrong):
    """Every key refuses values of other types; a margin of 0.5 and no targets are right ones."""
    right = {("margin", "0.5"), ("targets", "[]"), ("targets", "()"), ("files", "{}")}
    right.add(("defaults", "{}"))
    base = DATASET if keys is declarations.DATASET else TASK
    check = declarations.check_dataset if base is DATASET else declarations.check_task
    for key in keys:
        if (key, repr(wrong)) not in right:
            refusal(lambda key=key: check({**base, key: wrong}, "here"), f"here: {key}: got")


@pytest.mark.parametrize(
    ("file", "text", "parts"),
    [
        ("data/sets/columns.py", "DATASET = dict(title='x')", ["DATASET: line 1: got dict(title="]),
        ("data/sets/columns.py", "S = [2]\nDATASET = {'shape': S}", ["DATASET: line 2: got S;"]),
        ("data/sets/columns.py", "DATASET = {**{}, 'a': f'{1}'}", ["line 1: got f'{1}'"]),
        ("data/sets/columns.py", "DATASET = {[]: 1}", ["DATASET: line 1: got {[]: 1}"]),
        ("data/sets/columns.py", "DATASET = [1]", ["DATASET: got [1]; allowed: a mapping"]),
        ("data/sets/columns.py", "DATASET = {\n'kind': 'table'", ["columns.py: line 1: '{' was"]),
        ("data/sets/columns.py", b"DATASET = '\xff'", ["columns.py: line 1:", "utf-8"]),
        ("data/sets/columns.py", b"DATASET = '\0'", ["columns.py:", "null byte"]),
        ("data/sets/columns.py", f"DATASET = {DATASET}", ["columns.py: missing: prepare;"]),
        ("tasks/own.py", f"TASK = {TASK}", ["own.py: missing: build, loss,"]),
        ("nets/own.py", "SITES = ()", ["nets/own.py: SITES: got () at depth 0; allowed: sites"]),
        ("nets/own.py", "SITES = ('a.{index}',)", ["SITES: got ('a.{index}',) at depth 0"]),
        ("nets/own.py", "SITES = 'first'", ["SITES: got 'first'; allowed: a list of texts"]),
        ("nets/own.py", "SITES = tuple('a')", ["SITES: line 1: got tuple('a')"]),
        ("nets/own.py", "OTHERS = 1", ["net: got 'own'; allowed: convnext_tiny, dual"]),
    ],
)
def test_what_is_no_literal_is_one_line(package, file, text, parts):
    package.write(file, text)
    refusal(spec, "lib/actstudy/", *parts)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"verison": 1}, ["unknown key 'verison'", "did you mean 'version'"]),
        ({"kind": "tabel"}, ["kind: got 'tabel'", "signals, images", "did you mean 'table'"]),
        ({"kind": "images", "shape": [28, 28]}, ["[28, 28]", "[channels, height, width]"]),
        ({"kind": "images", "shape": [32, 32, 3]}, ["such as [3, 32, 32]"]),
        ({"classes": True}, ["classes: got True"]),
    ],
)
def test_a_wrong_data_set_is_told_what_is_allowed(package, change, parts):
    package.write("data/sets/columns.py", f"DATASET = {DATASET | change}\n{PREPARE}")
    refusal(spec, "lib/actstudy/data/sets/columns.py: DATASET: ", *parts)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"metrik": 1}, ["unknown key 'metrik'", "did you mean 'metric'"]),
        ({"metric": "acuracy"}, ["metric: got 'acuracy'", "did you mean 'accuracy'"]),
        ({"takes": ["table", "text"]}, ["takes: got ['table', 'text']"]),
        ({"takes": ["text"], "model_fields": ["vocabulary", "context"]}, ["predicts: got"]),
        ({"takes": ["passages"]}, ["model_fields: lacks vocabulary"]),
        ({"model_fields": ["witdh"]}, ["model_fields: got ['witdh']", "did you mean 'width'"]),
        ({"defaults": {"dataset": "columns", "widht": 1}}, ["defaults: unknown key 'widht'"]),
        ({"defaults": {**TASK["defaults"], "width": "x"}}, ["TASK: defaults: width: got 'x'"]),
        ({"defaults": {**TASK["defaults"], "dataset": "colums"}}, ["did you mean 'columns'"]),
        ({"predicts": "numbers"}, ["predicts: got 'numbers';", "one of classes, tokens, values"]),
    ],
)
def test_a_wrong_task_is_told_what_is_allowed(package, change, parts):
    package.write("tasks/own.py", f"TASK = {TASK | change}\n{BUILD}")
    refusal(spec, "lib/actstudy/tasks/own.py: TASK: ", *parts)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("TASK = {}", True),
        ("TASK: dict[str, int] = {}", True),
        ("TASK={}", True),
        ("TASK.update(x=1)", False),
        ('TASK["x"] = 1', False),
        ("TASK <= 3", False),
        ("TASK == 3", False),
        ("TASKS = 3", False),
    ],
)
def test_only_what_assigns_the_name_is_registered(tmp_path, monkeypatch, line, is_one):
    monkeypatch.setattr(literals, "PACKAGE", tmp_path)
    literals.assignments.cache_clear()
    literals.tree.cache_clear()
    (tmp_path / "own.py").write_text(f"{line}\n")
    try:
        assert literals.may_assign("own.py", "TASK") == is_one
    finally:
        literals.assignments.cache_clear()
        literals.tree.cache_clear()


def test_a_task_may_leave_its_data_to_the_study(package):
    package.write("tasks/own.py", f"TASK = {TASK | {'defaults': {'width': 16}}}\n{BUILD}")
    refusal(spec, "command line: dataset: missing, as task own has no data of its own")
    assert spec(dataset="columns", epochs=1, lr=0.01).dataset == "columns"


def test_a_broken_own_file_stops_only_what_names_it(package):
    package.write("data/sets/columns.py", "DATASET = {")
    package.write("tasks/own.py", "TASK = {")
    (package.folder / "data/sets/.#columns.py").symlink_to("an-editor's-lock")
    assert planning.load(ROOT / "config/config.yaml").runs()
    assert planning.run_spec("mlp", 0, {"activation": "relu"}).dataset == "mnist1d"
    refusal(spec, "lib/actstudy/tasks/own.py: line 1:")
    refusal(
        lambda: planning.run_spec("mlp", 0, {"activation": "relu", "dataset": "columns"}),
        "lib/actstudy/data/sets/columns.py: line 1:",
    )


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('args={"alpha": 1.0}', 'args={"alpha": ONE}', "ACTIVATIONS: elu: args: line"),
        ('"tanh": Activation(', '**MORE, "tanh": Activation(', "got MORE; allowed: values"),
        ("Activation] = {", "Activation] = {} | {", "got {} | {'tanh'"),
    ],
)
def test_a_registry_that_is_computed_is_refused(package, old, new, part):
    file = "nets/activations.py"
    package.write(file, (package.folder / file).read_text().replace(old, new, 1))
    refusal(registry.activations, "lib/actstudy/nets/activations.py: ACTIVATIONS", part)


def test_a_name_that_no_run_can_carry_is_refused(package):
    package.write("data/sets/my-columns.py", f"DATASET = {DATASET}\n{PREPARE}")
    refusal(lambda: registry.dataset("my-columns"), "my-columns.py: the file's name: got")


def test_the_documented_keys_are_those_that_are_read():
    """docs/adding.md has a row per key, with who needs it, its meaning and what is allowed."""
    lines = (ROOT / "docs/adding.md").read_text().splitlines()
    tables = [(declarations.DATASET, needed_in_words), (declarations.TASK, yes_or_no)]
    for keys, words in [*tables, (declarations.MODEL, yes_or_no)]:
        for name, key in keys.items():
            assert f"| {name} | {words(key)} | {key.meaning} | {key.values.allowed} |" in lines


def needed_in_words(key):
    absent = [kind for kind in declarations.KINDS if kind not in key.needed_by]
    if not key.needed_by:
        return "none"
    if not absent:
        return "all"
    return f"all but {absent[0]}" if len(absent) == 1 else ", ".join(key.needed_by)


def yes_or_no(key):
    return "yes" if key.needed_by else "no"


# What prepare() returns


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("return None", ["prepare(): got NoneType; allowed: a mapping with train, val, test"]),
        ("return {'train': 1, 'test': 1}", ["prepare(): val: missing"]),
        ("return {'train': 1, 'valid': 1}", ["unknown 'valid'", "did you mean 'val'"]),
        ("return {'train': x, 'val': x, 'test': x}", ["split train: got ndarray", "x, y"]),
        ("return {s: {'x': x} for s in S}", ["split train: y: missing"]),
        ("return {s: {'x': x, 'y': ['a', 'b']} for s in S}", ["y: got <U1, such as", "'a'"]),
        ("return {s: {'x': x, 'y': [0, 0.5]} for s in S}", ["y: got 0.5 in row 1"]),
        ("return {s: {'x': x, 'y': [0, np.nan]} for s in S}", ["y: got nan in row 1"]),
        ("return {s: {'x': x * np.nan, 'y': [0, 1]} for s in S}", ["x: row 0 is not finite"]),
        ("return {s: {'x': x * 1e300, 'y': [0, 1]} for s in S}", ["x: row 0 is not finite"]),
        ("return {s: {'x': x * 1j, 'y': [0, 1]} for s in S}", ["x: got complex128"]),
        ("return {s: {'x': x.astype(object), 'y': [0, 1]} for s in S}", ["x: got object"]),
        ("return {s: {'x': x.astype('M8[s]'), 'y': [0, 1]} for s in S}", ["x: got datetime64"]),
        ("return {s: {'x': [[1], [2, 3]], 'y': [0, 1]} for s in S}", ["x: no array:"]),
        ("return {s: {'x': x[:0], 'y': []} for s in S}", ["x: got ndarray of shape (0, 2)"]),
        ("return {s: {'x': np.ma.masked_less(x, 2), 'y': [0, 1]} for s in S}", ["masked"]),
        ("return {s: {'x': 1e9 + x, 'y': [0, 1]} for s in S}", ["column 0 of float64 loses"]),
        ("return {s: {'x': x, 'y': [0, 2]} for s in S}", ["label 2 in row 1"]),
        ("return {s: {'x': x, 'y': [0, -1]} for s in S}", ["label -1 in row 1"]),
        ("return {s: {'x': x, 'y': [[0], [1]]} for s in S}", ["y int64 (2, 1)"]),
        ("return {}['target']", ["columns.py: line 5: KeyError: 'target'"]),
        ("import not_there", ["columns.py: line 5: ModuleNotFoundError"]),
    ],
)
def test_what_prepare_returns_is_refused_in_one_line(package, tmp_path, code, parts):
    body = "import numpy as np\nx = np.array([[1.0, 2], [3, 5]]); S = ('train', 'val', 'test')"
    package.write(
        "data/sets/columns.py", f"DATASET = {DATASET}\n{body}\ndef prepare():\n    {code}\n"
    )
    refusal(lambda: prepared.prepare("columns", tmp_path / "made"), "columns", *parts)
    assert not (tmp_path / "made/manifest.json").exists()


def test_a_literal_that_the_file_changes_is_refused(package, tmp_path):
    text = f"DATASET = {DATASET}\nDATASET['version'] = 2\n{PREPARE}"
    package.write("data/sets/columns.py", text)
    refusal(lambda: prepared.prepare("columns", tmp_path / "made"), "DATASET: changed after")


TYPES = ["?", "u1", "i1", "u2", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "O", "U3"]


@given(
    st.sampled_from(TYPES),
    st.sampled_from("<>"),
    st.sampled_from("CF"),
    st.lists(st.integers(-40_000, 70_000), min_size=6, max_size=6),
)
def test_arrays_of_any_type_are_converted_or_refused(kind, byte_order, memory, values):
    """x is uint8 or float32 in C order with the values given; else one line."""
    if kind[0] in "u?":
        values = [abs(value) for value in values]
    with np.errstate(over="ignore"):
        given_array = np.array(values).reshape(3, 2).astype(np.dtype(kind).newbyteorder(byte_order))
    given_array = np.asarray(given_array, order=memory)
    floats = given_array.astype(float) if kind not in ("c8", "U3") else np.zeros(1)
    if kind in ("c8", "O", "U3"):
        refusal(lambda: arrays.numbers(given_array, "x"), f"x: got {given_array.dtype}; allowed")
        return
    if not np.isfinite(floats).all():
        refusal(lambda: arrays.numbers(given_array, "x"), "is not finite in float32")
        return
    x = arrays.numbers(given_array, "x")
    assert x.dtype == (np.uint8 if kind in "?u1" else np.float32)
    assert x.flags.c_contiguous
    assert x.dtype.isnative
    np.testing.assert_array_equal(x, floats)
    assert x.tobytes() == arrays.numbers(given_array.copy(), "x").tobytes()


@pytest.mark.parametrize("kind", ["i4", "u4", "i8", "u8", "f8"])
@pytest.mark.parametrize("offset", [0, 1e6, 1e9, 2**31 - 9])
def test_what_float32_cannot_tell_apart_is_refused(kind, offset):
    """Whole numbers from 2**24 on are no longer all in float32."""
    x = (np.arange(8)[:, None] + offset).astype(kind)
    if offset < 2**24:
        np.testing.assert_array_equal(arrays.numbers(x, "x"), x)
    else:
        refusal(lambda: arrays.numbers(x, "x"), f"x: column 0 of {x.dtype} loses its differences")


def test_what_is_between_two_values_of_float32_is_rounded():
    x = np.random.default_rng(0).normal(size=(9, 2))
    np.testing.assert_array_equal(arrays.numbers(x, "x"), x.astype(np.float32))


@given(st.sampled_from(TYPES), st.sampled_from("<>"), st.lists(st.integers(0, 1), min_size=1))
def test_labels_of_any_type_are_whole_or_refused(kind, byte_order, values):
    given_labels = np.array(values).astype(np.dtype(kind).newbyteorder(byte_order))
    if kind in ("c8", "O", "U3"):
        refusal(lambda: arrays.labels(given_labels, "y"), "y: got", "whole numbers from 0 on")
        return
    y = arrays.labels(given_labels, "y")
    assert y.dtype == np.int64
    assert y.tolist() == values


# Columns


def test_columns_of_a_table_are_standardised_each_by_its_own(package, tmp_path):
    data = data_of(package, tmp_path)
    cpu = torch.device("cpu")
    x = data.inputs(cpu)(data.on(cpu, "train")["x"])
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6])
def test_what_is_constant_is_centred_and_not_scaled(value):
    x = np.full((50, 2), value, np.float32)
    x[:, 1] = np.arange(50)
    result = standardisation.statistics(x, "table")
    assert result["mean"][0] == x[0, 0]
    assert result["sd"][0] == 1
    assert result["sd"][1] == pytest.approx(x[:, 1].std())
    images = np.full((50, 2, 3, 3), 255, np.uint8)
    images[:, 1, 0] = 0
    assert standardisation.statistics(images, "images")["sd"][0] == [[1.0]]
    whole = standardisation.statistics(np.full((9, 4), value, np.float32), "signals")
    assert whole["sd"] == 1


def test_signals_of_unlike_scale_are_refused(package, tmp_path):
    text = f"DATASET = {DATASET | {'kind': 'signals'}}\n{PREPARE}"
    package.write("data/sets/columns.py", text)
    refusal(
        lambda: prepared.prepare("columns", tmp_path / "made"),
        "lib/actstudy/data/sets/columns.py: split train: x: column 0 has 1,",
        "times the sd of column 1",
        "allowed: kind table",
    )


@pytest.mark.parametrize("case", ["alike", "rare", "far", "constant", "factor 90"])
def test_signals_of_one_scale_pass(case):
    """Neither a column that is rarely not 0, nor one far value, nor a constant is another scale."""
    x = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    if case == "rare":
        x[:, 0] = 0
        x[0, 0] = 8
    if case == "far":
        x[0, 0] = 500
    if case == "constant":
        x[:, 0] = 3
    if case == "factor 90":
        x[:, 0] *= 90
    standardisation.check_scales(x, "here")


# The whole way


def test_own_table_model_and_task_train(package, tmp_path):
    """The small column decides; with one mean and sd for both, accuracy is that of chance."""
    data = data_of(package, tmp_path)
    assert run(spec(), tmp_path / "run", data.folder, quiet()) == "completed"
    assert run_row(tmp_path / "run")["reported_accuracy"] > 0.9
    log = (tmp_path / "run/log.txt").read_text()
    assert "init: stay as the model makes them: cls_token, pos_embed, scale.gamma" in log


def make(package, tmp_path, **fields):
    run_spec = spec(**fields)
    wiring.seed_globals(run_spec)
    return wiring.make_model(run_spec, data_of(package, tmp_path))


@pytest.mark.parametrize("init", registry.init_policies())
def test_parameters_that_no_policy_knows_stay_as_made(package, tmp_path, init):
    """Equal over activations, drawn from the seed, never zero; under every policy."""
    relu = dict(make(package, tmp_path, init=init)[0].named_parameters())
    prelu = dict(make(package, tmp_path, init=init, activation="prelu")[0].named_parameters())
    other = dict(make(package, tmp_path, init=init, seed=1)[0].named_parameters())
    for name in ("cls_token", "pos_embed", "scale.gamma"):
        assert torch.equal(relu[name], prelu[name]), name
        assert relu[name].abs().min() > 0
    assert torch.equal(relu["scale.gamma"], torch.full((16,), 0.5))
    assert not torch.equal(relu["cls_token"], other["cls_token"])
    assert bool(relu["head.bias"].any()) == (init == "torch_default")


def test_what_an_activation_draws_moves_nothing_else(package, tmp_path, monkeypatch):
    """An activation that is drawn at random itself leaves the model's own draws as they are."""
    plain = make(package, tmp_path)[0]
    entry = dataclasses.replace(
        activations.ACTIVATIONS["relu"], factory=lambda: nn.PReLU(init=float(torch.rand(1)))
    )
    monkeypatch.setattr(activations, "entry", activations.entry.__wrapped__)  # not remembered
    monkeypatch.setitem(activations.ACTIVATIONS, "relu", entry)
    drawn = make(package, tmp_path)[0]
    assert torch.equal(plain.cls_token, drawn.cls_token)
    assert drawn.first.weight.item() == make(package, tmp_path)[0].first.weight.item()
    assert drawn.first.weight.item() != make(package, tmp_path, seed=1)[0].first.weight.item()


def test_a_task_that_the_file_changes_is_refused(package, tmp_path):
    package.write("tasks/own.py", f"TASK = {TASK}\nTASK['unit'] = 'other'\n{BUILD}")
    refusal(lambda: make(package, tmp_path), "lib/actstudy/tasks/own.py: TASK: changed after its")


def test_a_hybrid_of_an_own_task_has_the_sites_of_its_file(package, tmp_path):
    _, sites = make(package, tmp_path, activation={"first": "tanh", "second": "relu"})
    assert sites.names == {"first": "tanh", "second": "relu"}
    assert model_checks.sites(spec()) == ["first", "second"]
    typo = {"thrid": "tanh", "*": "relu"}
    refusal(
        lambda: spec(activation=typo), "'thrid', which matches no site; allowed: first to second"
    )


def test_a_refused_model_leaves_no_result(package, tmp_path, capsys):
    """One line and exit status 2, and the same command trains once the model is mended."""
    data = data_of(package, tmp_path)
    flags = ["--task", "own", "--activation", "relu", "--epochs", "1", "--quiet"]
    flags += ["--log_dir", str(tmp_path / "runs"), "--data_dir", str(tmp_path / "data")]
    shutil.copytree(data.folder, tmp_path / "data/columns")
    package.write("nets/own.py", NET.replace("self.second(self.up", "torch.relu(self.up"))
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *flags])
    line = "actstudy: activation: site 'second' is made and the model never calls it\n"
    assert capsys.readouterr().err.endswith(line)
    package.write("nets/own.py", NET)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", *flags])
    assert "test accuracy" in capsys.readouterr().out


def test_sites_that_the_file_does_not_name_are_refused(package, tmp_path):
    package.write("nets/own.py", NET.replace('"first", "second")', '"first",)'))
    refusal(
        lambda: make(package, tmp_path),
        "lib/actstudy/nets/own.py: SITES: got ['first'], and task own makes ['first', 'second']",
    )


def test_a_pack_of_another_model_than_the_mlp_is_refused(package, tmp_path):
    package.write("tasks/own.py", f"TASK = {TASK | {'packs': True}}\n{BUILD}")
    data = data_of(package, tmp_path)
    packed = spec(engine="pack", pack_width=2)
    refusal(
        lambda: wiring.make_pack([packed], [tmp_path], data, torch.device("cpu"), quiet()),
        "engine: got 'pack' for task own, whose model or loss is its own",
    )


def test_colours_are_changed_of_colours_alone(data):
    kind = data.arrays["train_x"].dtype
    refusal(lambda: augment.check("crop_flip_jitter", kind), "images of float32; allowed: none,")
    augment.check("crop_flip", kind)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_colours_are_those_of_one_or_three_channels(package, channels):
    declared = {**DATASET, "kind": "images", "shape": [channels, 8, 8]}
    package.write("data/sets/columns.py", f"DATASET = {declared}\n{PREPARE}")
    fields = {"activation": "relu", "dataset": "columns", "augment": "crop_flip_jitter"}
    if channels in (1, 3):
        planning.run_spec("vision", 0, fields)
        return
    refusal(
        lambda: planning.run_spec("vision", 0, fields),
        f"augment: got 'crop_flip_jitter' for images of {channels} channels; allowed: none,",
    )
