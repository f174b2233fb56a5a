"""Reading uploaded files row by row, whatever they hold, in bounded memory (T4).

What a file is, its content says: JSON lines, one JSON array, CSV or Parquet, any of them packed
with gzip. Its name says nothing.
"""

from datasets.reading.rows import Report, Row
from datasets.reading.whole import read_rows

__all__ = ["Report", "Row", "read_rows"]
