"""What tells the fields of a table apart: what the spec says, or the format. It is guessed only to advise."""

from dataclasses import dataclass

from finetune_api.parts.data_files import DataFiles, DataFormat, Quoting

DELIMITERS = {DataFormat.CSV: ",", DataFormat.TSV: "\t"}
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
EXCELS_LINE = "sep="


@dataclass(frozen=True)
class Dialect:
    """How fields are told apart; `stated` if the spec names the delimiter.

    Where the spec leaves quoting open it is Standard, and fields that seem to have swallowed rows are told.
    """

    delimiter: str
    quoting: Quoting | None = None
    stated: bool = False

    @property
    def name(self) -> str:
        """The delimiter for people."""
        return NAMES.get(self.delimiter, repr(self.delimiter))


def dialect_of(files: DataFiles, data_format: DataFormat) -> Dialect:
    """Return the dialect of a block's files of a format, which is CSV or TSV."""
    delimiter = files.delimiter or DELIMITERS[data_format]
    return Dialect(delimiter, files.quoting, files.delimiter is not None)


def likelier_delimiter(header: str, row: str | None, dialect: Dialect) -> str | None:
    """Return the delimiter that header and row seem to have instead, if there is one.

    It parts the header where the dialect's does not, or parts header and row alike where the dialect's does not.
    """
    if dialect.stated:
        return None
    own = header.count(dialect.delimiter)
    for other in NAMES:
        found = header.count(other)
        if other != dialect.delimiter and found and (own == 0 or (row is not None and row.count(other) == found)):
            return other
    return None


def in_yaml(delimiter: str) -> str:
    """Return a delimiter as a manifest spells it."""
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'
