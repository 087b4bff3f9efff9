"""The form on which to decide answers as the command `choose` does, whatever is asked."""

import html
import json
import random
import shlex
import urllib.parse

import bundled
import pytest
from explorers import model

from actstudy.analysis import choosing, evidence, stored, tables
from actstudy.analysis.explorer import decision, page
from actstudy.analysis.tables import Tables
from actstudy.commands import choose
from actstudy.commands.parser import Parser
from actstudy.contract import invocation

browsers = pytest.importorskip("browsers", reason="selenium is not installed")
if not (browsers.CHROMIUM and browsers.DRIVER):
    pytest.skip("no chromium with its driver is installed", allow_module_level=True)

N_QUESTIONS = 200
N_TEXTS = 25  # of which every word is compared
AXES = {"activation": ["tanh", "relu", "gelu", "celu", "elu"], "depth": [1, 2]}
FIELDS = {"seeds": 8, "width": 8, "epochs": 1, "warmup": 0}
CONTENT = {"axes": AXES, "baseline": "relu", "tasks": {"mlp": FIELDS, "lm": {"seeds": 3}}}
SECONDS = {"tanh": 1.0, "relu": 0.5, "gelu": 2.25, "celu": 3.0, "elu": 0.75}
BUDGETS = [None, None, 0.25, 0.5, 0.6, 1.0, 2.3, 100.0]
OTHERS = {"depth": "7", "width": "99", "lr": "0.5", "nesterov": "True", "clip": "", "norm": "layer"}
OTHERS |= {"betas": "[0.5, 0.6]", "dataset": "mnist", "init": "zero", "precision": "bf16"}
ASK = """
const { decision } = page.model;
return JSON.parse(arguments[0]).map((question) => ({
  ...decide(decision, question), command: commandOf(decision, question), words: inWords(question),
}));
"""
OPENED = "return !document.getElementById('needs') && !!document.querySelector('.decision')"


