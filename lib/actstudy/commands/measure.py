"""The command measure: claims of guides are measured again and printed, or a group is written."""

import argparse
import ast
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actstudy.commands.parser import Parser
from actstudy.contract import errors, host, measurements
from actstudy.contract.errors import StudyError
from actstudy.study import ledger, measuring

if TYPE_CHECKING:
    from actstudy.training.leases import Lease

EXAMPLES = """actstudy measure C010
actstudy measure C010 C147 --ledger config/guide
actstudy measure --ledger my_guide
actstudy measure --group curves
actstudy measure --list"""
OF_STUDY = (
    "answered from a study's tables; to measure: actstudy run STUDY, with ledger: in its file"
)
Claims = dict[str, dict[str, Any]]


def add_flags(parser: Parser) -> None:
    """Which claims, where they are, and where to write what was measured."""
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="ids; without any, all")
    parser.add_argument(
        "--ledger",
        type=Path,
        default=Path("config/guide"),
        metavar="FOLDER",
        help="folder with the claims, or one file of it",
    )
    parser.add_argument("--group", help="claims of one group of measurements alone")
    parser.add_argument(
        "--list", action="store_true", help="list all measurements and their arguments"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write values as Parquet, of a whole --group"
    )


def measure(arguments: argparse.Namespace) -> int:
    """Print claims with what was measured of them, write a group's values, or list measurements.

    Exit status 1 if a claim that is printed is not measured.
    """
    if arguments.list:
        print(listing())
        return 0
    claims = ledger.read_ledger(arguments.ledger)
    if arguments.group is not None:
        choices = errors.choices(arguments.group, measurements.groups())
        if arguments.group not in measurements.groups():
            raise StudyError(f"command line: --group: got {arguments.group!r}; {choices}")
        claims = {key: claim for key, claim in claims.items() if _is_of(claim, arguments.group)}
    if arguments.out:
        _write(arguments, claims)
        return 0
    from actstudy.analysis.page import ledger_tables
    from actstudy.analysis.questions.ledger import judged
    from actstudy.analysis.questions.ledger_verdicts import NOT_MEASURED

    named = _named(arguments.claims, claims)
    claims, _ = judged(named, _answers(named))
    print(ledger_tables.plain(claims))
    return int((claims["verdict"] == NOT_MEASURED).any())


def listing() -> str:
    """All measurements by group: name, arguments with their defaults, and what they give."""
    lines = []
    group = ""
    for name, kind in measurements.kinds().items():
        if kind.group != group:
            group = kind.group
            lines.append(f"{group}:")
        several = [
            f"{key}={ast.unparse(kind.defaults[key])}" if key in kind.defaults else key
            for key in kind.allows
        ]
        lines += [f"  {name}({', '.join(several)})", f"      {kind.gives}"]
    return "\n".join(lines)


def _is_of(claim: dict[str, Any], group: str) -> bool:
    return bool(claim.get("group") == group)


def _named(names: list[str], claims: Claims) -> Claims:
    """The claims of those ids, all if there are none; StudyError if one is unknown."""
    for name in names:
        if name not in claims:
            choices = errors.choices(name, claims)
            raise StudyError(f"command line: CLAIM: got {name!r}; {choices}")
    return {name: claims[name] for name in names or claims}


def _answers(claims: Claims) -> list[dict[str, Any]]:
    """The rows of all requests of some claims, columns of ANSWERS."""
    from actstudy.contract import answers  # late: scipy
    from actstudy.guide import measured

    rows: list[dict[str, Any]] = []
    with Places() as places:
        for group, requests in ledger.requests(claims).items():
            absent = (answers.ABSENT, OF_STUDY) if group == measurements.RUNS else ()
            if measuring.needs_gpu(group) and not host.gpus():
                absent = (answers.ABSENT, measuring.NO_GPU)
            if absent:
                for kind, text in requests:
                    row = {"group": group, "kind": kind, "arguments": text}
                    rows.append({**row, "status": absent[0], "reason": absent[1]})
                continue
            device = places.of(group)
            for kind, text in requests:
                several = measured.measure(group, kind, text, device)
                print(f"{kind} {text}: {several[0]['seconds']:.1f} s", file=sys.stderr)
                rows += several
    return rows


class Places(contextlib.ExitStack):
    """Holds what groups are measured on until the block is left.

    One GPU serves all groups of a process: CUDA stays with the first that it has seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._leases: dict[str, Lease] = {}

    def of(self, group: str) -> str:
        """What a group is measured on, in words; StudyError if it needs a GPU and none is there."""
        if measuring.needs_gpu(group):
            return self._device("cuda")
        if measuring.uses_gpu(group) and host.gpus():
            self._device("cuda")
        return self._device("cpu")

    def _device(self, kind: str) -> str:
        """The device of a kind in words, held from the first time on."""
        from actstudy.training import devices, leases

        if kind not in self._leases:
            lease = devices.lease(kind, leases.Slots(), lambda: False)
            self._leases[kind] = self.enter_context(lease)
        return devices.describe(self._leases[kind].device)


def _write(arguments: argparse.Namespace, claims: Claims) -> None:
    """Write the values of a group, if the ledger is the one that the file is named after."""
    if arguments.group is None or arguments.claims or arguments.group == measurements.RUNS:
        raise StudyError("command line: --out: allowed: with --group, one that is measured alone")
    requests = ledger.requests(claims).get(arguments.group, [])
    name = measuring.file_name(arguments.group, requests)
    if arguments.out.parent.name == measuring.FOLDER.name and arguments.out.name != name:
        raise StudyError(
            f"{arguments.ledger}: the claims or the code were edited while the study ran; "
            "to fix: the same command again"
        )
    from actstudy.guide import measured

    with Places() as places:
        measured.write(arguments.group, requests, places.of(arguments.group), arguments.out)
