"""`actstudy gate`: exit statuses, bad input in one line, JSON, the examples of docs/agents.md."""

import json
import re

import pytest
import yaml
from commands import command
from gates import SETTINGS, noise, write
from runs import ROOT

from actstudy.commands import gate
from actstudy.commands.parser import Parser
from actstudy.judging.gate import ledger

DOCUMENT = (ROOT / "docs/agents.md").read_text()
OTHER = {**SETTINGS, "lr": "0.3"}
CALL = ("gate", "ledger.jsonl", "--candidate", "new.csv", "--baseline", "old.csv")


@pytest.fixture
def place(tmp_path):
    """A folder with runs of a baseline, and of a change that is 1.5 better."""
    write(tmp_path / "old.csv", noise(40, 1))
    write(tmp_path / "new.csv", [value + 1.5 for value in noise(30, 2)], OTHER)
    return tmp_path


def answer(place, *words, status):
    """The JSON of a command, whose exit status is checked."""
    done = command(place, *words, "--json")
    assert done.returncode == status, done.stderr
    result = json.loads(done.stdout)
    assert result["exit"] == status
    return result


def test_each_verdict_has_its_exit_status(place):
    rows = [value + 1.5 for value in noise(30, 2)]
    write(place / "new.csv", rows[:5], OTHER)
    waiting = answer(place, *CALL, status=2)
    assert waiting["verdict"] == "not enough seeds"
    assert waiting["run_seeds"] == list(range(5, 5 + waiting["more_seeds"]))
    write(place / "new.csv", rows[:12], OTHER)
    first = answer(place, *CALL, status=0)
    assert first["fresh"] is None or first["fresh"]["n"] < 8
    assert first["run_seeds"][0] == 12
    write(place / "new.csv", rows, OTHER)
    fresh = answer(place, *CALL, status=0)
    assert fresh["gain"] == first["gain"]
    assert fresh["fresh"]["n"] + fresh["gain"]["n"] == 30
    assert fresh["run_seeds"] == []
    write(place / "new.csv", noise(30, 3), {**SETTINGS, "lr": "0.5"})
    assert answer(place, *CALL, status=1)["attempt"] == 2
    write(place / "new.csv", noise(30, 4))
    refused = answer(place, *CALL, status=3)
    assert list(refused) == ["verdict", "exit", "reason"]
    assert "only another seed" in refused["reason"]


def test_the_answer_in_lines(place):
    first = command(place, *CALL)
    assert first.returncode == 0
    assert first.stderr == ""
    lines = first.stdout.splitlines()
    assert lines[0] == "keep: better than the baseline"
    assert lines[1].startswith("gain when it was kept, too large since it was kept for it: +1.")
    assert lines[2].startswith("gain on fresh seeds: +1.")
    head = re.search(r"ledger: line 2, head ([0-9a-f]{12})$", lines[-1])[1]
    again = command(place, *CALL, "--head", head)
    assert again.returncode == 0
    assert "asked before: line 2" in again.stdout
    write(place / "new.csv", noise(5, 3), {})
    waiting = command(place, *CALL)
    assert waiting.returncode == 2
    assert re.search(r"run \d+ more seeds of both \(5 to \d+\)", waiting.stdout)
    assert "Nothing is known of the candidate's settings" in waiting.stdout


def test_the_budget_is_stated_as_a_share_of_itself(place):
    first = answer(place, *CALL, status=0)
    assert first["evidence_needed"] == 420
    assert first["spent"] == first["level"] == 0.05 * 20 / (20 * 21)
    assert "of 420; 4.8% of the error budget of 5% is spent" in command(place, *CALL).stdout


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("before", [0, 1])
def test_what_is_null_of_a_failed_attempt(place, runs, before):
    if before:
        answer(place, *CALL, status=0)
        write(place / "new.csv", noise(9, 5), {**SETTINGS, "lr": "0.7"})
    words = ["--candidate", "new.csv"] if runs else ["--name", "wider"]
    failed = answer(place, "gate", "ledger.jsonl", "--failed", "killed", *words, status=1)
    answers = [failed]
    if runs:
        answers.append(answer(place, *CALL, status=1))
        assert answers[1]["remembered"]
    text = re.search(r"Such an attempt is not judged.*?\n\n", DOCUMENT, re.DOTALL)[0]
    documented = re.findall(r"`(\w+)`", text.split("spent;")[1])
    for each in answers:
        assert (each["level"], each["spent"]) == (0, 0.05 * before / (20 + before))
        assert sorted(name for name in each if each[name] is None) == sorted(documented)
    done = command(place, "gate", "ledger.jsonl", "--failed", "killed", *words)
    assert f"{100 * before / (20 + before):.1f}% of the error budget of 5% is spent" in done.stdout


