"""`certify`: the contract and the data sheet of activations."""

import argparse

from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import own, registry
from actstudy.contract.errors import StudyError

EXAMPLES = """actstudy certify mypackage.acts:Squash
actstudy certify relu gelu acts:Squash --modules ~/code"""


def add_flags(parser: Parser) -> None:
    """The activations, and where their modules are."""
    parser.add_argument(
        "activations",
        nargs="+",
        metavar="ACTIVATION",
        help="import paths, MODULE:NAME, or registered names",
    )
    add_modules_flag(parser)


def _named(name: str) -> str:
    """The activation that a word names; StudyError with the word if it names none."""
    try:
        return registry.activation(name)
    except StudyError as error:
        if own.is_path(name):  # which the error names
            raise StudyError(f"certify: {error}") from None
        raise StudyError(f"certify: got {name!r}: {error}") from None


def certify(arguments: argparse.Namespace) -> int:
    """Print and write the certificate of each activation; 1 if any has findings."""
    names = [_named(name) for name in arguments.activations]
    import torch

    from actstudy.certificate import report
    from actstudy.certificate.certify import certify as certificate_of
    from actstudy.contract.certificates import FINDINGS

    torch.set_num_threads(1)
    status = 0
    for name in names:
        certificate = certificate_of(name)
        print(report.markdown(certificate), flush=True)
        report.write(certificate)
        status = max(status, int(certificate["outcome"] == FINDINGS))
    return status
