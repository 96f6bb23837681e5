#!/usr/bin/env python3
"""Writes tables.bin, small Parquet and Arrow files one behind another, and tables.json, where each is and the rows that pyarrow
reads from it. Needs pyarrow 26, polars 2 and duckdb 2; the same bytes come every time.

usage: Tests/Fixtures/tables/parquet_golden.py
"""

import itertools
import json
import pathlib
import tempfile

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from odd_parquet import REFUSED, cases
from table_rows import FLAT, NESTED, Values, rows

here = pathlib.Path(__file__).parent
ENCODINGS = {
    "PLAIN": ["bool", "int16", "uint64", "float", "text", "fixed", "decimal38"], "DELTA_BINARY_PACKED": ["int32", "int64", "uint64"], "DELTA_LENGTH_BYTE_ARRAY": ["text", "binary"],
    "DELTA_BYTE_ARRAY": ["text", "fixed"], "BYTE_STREAM_SPLIT": ["float", "double", "int32", "int64", "fixed"], "RLE": ["bool"],
}  # fmt: skip
ARROW = {
    **FLAT, "stamp_s": pa.timestamp("s"), "duration": pa.duration("ms"), "date64": pa.date64(), "long_binary": pa.large_binary(), "tens": pa.decimal128(5, -2),
    "view": pa.string_view(), "names8": pa.dictionary(pa.uint8(), pa.large_string()),
}  # fmt: skip
seeds = itertools.count(1)
files = []


def fields(types, nullable=True):
    return [pa.field(name, type, nullable=nullable or pa.types.is_null(type)) for name, type in types.items()]


def some(types, share, count=9, required=False):
    return Values(next(seeds), share).table(fields(types, not required), count)


def parquet(name, table, **options):
    path = folder / "table.parquet"
    pq.write_table(table, path, **{"compression": "none", "store_schema": False, "write_statistics": False, **options})
    files.append((f"{name}.parquet", path.read_bytes(), rows(pq.ParquetFile(path).read())))


def of_pyarrow():
    for (encoding, names), version, share in itertools.product(ENCODINGS.items(), ["1.0", "2.0"], [0, 0.3, 1]):
        if (encoding, version) != ("RLE", "1.0"):
            types = {name: FLAT[name] for name in names}
            parquet(f"{encoding} v{version} {share}", some(types, share, 20), use_dictionary=False, column_encoding={name: encoding for name in types}, data_page_version=version, data_page_size=64, write_batch_size=5)
    for codec, version in itertools.product(["snappy", "gzip", "zstd", "lz4"], ["1.0", "2.0"]):
        parquet(f"{codec} v{version}", some({name: FLAT[name] for name in ("text", "int64")} | {"message": NESTED["message"]}, 0.3, 40), compression=codec, data_page_version=version)
    for name, is_dictionary in itertools.product(NESTED, [False, True]):
        parquet(f"{name} {'dictionary' if is_dictionary else 'plain'}", some({name: NESTED[name]}, 0.3, 12), use_dictionary=is_dictionary, data_page_version="2.0" if is_dictionary else "1.0", data_page_size=40, write_batch_size=3)
    for share in [0, 0.3, 1]:
        for format in ["1.0", "2.6"]:
            types = {name: type for name, type in FLAT.items() if format == "2.6" or not name.endswith("_ns")}
            parquet(f"every type of format {format} {share}", some(types, share, 6), version=format)
    parquet("required", some({**FLAT, **NESTED}, 0, 5, required=True), use_dictionary=False)
    parquet("int96", some({"stamp_ns": FLAT["stamp_ns"]}, 0.3), use_deprecated_int96_timestamps=True)
    parquet("elements named item", some({"messages": NESTED["messages"]}, 0.3), use_compliant_nested_type=False)
    parquet("row groups", some({"text": FLAT["text"], "ints": NESTED["ints"]}, 0.3, 30), row_group_size=7)
    parquet("dictionary that ends", some({"text": FLAT["text"]}, 0.3, 60), dictionary_pagesize_limit=64, data_page_size=40, write_batch_size=5)
    parquet("decimals as integers", some({"decimal9": FLAT["decimal9"], "decimal18": FLAT["decimal18"]}, 0.3), store_decimal_as_integer=True)
    parquet("uuid", pa.table({"id": pa.array([bytes(range(16)), None], pa.uuid())}))
    parquet("empty", some({"text": FLAT["text"], "messages": NESTED["messages"]}, 0, 0))
    # More values than are decoded at once.
    long = {"bool": FLAT["bool"], "names": FLAT["names"], "int8": FLAT["int8"], "lists": pa.list_(pa.bool_())}
    for version in ["1.0", "2.0"]:
        parquet(f"long v{version}", some(long, 0.3, 600), data_page_version=version, use_dictionary=["names"], column_encoding={"int8": "DELTA_BINARY_PACKED"})


