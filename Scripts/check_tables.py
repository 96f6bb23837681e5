"""Compares the rows that Apus reads from Parquet and Arrow with what pyarrow reads from the same files.

    VENV/bin/python Scripts/check_tables.py --program Fuzzing/.build/release/PrintRows [--seed 1] [--rounds 1]

Writes the product of writers (pyarrow, polars, duckdb, fastparquet), encodings, codecs, page versions, shares of nulls and nested
types with random values into a temporary folder, and compares row by row. Files that Apus refuses by name are counted apart.
Needs pyarrow; the other writers are used where they are installed."""

import argparse
import collections
import importlib
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq


def installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


polars, duckdb, fastparquet = map(installed, ["polars", "duckdb", "fastparquet"])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/tables"))
from odd_parquet import REFUSED, cases  # noqa: E402
from table_rows import FLAT, NESTED, Values, rows, same  # noqa: E402

# Rows of files that pyarrow reads otherwise than their format says.
WRITTEN = {}
CODECS = ["none", "snappy", "gzip", "zstd", "lz4"]
SHARES = [0, 0.3, 1]
ENCODINGS = {
    "DELTA_BINARY_PACKED": ["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "date", "time_us", "stamp_ms"],
    "DELTA_LENGTH_BYTE_ARRAY": ["text", "long_text", "binary"],
    "DELTA_BYTE_ARRAY": ["text", "long_text", "binary", "fixed", "half", "decimal38"],
    "BYTE_STREAM_SPLIT": ["float", "double", "int32", "int64", "uint32", "uint64", "fixed", "half", "decimal38", "stamp_us"],
    "RLE": ["bool"],
    "PLAIN": list(FLAT),
}


def fields(types, required=False):
    return [pa.field(name, type, nullable=not required or pa.types.is_null(type)) for name, type in types.items()]


def parquet_of_pyarrow(values, count):
    """(description, table, options) of every combination."""
    for codec, version, share in itertools.product(CODECS, ["1.0", "2.0"], SHARES):
        v = values(share)
        common = dict(compression=codec, data_page_version=version, data_page_size=v.r.choice([100, 400, 10**6]), write_batch_size=v.r.choice([1, 7, 64]), row_group_size=v.r.choice([count // 3 + 1, 10**6]))
        for format in ["1.0", "2.4", "2.6"]:
            # Nanoseconds are of format 2.6.
            types = {name: type for name, type in FLAT.items() if format == "2.6" or not name.endswith("_ns")}
            yield f"pyarrow dictionary flat {codec} v{version} {share}", v.table(fields(types), count), dict(common, version=format, dictionary_pagesize_limit=v.r.choice([64, 10**6]))
        for compliant in [True, False]:
            yield f"pyarrow dictionary nested {codec} v{version} {share}", v.table(fields(NESTED), count), dict(common, use_compliant_nested_type=compliant)
        yield f"pyarrow plain nested {codec} v{version} {share}", v.table(fields(NESTED), count), dict(common, use_dictionary=False)
        yield f"pyarrow dictionary required {codec} v{version} {share}", v.table(fields({**FLAT, **NESTED}, required=True), count), common
        yield f"pyarrow plain required {codec} v{version} {share}", v.table(fields({**FLAT, **NESTED}, required=True), count), dict(common, use_dictionary=False)
        yield f"pyarrow dictionary int96 {codec} v{version} {share}", v.table(fields({"stamp_ns": FLAT["stamp_ns"], "ints": NESTED["ints"]}), count), dict(common, use_deprecated_int96_timestamps=True)
        yield f"pyarrow plain decimals {codec} v{version} {share}", v.table(fields({name: FLAT[name] for name in FLAT if "decimal" in name}), count), dict(common, use_dictionary=False, store_decimal_as_integer=True)
        for encoding, names in ENCODINGS.items():
            if encoding == "RLE" and version == "1.0":
                continue
            for required in [False, True]:
                types = {name: FLAT[name] for name in names}
                yield f"pyarrow {encoding} flat {codec} v{version} {share}", v.table(fields(types, required), count), dict(common, use_dictionary=False, column_encoding={name: encoding for name in types if name != "null"})
            lists = {name: pa.list_(pa.struct([("a", FLAT[name]), ("b", pa.list_(FLAT[name]))])) for name in names if not pa.types.is_dictionary(FLAT[name])}
            paths = {f"{name}.list.element.{leaf}": encoding for name in lists for leaf in ("a", "b.list.element")}
            yield f"pyarrow {encoding} nested {codec} v{version} {share}", v.table(fields(lists), count), dict(common, use_dictionary=False, column_encoding=paths)


def write_parquet_of_pyarrow(folder, values, count):
    for number, (what, table, options) in enumerate(parquet_of_pyarrow(values, count)):
        path = f"{folder}/pyarrow-{number}.parquet"
        pq.write_table(table, path, **options)
        yield what, path


def portable(types):
    """Without what other writers do not have."""
    return {name: type for name, type in types.items() if name not in ("null", "half", "decimal60", "binary", "fixed", "names", "time_ms", "time_us")}


def write_parquet_of_others(folder, values, count):
    number = 0
    for share, types in itertools.product([0, 0.3], [portable(FLAT), portable(NESTED)]):
        kind = "flat" if "int8" in types else "nested"
        for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4"]:
            v = values(share)
            table = v.table(fields(types), count)
            for size in [None, 200]:
                if polars:
                    path = f"{folder}/polars-{(number := number + 1)}.parquet"
                    names = [name for name in types if "map" not in name and "time_" not in name]
                    polars.from_arrow(table.select(names)).write_parquet(path, compression=codec, row_group_size=v.r.choice([13, None]), data_page_size=size)
                    yield f"polars automatic {kind} {codec} v1 {share}", path
            for version in ["V1", "V2"]:
                if duckdb:
                    path = f"{folder}/duckdb-{(number := number + 1)}.parquet"
                    names = [name for name in types if name != "vector"]
                    source = table.select(names)  # noqa: F841: duckdb finds it by its name
                    duckdb.sql(f"COPY (SELECT * FROM source) TO '{path}' (FORMAT parquet, COMPRESSION {'lz4_raw' if codec == 'lz4' else codec}, PARQUET_VERSION {version})")
                    yield f"duckdb automatic {kind} {codec} v{version[1]} {share}", path
            if fastparquet and kind == "flat":
                for times in ["int64", "int96"]:
                    path = f"{folder}/fastparquet-{(number := number + 1)}.parquet"
                    names = [name for name in types if "decimal" not in name and "time_" not in name and name != "date"]
                    fastparquet.write(path, table.select(names).to_pandas(), compression=None if codec == "uncompressed" else codec.upper(), times=times, row_group_offsets=v.r.choice([17, 10**6]))
                    yield f"fastparquet automatic {kind} {codec} v1 {share}", path


ARROW = {
    **FLAT, **NESTED, "stamp_s": pa.timestamp("s"), "instant_s": pa.timestamp("s", "Europe/Paris"), "duration_s": pa.duration("s"), "duration_ms": pa.duration("ms"), "duration_ns": pa.duration("ns"),
    "date64": pa.date64(), "time_s": pa.time32("s"), "long_binary": pa.large_binary(), "view": pa.string_view(), "decimal_tens": pa.decimal128(5, -2), "names8": pa.dictionary(pa.int8(), pa.large_string()),
    "places_unsigned": pa.dictionary(pa.uint16(), pa.int64()),
}  # fmt: skip


def write_arrow(folder, values, count):
    number = 0
    for share, codec, is_file, chunk in itertools.product(SHARES, [None, "lz4", "zstd"], [False, True], [5, 1000]):
        for required in [False, True]:
            v = values(share)
            table = v.table(fields(ARROW, required), count)
            path = f"{folder}/pyarrow-{(number := number + 1)}.arrow"
            options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True, unify_dictionaries=is_file)
            with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(path, table.schema, options=options) as writer:
                writer.write_table(table, max_chunksize=chunk)
            yield f"pyarrow {'file' if is_file else 'stream'} {'required' if required else 'optional'} {codec} {share}", path
            # Batches that begin inside longer buffers.
            path = f"{folder}/pyarrow-{(number := number + 1)}.arrow"
            with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(path, table.schema, options=options) as writer:
                for start in range(0, count if not is_file else 1, 11):
                    writer.write_table(table.slice(start + 3, 7))
            yield f"pyarrow slices {'file' if is_file else 'stream'} {codec} {share}", path
    if not polars:
        return
    for share, codec, is_file, types, level in itertools.product(SHARES, ["uncompressed", "lz4", "zstd"], [False, True], [portable(FLAT), portable(NESTED)], [0, 1]):
        v = values(share)
        table = v.table(fields({name: types[name] for name in types if "map" not in name}), count)
        path = f"{folder}/polars-{(number := number + 1)}.arrow"
        frame = polars.from_arrow(table)
        (frame.write_ipc if is_file else frame.write_ipc_stream)(path, compression=codec, compat_level=polars.CompatLevel.newest() if level else polars.CompatLevel.oldest())
        yield f"polars {'file' if is_file else 'stream'} {'views' if level else 'offsets'} {codec} {share}", path


def odd_files(folder, values, count):
    for name, data, expected in cases():
        path = f"{folder}/odd-{name}.parquet"
        pathlib.Path(path).write_bytes(data)
        if expected not in (None, REFUSED):
            WRITTEN[path] = expected
        yield f"written by hand {'refused' if expected == REFUSED else 'odd'} {name}", path


def read(path):
    """The rows as pyarrow reads them."""
    if path in WRITTEN:
        return WRITTEN.pop(path)
    if path.endswith(".parquet"):
        # Opened as one file: a dictionary that was read as such would hide the values' own nulls.
        return rows(pq.ParquetFile(path).read())
    with open(path, "rb") as file:
        opens = pa.ipc.open_file if file.read(6) == b"ARROW1" else pa.ipc.open_stream
    with pa.memory_map(path) as source:
        return rows(opens(source).read_all())


def ask(program, path):
    program.stdin.write(path + "\n")
    program.stdin.flush()
    line = program.stdout.readline()
    if not line:
        sys.exit(f"the program ended at {path}")
    return json.loads(line)


def first_difference(ours, theirs):
    for place, (mine, other) in enumerate(zip(ours, theirs)):
        if not same(mine, other):
            names = [name for name in other if not same(mine.get(name), other[name])]
            return f"row {place}: " + "; ".join(f"{name}: {mine.get(name)!r}, pyarrow {other[name]!r}" for name in names[:2])
    return f"{len(ours)} rows, pyarrow {len(theirs)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="Fuzzing/.build/release/PrintRows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=60)
    options = parser.parse_args()
    program = subprocess.Popen([options.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    counts, seeds, shown = collections.defaultdict(collections.Counter), itertools.count(options.seed * 1_000_000), 0
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            values = lambda share: Values(next(seeds), share)  # noqa: E731
            sources = [write_parquet_of_pyarrow, write_parquet_of_others, write_arrow, odd_files]
            for what, path in itertools.chain(*(source(folder, values, options.rows) for source in sources)):
                key = " ".join(what.split()[:3])
                answer = ask(program, path)
                if "error" in answer:
                    outcome = "refused by name" if answer["code"] == "unsupportedFormat" else "failed"
                    counts[key][outcome] += 1
                    shown += 1
                    if shown < 60:
                        print(f"{what}: {answer['error'].replace(folder, '')}")
                    continue
                key += " (as written)" * (path in WRITTEN)
                try:
                    theirs = read(path)
                except OSError:
                    # pyarrow does not read all that duckdb writes: differences in pages of version 2.
                    key += " (as its writer reads)"
                    theirs = rows(duckdb.sql(f"FROM '{path}'").to_arrow_table())
                outcome = "equal" if same(answer["rows"], theirs) else "different"
                counts[key][outcome] += 1
                if outcome == "different" and (shown := shown + 1) < 60:
                    print(f"{what} ({os.path.basename(path)}): {first_difference(answer['rows'], theirs)}")
    total = collections.Counter()
    for key in sorted(counts):
        total.update(counts[key])
        print(f"{key:45} {dict(counts[key])}")
    print(f"{'all':45} {dict(total)}")
    sys.exit(1 if total["different"] or total["failed"] else 0)


if __name__ == "__main__":
    main()
