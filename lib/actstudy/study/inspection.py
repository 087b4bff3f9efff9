"""What someone's own code does, asked before any job: it runs in one process of its own.

The process is `python -m actstudy inspect`. It reads a request as JSON on stdin:

    {"folders": ["/home/me/study"],  # where modules are looked for, the first one first
     "questions": [
       {"kind": "activation", "path": "acts:Squash", "args": {"alpha": 1.0}, "init": "auto",
        "code": "12 hex"},
       {"kind": "model", "path": "nets:build", "spec": {...}, "data": {...}, "code": "12 hex"}]}

and writes a line of JSON to stdout per question, in their order: the answer, or a fault, the last
line, that says which path, what it does and what is allowed:

    {"learns": false, "keeps": false, "elementwise": true}
    {"fault": "acts:Squash: changes its input in place; allowed: ..."}

`code` only makes a question about edited code another one: an answer is remembered, in
`results/own/<hash of its question>.json` and in this process, a fault never. What own code prints
goes no further, and GPUs are hidden from it.

A kind of question is a function here that makes it of a spec (in QUESTIONS) and one in
`commands/inspection.py` that answers it (in ANSWERS there). Planning calls `inspect` once with all
specs of a study; then `answer` has what the process said of a question, without another process.
"""

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from actstudy.contract import own, own_code, registry, shadowed, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, names_in
from actstudy.study import model_questions

FOLDER = store.RESULTS / "own"
CHECKS = 2  # version of what is asked and checked: an answer of another version is asked again
MAX_SECONDS = 600  # of the process
Question = dict[str, Any]
Answer = dict[str, Any]
_answers: dict[str, Answer] = {}  # of this process, by the hash of their question


def activation_questions(spec: RunSpec) -> list[Question]:
    """A question per own activation of a run."""
    paths = [name for name in names_in(spec.activation) if own.is_path(name)]
    return [activation_question(path, spec) for path in paths]


def activation_question(path: str, spec: RunSpec) -> Question:
    """What is asked of an own activation with the arguments that a run gives it."""
    known = registry.activation_arguments(path)
    return {
        "kind": "activation",
        "path": path,
        "args": {key: value for key, value in spec.activation_args.items() if key in known},
        "init": model_questions.init_of(spec),
        "code": own_code.digest(path),
    }


QUESTIONS: tuple[Callable[[RunSpec], list[Question]], ...] = (
    activation_questions,
    model_questions.questions,
)


def inspect(specs: Iterable[RunSpec], where: str) -> None:
    """Asks what is not known of the own code of some runs; StudyError, after `where`, of faults."""
    questions: dict[str, Question] = {}
    for spec in specs:
        for make in QUESTIONS:
            questions |= {_key(question): question for question in make(spec)}
    unknown = {key: value for key, value in questions.items() if _known(key) is None}
    if unknown:
        answers = _ask(list(unknown.values()), where)
        for key, answer_of_key in zip(unknown, answers, strict=True):
            _remember(key, answer_of_key)


def answer(question: Question, where: str) -> Answer:
    """What the process says of a question, which is asked now if it is not known."""
    key = _key(question)
    known = _known(key)
    if known is None:
        (known,) = _ask([question], where)
        _remember(key, known)
    return known


def _key(question: Question) -> str:
    """16 hex digits of the SHA-256 of a question and of the versions that answer it."""
    content = json.dumps([CHECKS, _versions(), question], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@cache
def _versions() -> list[str]:
    """The versions of Python and of torch, which is not imported for it."""
    from importlib import metadata

    try:
        return [platform.python_version(), metadata.version("torch")]
    except metadata.PackageNotFoundError:
        raise StudyError("the package torch is missing; to fix: pip install torch") from None


def _known(key: str) -> Answer | None:
    """The remembered answer to the question of a hash, or None."""
    if key not in _answers:
        content = store.read_note(FOLDER / f"{key}.json", None)
        if not isinstance(content, dict) or "answer" not in content:
            return None
        _answers[key] = content["answer"]
    return _answers[key]


def _remember(key: str, answer_of_key: Answer) -> None:
    """Remembers an answer, in this process alone if the folder cannot be written."""
    _answers[key] = answer_of_key
    with contextlib.suppress(OSError):
        store.write_json(FOLDER / f"{key}.json", {"answer": answer_of_key})


def _ask(questions: list[Question], where: str) -> list[Answer]:
    """The answers to some questions by one process; StudyError of the first fault."""
    request = {"folders": [str(folder) for folder in own.folders()], "questions": questions}
    done = _process(json.dumps(request), where)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for question, line in zip(questions, lines, strict=False):
        if "fault" in line:
            raise StudyError(f"{where}: {question['kind']}: {line['fault']}")
    if len(lines) < len(questions):
        question = questions[len(lines)]
        if hidden := shadowed.fault(done.stderr, own.folders()) or shadowed.hiding(Path.cwd()):
            raise StudyError(f"{where}: {question['kind']}: {question['path']}: {hidden}")
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        ending = f"the process that looks at it ended with status {done.returncode}: {last:.200}"
        raise StudyError(f"{where}: {question['kind']}: {question['path']}: {ending}")
    return lines


def _process(request: str, where: str) -> subprocess.CompletedProcess[str]:
    """`actstudy inspect`, ended; StudyError if it takes too long."""
    try:
        return subprocess.run(
            [sys.executable, "-m", "actstudy", "inspect"],
            input=request,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        paths = ", ".join(question["path"] for question in json.loads(request)["questions"])
        allowed = f"allowed: to be imported and called within {MAX_SECONDS} s"
        raise StudyError(f"{where}: {paths}: did not end; {allowed}") from None