def several(path, column, change):
    """A CSV file with the runs of two levels; change: of the second."""
    rows = [f"seed,value,{column}"]
    for level, gain in (("adamw", 0), ("lion", change)):
        rows += [f"{seed},{value + gain},{level}" for seed, value in enumerate(noise(20, 1 + gain))]
    path.write_text("\n".join(rows))


@pytest.mark.parametrize("column", ["level", "optimizer", "config.model"])
def test_a_level_is_of_the_column_that_judge_takes(tmp_path, column):
    several(tmp_path / "runs.csv", column, 2)
    sides = ("--candidate", "runs.csv@lion", "--baseline", "runs.csv@adamw")
    assert answer(tmp_path, "gate", "l", *sides, status=0)["gain"]["mean"] > 1
    done = command(tmp_path, "gate", "l", "--candidate", "runs.csv@lino", *sides[2:])
    assert f"runs.csv@lino: {column}: got 'lino'; did you mean 'lion'" in done.stderr


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("what", "no column `level`; columns: seed, value, what"),
        ("model,optimizer", "level: got several columns, model, optimizer; allowed: one `level`"),
    ],
)
def test_a_level_of_no_column_is_refused_with_the_columns(tmp_path, column, message):
    (tmp_path / "runs.csv").write_text(
        f"seed,value,{column}\n0,1{',lion' * len(column.split(','))}"
    )
    sides = ("--candidate", "runs.csv@lion", "--baseline", "runs.csv@adamw")
    done = command(tmp_path, "gate", "l", *sides)
    assert done.returncode == 3
    assert done.stderr == f"actstudy: runs.csv@lion: {message}\n"


