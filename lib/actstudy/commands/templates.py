"""`template`: a task as a study file, or an activation as a module of one's own with its tests."""

import argparse
import importlib.util
import keyword
from pathlib import Path
from string import Template

from actstudy.commands.parser import OrPaths, Parser
from actstudy.contract import invocation, registry
from actstudy.contract.errors import StudyError

EXAMPLES = """actstudy template --task lm > config/my_lm.yaml
actstudy template activation squash"""
ACTIVATION = "activation"
FOLDER = Path(__file__).parent


def add_flags(parser: Parser) -> None:
    """A task, or `activation` and the name of its module."""
    parser.add_argument(
        "--task", choices=OrPaths(registry.tasks()), help="print a study of this task"
    )
    parser.add_argument("what", nargs="?", choices=[ACTIVATION], help="write a module, NAME.py")
    parser.add_argument("module", nargs="?", metavar="NAME", help="of the new module")


def template(arguments: argparse.Namespace) -> int:
    """Print a task's settings as a study file, or write the modules of an activation."""
    if bool(arguments.task) == bool(arguments.what):
        raise StudyError("template: allowed: --task TASK, or activation NAME")
    if arguments.task:
        from actstudy.study.template import template as study_of

        print(study_of(arguments.task), end="")
        return 0
    _check_name(arguments.module)
    for line in write_activation(arguments.module):
        print(line)
    return 0


def write_activation(module: str) -> list[str]:
    """Writes MODULE.py and test_MODULE.py to this folder, and says what they are for."""
    parts = [part[0].upper() + part[1:] for part in module.split("_") if part]
    names = {
        "program": invocation.program(),
        "module": module,
        "name": "".join(parts),
        "function": f"{module.lower()}_of",
    }
    content_by_file = {}
    for kind in ("module", "tests"):
        text = (FOLDER / f"activation_{kind}.txt").read_text(encoding="utf-8")
        file = Path(f"{module}.py" if kind == "module" else f"test_{module}.py")
        content_by_file[file] = Template(text).substitute(names)
    for file in content_by_file:
        if file.exists():
            allowed = "a name that no file has, or remove the file"
            raise StudyError(f"template: {file}: is there already; allowed: {allowed}")
    for file, content in content_by_file.items():
        with file.open("x", encoding="utf-8") as opened:
            opened.write(content)
    path = f"{module}:{names['name']}"
    return [
        f"{module}.py: {names['name']}, and the same with a weight and with a backward of its own",
        f"test_{module}.py: its tests; python -m pytest test_{module}.py",
        f"{invocation.program()} certify {path}",
        f"{invocation.program()} train --task mlp --activation {path}",
    ]


def _check_name(name: str | None) -> None:
    """StudyError if a name can be no module of one's own."""
    if not name:
        raise StudyError("template: activation: missing: NAME; allowed: such as squash")
    is_word = name.isidentifier() and name.isascii() and name.strip("_")
    if not is_word or keyword.iskeyword(name):
        raise StudyError(
            f"template: got {name!r}; allowed: letters, digits and _, no word of Python"
        )
    if Path(f"{name}.py").exists():
        return
    if importlib.util.find_spec(name) is not None:
        raise StudyError(
            f"template: got {name!r}, a module that Python has already; allowed: another name"
        )
