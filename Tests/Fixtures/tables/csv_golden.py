"""Records as Python's csv module reads them, out of random texts that it and pandas write: `python csv_golden.py` writes csv.json."""

import csv
import io
import json
import pathlib
import random

PIECES = ["a", "é", "中", " ", ",", "\t", '"', "\n", "\r\n", "''", "1", "", "-0.5", "x y", '""', "#", "\\", "=1+1"]


def main():
    random.seed(16)
    golden = []
    for index in range(200):
        width = random.randint(1, 4)
        rows = [["".join(random.choices(PIECES, k=random.randint(0, 5))) for _ in range(width)] for _ in range(random.randint(1, 5))]
        # A row of one empty field is an empty line, which is no row.
        rows = [row if row != [""] else ["z"] for row in rows]
        delimiter = "\t" if index % 4 == 3 else ","
        text = io.StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter=delimiter,
            quoting=csv.QUOTE_ALL if index % 3 == 0 else csv.QUOTE_MINIMAL,
            lineterminator=["\n", "\r\n"][index % 2],
        )
        writer.writerows(rows)
        written = text.getvalue()
        if index % 5 == 0:
            written = written.rstrip("\r\n") if rows[-1][-1].rstrip("\r\n") == rows[-1][-1] else written
        if index % 7 == 0:
            written = "\n\r\n" + written
        read = [row for row in csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, strict=True) if row]
        assert read == rows, (read, rows)
        golden.append({"text": written, "delimiter": delimiter, "records": rows})
    path = pathlib.Path(__file__).with_name("csv.json")
    path.write_text(json.dumps(golden, separators=(",", ":"), ensure_ascii=False) + "\n")


main()