def shift(spec):
    """What activations gain, so that some leave the set."""
    return {"tanh": 0.05, "gelu": -0.05}.get(spec.activation, 0.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with a study of four cells; in one an activation was not timed."""
    folder = tmp_path_factory.mktemp("decision")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        bundled.study(name="made", content=CONTENT, shift=shift)
        built = tables.read(folder / "results/made/tables")
        runs = built.frames["runs"]
        runs["train_seconds"] = runs["level"].map(SECONDS) * (1 + 0.001 * runs["seed"])
        runs["timing_clean"] = (runs["level"] != "elu") | (runs["depth"] != 2)
        runs["peak_memory_bytes"] = 1e9 + 1e8 * (runs["level"].map(len) - 0.1 * runs["seed"])
        runs.to_parquet("results/made/tables/runs.parquet")
        frames = {**built.frames, "runs": runs}
        (folder / "page.html").write_text(page.render(Tables(built.plan, frames)), "utf-8")
    return folder


@pytest.fixture(scope="module")
def content(study):
    """What the form looks up."""
    return model((study / "page.html").read_text("utf-8"))["decision"]


@pytest.fixture(scope="module")
def opened(study):
    """The page in a browser, at the form."""
    driver = browsers.chromium()
    driver.get(f"{(study / 'page.html').as_uri()}#part=decision")
    browsers.wait(lambda: driver.execute_script(OPENED))
    yield driver
    driver.quit()


@pytest.fixture
def ask(study, monkeypatch, capsys):
    """What the command prints of words, without the table that it reads being read again."""
    monkeypatch.chdir(study)
    cells = evidence.cells([stored.folder_of("made.yaml")])
    monkeypatch.setattr(evidence, "cells", lambda places: cells)
    by_budget = {}
    unordered = choosing.unordered

    def remembered(cell, costs, budget):
        key = (cell.name, budget)
        if key not in by_budget:
            by_budget[key] = unordered(cell, costs, budget)
        return by_budget[key]

    monkeypatch.setattr(choosing, "unordered", remembered)
    monkeypatch.setattr(choosing, "study_of", lambda question: "")
    monkeypatch.setattr(choosing, "fault_of", lambda text: "")
    parser = Parser()
    choose.add_flags(parser)

    def answered(*words):
        status = choose.choose(parser.parse_args(words))
        return status, capsys.readouterr().out

    return answered


def questions(content, n):
    """Random choices of a reader, those that no cell has among them."""
    rng = random.Random(0)
    several = []
    for _ in range(n):
        names = rng.sample([*content["fields"]], rng.choice([0, 1, 1, 2]))
        names += rng.choice([[], ["depth"]])
        fields = {}
        for name in content["fields"]:
            if name in names:
                other = [OTHERS[name]] if name in OTHERS and rng.random() < 0.3 else []
                fields[name] = rng.choice(other or content["fields"][name])
        budget = rng.choice(BUDGETS)
        device = rng.choice(["", "", "cpu", "cuda", "a CPU"])
        task = rng.choice(["", "mlp", "lm"])
        matters = rng.choice(["speed", "accuracy", "memory"])
        own = {"fields": fields, "task": task, "device": device}
        several.append({**own, "matters": matters, "budget": budget})
    return several


def test_two_hundred_random_questions_are_answered_as_the_command_answers(opened, ask, content):
    several = questions(content, N_QUESTIONS)
    looked_up = opened.execute_script(ASK, json.dumps(several))
    start = f"{invocation.program()} choose "
    n_answers = []
    for question, reply in zip(several, looked_up, strict=True):
        assert reply["command"].startswith(f"{start}--config made.yaml")
        words = shlex.split(reply["command"].removeprefix(start))
        status, printed = ask(*words, "--json")
        expected = json.loads(printed)
        n_answers.append(len(reply["answers"]))
        assert status == (0 if reply["answers"] else 1), reply["command"]
        assert len(expected["answers"]) == len(reply["answers"]), reply["command"]
        for own, answer in zip(reply["answers"], expected["answers"], strict=True):
            levels = [row["activation"] for row in answer["activations"]]
            assert own["order"]["levels"] == levels
            inside = [row["activation"] for row in answer["activations"] if row["in_set"]]
            assert [level for level in levels if level in own["answer"]["table"]] == inside
        assert reply["nearest"] == expected.get("nearest", []), question
    assert n_answers.count(0) > 20
    assert max(n_answers) == 4
    assert sum(map(bool, n_answers)) > 60


def test_every_word_of_an_answer_is_the_commands(opened, ask, content):
    several = questions(content, N_QUESTIONS)
    replies = [
        reply for reply in opened.execute_script(ASK, json.dumps(several)) if reply["answers"]
    ]
    for reply in replies[:N_TEXTS]:
        _, printed = ask(*shlex.split(reply["command"])[4:])
        text = html.unescape(printed)
        of_page = set()
        for answer in reply["answers"]:
            own = [answer["cell"]["where"], *answer["order"]["words"], *answer["order"]["doubts"]]
            of_page |= {*own, *answer["order"]["out"]}
            for words in answer["answer"]["table"].values():
                assert all(word in text for word in words)
            assert all(words in text for words in answer["answer"]["sharpen"].values())
        paragraphs = [part for part in text.strip().split("\n\n") if part[0] not in "#|"]
        assert set(paragraphs) == of_page, reply["command"]


def test_what_is_asked_lives_in_the_address(opened):
    state = {"part": "decision", "choose.task": "mlp", "choose.f.depth": "2"}
    state |= {"choose.matters": "accuracy", "choose.budget": "0.6"}
    address = opened.current_url.split("#")[0]
    opened.get("about:blank")
    opened.get(f"{address}#{urllib.parse.urlencode(state)}")
    browsers.wait(lambda: opened.execute_script(OPENED))
    (summary,) = opened.find_elements("css selector", ".answer > summary")
    assert summary.text == "made, mlp, depth=2"
    verdict, *others = opened.find_elements("css selector", ".verdict")
    assert (verdict.text, others) == ("relu", [])
    (budget,) = opened.find_elements("css selector", ".asked input[type=number]")
    assert budget.get_attribute("value") == "0.6"
    command = opened.find_elements("css selector", ".decision > .answers > .command code")[0].text
    assert command.endswith("--task mlp --depth 2 --budget 0.6 --matters accuracy")
    state["choose.f.depth"] = "50"
    opened.get("about:blank")
    opened.get(f"{address}#{urllib.parse.urlencode(state)}")
    browsers.wait(lambda: opened.execute_script(OPENED))
    (verdict,) = opened.find_elements("css selector", ".verdict")
    assert verdict.text.startswith(
        "No data: no measured cell compares activations in mlp, depth=50"
    )
    nearest = opened.find_elements("css selector", ".answers ul li")
    assert nearest[0].text == "made, mlp, depth=1: depth=1"


def test_a_number_is_the_same_however_it_is_written(opened):
    script = """
    const content = { fields: { lr: ['0.01', ''] } };
    return arguments[0].map((text) => knownText(content, 'lr', text));
    """
    texts = ["0.010", "1e-2", "0.02", "", "abc"]
    assert opened.execute_script(script, texts) == ["0.01", "0.01", "0.02", "", "abc"]


def test_of_many_cells_budgets_are_left_out_then_cells(study, monkeypatch):
    monkeypatch.chdir(study)
    cells, _ = evidence.cells([stored.folder_of("made.yaml")])
    whole = decision.decision(cells, ["made.yaml"])
    assert whole.left_out == ""
    assert [len(cell["answers"]) for cell in whole.content["cells"]] == [6, 5, 6, 5]
    without = decision.decision(cells, ["made.yaml"], limit=4)
    assert without.left_out == decision.NO_BUDGET
    assert not without.content["has_budget"]
    assert [len(cell["answers"]) for cell in without.content["cells"]] == [1] * 4
    few = decision.decision(cells, ["made.yaml"], limit=3)
    assert few.left_out == f"{decision.NO_BUDGET}; of the cells to decide from all but the first 3"
    assert len(few.content["cells"]) == 3


def test_a_study_that_compares_no_activations_has_no_such_part(study, monkeypatch):
    monkeypatch.chdir(study)
    built = tables.read(study / "results/made/tables")
    runs = built.frames["runs"]
    lone = Tables(built.plan, {**built.frames, "runs": runs[runs["level"] == "relu"]})
    assert decision.of_tables(lone) == []
    without = Tables(built.plan, {**built.frames, "runs": runs.drop(columns="order_hash")})
    assert decision.of_tables(without) == []
    assert len(decision.of_tables(built)) == 4
