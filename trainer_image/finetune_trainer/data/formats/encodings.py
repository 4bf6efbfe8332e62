"""What a file is that is no text in UTF-8: recognised by its bytes, so that the advice fits."""

import re

from finetune_api.parts.data_files import DataFormat

HEAD_BYTES = 1 << 12
UTF_16 = "UTF-16 (as Excel's 'Unicode text' is)"
USUAL_IN_1252 = {0x80, 0x85, 0x8C, *range(0x91, 0x98), 0x99, 0x9C, *range(0xA0, 0x100)}
"""Euro, quotation marks, dashes, œ, and what Latin-1 has; the others are hardly ever met but in other encodings."""
SIGNATURES = (
    (b"\xff\xfe\x00\x00", "UTF-32", "convert it, with `iconv -f UTF-32 -t UTF-8` say"),
    (b"\xff\xfe", UTF_16, "convert it, with `iconv -f UTF-16 -t UTF-8` say"),
    (b"\xfe\xff", UTF_16, "convert it, with `iconv -f UTF-16 -t UTF-8` say"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "unpack it, or export it as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "export it as CSV in UTF-8"),
    (b"PAR1", "a Parquet file", "give it the ending .parquet, or set format: Parquet"),
    (b"\x1f\x8b", "packed by gzip", "give it the ending .gz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "give it the ending .zst"),
    (b"\xfd7zXZ\x00", "packed by xz", "give it the ending .xz"),
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS", "fetch the file itself, with `git lfs pull`"),
)
"""Beginnings of files that are something else, what they are, and what to do."""
PAGE = re.compile(rb"\s*<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
PROSE = (DataFormat.TEXT, DataFormat.DOCUMENT)


def something_else(head: bytes, data_format: DataFormat) -> str | None:
    """Return what a file is, by its first bytes, if it is no text in UTF-8, and what to do; else None."""
    for signature, name, remedy in SIGNATURES:
        if head.startswith(signature):
            return f"is {name}; {remedy}"
    order = _utf_16_order(head)
    if order:
        return f"is UTF-16 without a byte order mark; convert it, with `iconv -f UTF-16{order} -t UTF-8` say"
    if data_format not in PROSE and PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "is an HTML page, as servers send instead of a file; download it anew, signed in where that is needed"
    return None


def wrong_byte(error: UnicodeDecodeError) -> str:
    """Say which byte is not UTF-8."""
    return f"byte 0x{error.object[error.start]:02x}"


def advice(content: bytes) -> str:
    """Say what to do about bytes that are not UTF-8, by what they look like."""
    damaged = content.decode("utf-8", errors="replace").count("\ufffd")
    if (
        len(re.findall(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}", content))
        > damaged
    ):
        return "the rest of the line is, so this character is damaged or cut off; mend or remove it"
    runs = re.findall(rb"[\x80-\xff]+", content)
    alone = sum(len(run) == 1 for run in runs) >= len(runs) / 2
    if alone and all(byte in USUAL_IN_1252 for run in runs for byte in run):
        return "it looks like Latin-1 or Windows-1252; convert the file, with `iconv -f WINDOWS-1252 -t UTF-8` say"
    return "convert the file from the encoding that it was written in, with `iconv -f ENCODING -t UTF-8`"


def _utf_16_order(head: bytes) -> str | None:
    """Return LE or BE where every other byte of Latin text is zero."""
    pairs = len(head) // 2
    if pairs >= 4 and head[1::2].count(0) > 0.7 * pairs and not head[::2].count(0):
        return "LE"
    if pairs >= 4 and head[::2].count(0) > 0.7 * pairs and not head[1::2].count(0):
        return "BE"
    return None
