"""The command parity: a cell of Keras runs is compared with torch before its first run."""

import argparse
import sys
import time
from pathlib import Path

from actstudy.commands import spec_names
from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import errors, frameworks, own_data, parity_stamp, spec, store
from actstudy.contract.errors import StudyError
from actstudy.study import framework_checks


def add_flags(parser: Parser) -> None:
    """The cell, where its data are, and the file to write."""
    parser.add_argument("--spec", required=True, help="a run of the cell as JSON")
    parser.add_argument("--data_dir", type=Path, default=store.DATA, help="folder of prepared data")
    add_modules_flag(parser)
    parser.add_argument("out", type=Path)


def parity(arguments: argparse.Namespace) -> int:
    """Write what was seen of a cell; 0 also if a check failed, which is for its runs to say."""
    own_data.look_in(arguments.data_dir)
    try:
        run = spec.from_json(arguments.spec)
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"command line: --spec: not a spec as JSON: {error}") from None
    spec_names.check(run, "--spec")
    if run.framework not in frameworks.FRAMEWORKS:
        choices = errors.choices(run.framework, frameworks.FRAMEWORKS)
        raise StudyError(f"command line: --spec: framework: {choices}")
    framework_checks.check(run, "command line: --spec")
    frameworks.check_installed(run.framework, "command line: --spec")
    from actstudy.training import attempt, parity

    data = arguments.data_dir / spec.data_name(run)
    attempt.prepared(data.name, data)
    started = time.monotonic()
    content = parity.content(run, data)
    if content["error"]:
        print(f"actstudy: {content['name']}: {content['error']}", file=sys.stderr)
    seconds = round(time.monotonic() - started, 1)
    stamp = parity_stamp.stamp(run.framework)
    store.write_json(arguments.out, {**content, "stamp": stamp, "seconds": seconds})
    return 0
