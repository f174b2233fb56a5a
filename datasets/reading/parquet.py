"""Parquet, read a few rows at a time."""

import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from datasets.reading import reports
from datasets.reading.rows import Report, Row

MAGIC = b"PAR1"
_ROWS_AT_ONCE = 256
_BUFFER_BYTES = 1024**2


def read_parquet(
    file: BinaryIO, report: Report, *, limit: int, is_packed: bool = False
) -> Iterator[Row]:
    """Yield every row as column and value; a file that breaks off is reported and reading ends.

    ``limit`` is how many bytes it may be unpacked. One that gzip has packed is unpacked to the
    disk first, for Parquet is read from its end.
    """
    if is_packed:
        with tempfile.TemporaryFile() as plain:
            shutil.copyfileobj(file, plain)
            yield from _read(plain, report, limit=limit)
    else:
        yield from _read(file, report, limit=limit)


def _read(file: BinaryIO, report: Report, *, limit: int) -> Iterator[Row]:
    # A hundred megabytes of memory that only whoever uploads Parquet should pay for.
    import pyarrow as pa
    from pyarrow import parquet

    file.seek(0)
    number = 0
    try:
        # Page by page: a row group may be as large as the file.
        source = parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        groups = range(source.metadata.num_row_groups)
        if sum(source.metadata.row_group(n).total_byte_size for n in groups) > limit:
            report(reports.too_large_unpacked(limit))
            return
        for batch in source.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, value)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        report(reports.invalid_parquet(f"after row {number}: {' '.join(str(error).split())}"))
