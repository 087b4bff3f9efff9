"""CSV and Parquet files as columns of texts, numbers or true and false, nothing guessed yet."""

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actstudy.contract.errors import choices
from actstudy.own_data import files
from actstudy.own_data.options import Source

if TYPE_CHECKING:
    import pyarrow as pa

CSV = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
SEPARATORS = "\t;,|"  # of equally frequent ones in the first line the first is taken
INDEX = "__index_level_"  # columns that pandas writes for its index


@dataclass(frozen=True)
class Frame:
    """A table as its file has it: name -> Arrow array (N,) of texts, or of a Parquet type.

    first_row: what messages call the first row, as a spreadsheet counts.
    """

    source: Source
    columns: "dict[str, pa.Array]"
    n: int
    first_row: int

    def place(self, row: int, name: str) -> str:
        """A cell as messages name it."""
        return f"row {row + self.first_row}: column {name!r}"

    def check_column(self, key: str, name: str) -> None:
        """StudyError with the nearest name if there is no such column."""
        if name not in self.columns:
            raise self.source.fault(f"{key}: got {name!r}; {choices(name, self.columns)}")


def is_table(source: Source) -> bool:
    """Whether a file is read as a table, by the end of its name."""
    return source.path.suffix.lower() in (*CSV, *PARQUET)


def read(source: Source, raw: bytes) -> Frame:
    """The table in a file, without the columns that are dropped."""
    is_csv = source.path.suffix.lower() in CSV
    table = _csv(source, raw) if is_csv else _parquet(source, raw)
    names = table.column_names
    for name in sorted(set(names)):
        if names.count(name) > 1:
            fault = f"column {name!r} is there {names.count(name)} times; allowed: each name once"
            raise source.fault(fault)
    for name in source.drop:
        if name not in names:
            raise source.fault(f"drop: got {name!r}; {choices(name, names)}")
    columns = {name: table[name].combine_chunks() for name in names if name not in source.drop}
    for place, name in enumerate(names):
        if not name.strip() and name in columns:
            remedy = f"to fix: name it, or drop: [{name!r}], if it only counts rows"
            raise source.fault(f"column {place + 1} has no name; {remedy}")
    if not table.num_rows:
        raise source.fault("got no rows; allowed: a line of names, then a row per example")
    return Frame(source, columns, table.num_rows, 2 if is_csv else 1)


def _csv(source: Source, raw: bytes) -> "pa.Table":
    """All cells of a CSV as texts."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    text = files.text(source.name, source.path, raw)
    if not text.strip():
        raise source.fault("empty; allowed: a line of names, then a row per example")
    first_line = text.lstrip("\n").partition("\n")[0]
    separator = _separator(first_line)
    names = next(csv.reader(io.StringIO(text.lstrip("\n")), delimiter=separator))
    options: dict[str, Any] = {
        "read_options": arrow.ReadOptions(
            column_names=[str(place) for place in range(len(names))], skip_rows=0
        ),
        "parse_options": arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
        "convert_options": arrow.ConvertOptions(
            column_types={str(place): pa.string() for place in range(len(names))},
            strings_can_be_null=False,
        ),
    }
    try:
        table = arrow.read_csv(io.BytesIO(text.encode()), **options)
    except pa.ArrowInvalid as error:
        fault = " ".join(str(error).removeprefix("CSV parse error: ").split())
        raise source.fault(f"{fault:.160}; allowed: as many cells in each row") from None
    return table.slice(1).rename_columns([name.strip() for name in names])


def _separator(line: str) -> str:
    """What separates the cells of a line: the mark that is there most often outside of quotes."""
    outside = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=lambda mark: (outside.count(mark), mark == ","))


def _parquet(source: Source, raw: bytes) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(raw))
    except (pa.ArrowException, OSError) as error:
        fault = " ".join(str(error).split())
        raise source.fault(f"not readable as Parquet: {fault:.120}; allowed: Parquet") from None
    return table.select([name for name in table.column_names if not name.startswith(INDEX)])
