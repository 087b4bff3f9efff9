"""`certify`: the contract and the data sheet of activations."""

import argparse

from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import registry

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


def certify(arguments: argparse.Namespace) -> int:
    """Print and write the certificate of each activation; 1 if any has findings."""
    names = [registry.activation(name) for name in arguments.activations]
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
