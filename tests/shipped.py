"""The table of hashes of what is shipped, lib/actstudy/contract/shipped.py.

python tests/shipped.py            print the pieces that differ from it
python tests/shipped.py --write    write it, after a change that changes no number of any run
"""

import sys

from runs import ROOT

from actstudy.contract import code, nets, registry, shipped

TABLE = ROOT / "lib/actstudy/contract/shipped.py"


def digests() -> dict[str, str]:
    """Piece -> hash of every piece that there is."""
    pieces = [f"activation {name}" for name in registry.activation_names()]
    pieces += [f"init {name}" for name in registry.init_policies()]
    files = [f"tasks/{name}.py" for name in registry.tasks()]
    for piece in pieces:
        files += code.imports_of_entry(piece)
    files += [f"nets/{name}.py" for name in nets.known()]
    files += [f"data/sets/{name}.py" for name in registry.datasets()]
    pieces += code.with_imports([*files, code.PACKED])
    return {piece: code.digest_of(piece) for piece in pieces}


def write() -> None:
    """Replace the table in its file."""
    head = TABLE.read_text().split("SHIPPED")[0]
    rows = [f'    "{piece}": "{digest}",\n' for piece, digest in digests().items()]
    TABLE.write_text("".join([head, "SHIPPED: dict[str, str] = {\n", *rows, "}\n"]))


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    else:
        for piece, digest in digests().items():
            if shipped.SHIPPED.get(piece) != digest:
                print(f"{piece}: {digest}, shipped: {shipped.SHIPPED.get(piece)}")