def of_others():
    path = folder / "table.parquet"
    table = some({"text": FLAT["text"], "int64": FLAT["int64"], "date": FLAT["date"], "messages": NESTED["messages"], "ints": NESTED["ints"]}, 0.3, 12)
    for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4"]:
        polars.from_arrow(table).write_parquet(path, compression=codec, statistics=False)
        files.append((f"polars {codec}.parquet", path.read_bytes(), rows(pq.ParquetFile(path).read())))
    pq.write_table(table, folder / "source.parquet")
    for version in ["V1", "V2"]:
        duckdb.sql(f"COPY (FROM '{folder}/source.parquet') TO '{path}' (FORMAT parquet, PARQUET_VERSION {version})")
        # pyarrow does not read what duckdb writes as version 2.
        files.append((f"duckdb {version}.parquet", path.read_bytes(), rows(duckdb.sql(f"FROM '{path}'").to_arrow_table())))


def arrow(name, table, is_file, size=None, **options):
    path = folder / "table.arrow"
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=size)
    with pa.memory_map(str(path)) as source:
        expected = rows((pa.ipc.open_file if is_file else pa.ipc.open_stream)(source).read_all())
    files.append((f"{name}.arrow", path.read_bytes(), expected))


def of_arrow():
    for is_file, share in itertools.product([False, True], [0, 0.3, 1]):
        arrow(f"every type {is_file} {share}", some(ARROW, share, 6), is_file)
    for is_file, codec in itertools.product([False, True], ["lz4", "zstd"]):
        arrow(f"{codec} {is_file}", some({"text": FLAT["text"], "messages": NESTED["messages"], "int64": FLAT["int64"]}, 0.3, 40), is_file, compression=codec)
    arrow("nested", some(NESTED, 0.3, 9), False)
    arrow("nested, required", some(NESTED, 0, 4, required=True), True)
    names = [pa.table({"names": pa.array(words).dictionary_encode()}) for words in (["a", "b", None], ["b", "c", "a"], ["d"])]
    arrow("dictionary that grows", pa.concat_tables(names).unify_dictionaries(), False, 2, emit_dictionary_deltas=True)
    arrow("dictionaries that change", pa.concat_tables(names), False)
    arrow("many batches", some({"text": FLAT["text"], "ints": NESTED["ints"]}, 0.3, 20), True, 6)
    arrow("empty", some({"text": FLAT["text"]}, 0, 0), False)
    arrow("long", some({"int8": FLAT["int8"], "lists": pa.list_(pa.bool_())}, 0.3, 600), False)
    path = folder / "table.arrow"
    for newest in [False, True]:
        frame = polars.from_arrow(some({"text": FLAT["text"], "texts": NESTED["texts"]}, 0.3, 12))
        frame.write_ipc(path, compat_level=polars.CompatLevel.newest() if newest else polars.CompatLevel.oldest())
        files.append((f"polars {newest}.arrow", path.read_bytes(), rows(pa.ipc.open_file(path.read_bytes()).read_all())))


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    of_pyarrow()
    of_others()
    of_arrow()
    for name, data, expected in cases():
        if expected is None:
            (folder / "odd.parquet").write_bytes(data)
            expected = rows(pq.ParquetFile(folder / "odd.parquet").read())
        files.append((f"odd {name}.parquet", data, expected))

offset, entries = 0, []
for name, data, expected in files:
    entries.append({"name": name, "offset": offset, "size": len(data)} | ({"refused": True} if expected == REFUSED else {"rows": expected}))
    offset += len(data)
(here / "tables.bin").write_bytes(b"".join(data for _, data, _ in files))
lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries)
(here / "tables.json").write_text(f"[\n{lines}\n]\n")
print(f"{len(files)} files, {offset} bytes")