BAD = {
    "no ledger": (["gate"], "the following arguments are required: ledger"),
    "no candidate": (["gate", "l", "--baseline", "old.csv"], "--candidate: got nothing"),
    "no such file": ([*CALL[:3], "no.csv", *CALL[4:]], "no.csv: no such file; allowed"),
    "a flag": ([*CALL, "--margni", "1"], "did you mean '--margin'"),
    "no margin": ([*CALL, "--margin", "0"], "got '0'; allowed: a number above 0"),
    "no number": ([*CALL, "--margin", "a"], "got 'a'; allowed: a number above 0"),
    "few seeds": ([*CALL, "--max-seeds", "7"], "got '7'; allowed: 8 to 1000"),
    "a noise": ([*CALL, "--noise", "norml"], "did you mean 'normal'"),
    "a column": ([*CALL, "--value", "loss"], "old.csv"),
    "a folder": (["gate", ".", *CALL[2:]], "got a folder"),
    "no folder": (["gate", "no/l", *CALL[2:]], "got no folder"),
    "a head": ([*CALL, "--head", "abc"], "head: got 'abc'"),
    "no diff": ([*CALL, "--diff", "no.diff"], "no.diff: no such file"),
    "a level": ([*CALL[:3], "new.csv@gelu", *CALL[4:]], "new.csv@gelu: model: got 'gelu'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_status_3(place, name):
    words, message = BAD[name]
    if name == "a column":
        message = "loss"
    done = command(place, *words)
    assert done.returncode == 3
    assert done.stdout == ""
    assert re.fullmatch(r"actstudy: [^\n]+\n", done.stderr)
    assert message in done.stderr
    assert not (place / "ledger.jsonl").exists()


BROKEN = {
    "empty": b"",
    "only a head": b"seed,value\n",
    "a row too long": b"seed,value\n0,1,2\n",
    "no text": b"\xff\xfe\x00",
    "a quote": b'seed,value\n0,"1\n',
    "a column twice": b"seed,value,value\n0,1,2\n",
    "no seed": b"seed,value\n,1\n",
    "a word": b"seed,value\n0,good\n",
    "NUL": b"seed,value\n0,\x00\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_line_and_nothing_is_written(place, name):
    (place / "new.csv").write_bytes(BROKEN[name])
    done = command(place, *CALL)
    assert done.returncode == 3, done.stdout
    assert re.fullmatch(r"actstudy: new\.csv[^\n]+\n", done.stderr)
    assert not (place / "ledger.jsonl").exists()


def test_an_edited_ledger_is_refused_by_the_command(place):
    assert command(place, *CALL).returncode == 0
    path = place / "ledger.jsonl"
    path.write_text(path.read_text().replace('"verdict": "keep"', '"verdict": "do not keep"'))
    done = command(place, *CALL)
    assert done.returncode == 3
    assert "ledger.jsonl: line 2: was edited" in done.stderr


def test_the_keys_of_an_answer_are_documented(place):
    result = answer(place, *CALL, status=0)
    table = DOCUMENT.split("## The answer")[1].split("\n## ")[0]
    keys = []
    for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE):
        keys += re.findall(r"`(\w+)`", row)
    assert sorted(keys) == sorted(result)
    (gain,) = re.findall(r"^\| `gain` \| (.*) \|$", table, re.MULTILINE)
    documented = sorted(re.findall(r"`(\w+)`", gain))
    assert documented == sorted(result["gain"]) == sorted(result["fresh"])


def test_the_exit_statuses_are_documented():
    rows = dict(re.findall(r"^\| (\d) \| `([a-z ]+)`", DOCUMENT, re.MULTILINE))
    assert rows == {"0": "keep", "1": "do not keep", "2": "not enough seeds", "3": "refused"}


def test_the_commands_of_the_document_run(place):
    calls = re.findall(r"^python -m actstudy (gate .*)$", DOCUMENT, re.MULTILINE)
    statuses = []
    for call in calls:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', call)]
        statuses.append(command(place, *words).returncode)
    assert statuses == [0, 1]
    assert [line["kind"] for line in ledger.read(place / "ledger.jsonl")] == [
        "start",
        "attempt",
        "failed",
    ]


def test_the_runs_of_the_document_are_read(tmp_path):
    block = re.search(r"```csv\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    (tmp_path / "new.csv").write_text(block)
    write(tmp_path / "old.csv", noise(5, 1), OTHER)
    done = command(tmp_path, *CALL, "--json")
    assert done.returncode == 2
    line = ledger.read(tmp_path / "ledger.jsonl")[-1]
    assert line["candidate"]["values"] == {"0": 0.9127, "1": 0.9094, "2": None}
    assert line["candidate"]["settings"] == {"lr": "0.1", "commit": "3f2a9c1"}


def workflow_commands():
    """The shell lines of the document's GitHub workflow."""
    flow = yaml.safe_load(re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1])
    assert flow["concurrency"] == "gate"
    steps = flow["jobs"]["gate"]["steps"]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    return "\n".join(step["run"] for step in steps if "run" in step).splitlines()


def test_the_workflow_calls_the_gate_as_it_is_called():
    (line,) = [line for line in workflow_commands() if "actstudy gate" in line]
    parser = Parser()
    gate.add_flags(parser)
    words = line.split("actstudy gate ")[1].split(" > ")[0].split()
    arguments = parser.parse_args(words)
    assert arguments.json
    assert str(arguments.diff) == "../change.diff"
    assert not any("${{" in line for line in workflow_commands())


def test_instructions_for_an_agent_name_real_flags():
    parser = Parser()
    gate.add_flags(parser)
    block = re.search(r"```text\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    flags = set(re.findall(r"--[a-z][a-z-]+", DOCUMENT.split("## In CI")[0]))
    assert set(re.findall(r"--[a-z][a-z-]+", block)) <= set(parser.flags())
    assert flags <= set(parser.flags())
