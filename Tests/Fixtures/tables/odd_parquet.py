"""Parquet files that today's writers do not write but that the format allows: levels in packed bits, old forms of lists and maps,
LZ4 in Hadoop's frames, and files to be refused. Written byte by byte; pyarrow reads them for the comparison."""

import struct

import pyarrow as pa


def variable(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def zigzag(number):
    return variable(number << 1 if number >= 0 else (-number << 1) - 1)


def structure(fields):
    """Thrift's compact protocol: {number: int, ("i64", int), bool, text, list of structures, structure}."""
    out, last = b"", 0
    for number, value in sorted(fields.items()):
        if value is None:
            continue
        kind, data = encoded(value)
        out += bytes([number - last << 4 | kind]) + data
        last = number
    return out + b"\0"


def encoded(value):
    if isinstance(value, bool):
        return (1 if value else 2), b""
    if isinstance(value, int):
        return 5, zigzag(value)
    if isinstance(value, tuple):
        return 6, zigzag(value[1])
    if isinstance(value, str):
        return 8, variable(len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return 12, structure(value)
    kind = encoded(value[0])[0]
    data = b"".join(encoded(element)[1] for element in value)
    return 9, (bytes([len(value) << 4 | kind]) if len(value) < 15 else bytes([240 | kind]) + variable(len(value))) + data


def packed_high(levels, width):
    bits = "".join(format(level, f"0{width}b") for level in levels)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def runs(levels, width):
    """Runs of one each: the simplest that the format allows."""
    out = b"".join(variable(1 << 1) + bytes([level]) for level in levels)
    return struct.pack("<I", len(out)) + out


def lz4_hadoop(data):
    half = len(data) // 2
    parts = [data[:half], data[half:]]
    blocks = [pa.Codec("lz4_raw").compress(part).to_pybytes() for part in parts]
    return b"".join(struct.pack(">II", len(part), len(block)) + block for part, block in zip(parts, blocks))


def texts(values):
    return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)


def ints(values):
    return struct.pack(f"<{len(values)}i", *values)


def file_of(schema, columns, count, codec=0, compress=lambda data: data, extra={}):
    """A file of one row group. A column: (type, levels of repetition and definition as bytes, value count, values, level encoding)."""
    body, chunks = b"PAR1", []
    leaves = [element for element in schema[1:] if 1 in element]
    for element, (levels, value_count, values, level_encoding) in zip(leaves, columns):
        page = levels + values
        data = compress(page)
        header = structure({1: 0, 2: len(page), 3: len(data), 5: {1: value_count, 2: 0, 3: level_encoding, 4: level_encoding}})
        meta = {1: element[1], 2: [0], 3: [element[4]], 4: codec, 5: ("i64", value_count), 6: ("i64", len(header) + len(page)), 7: ("i64", len(header) + len(data)), 9: ("i64", len(body))}
        chunks.append({2: ("i64", len(body)), 3: meta, **extra.get("chunk", {})})
        body += header + data
    footer = structure({1: 1, 2: schema, 3: ("i64", count), 4: [{1: chunks, 2: ("i64", len(body)), 3: ("i64", count)}], **extra.get("file", {})})
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


ROOT = {4: "schema", 5: 1}
INT32, BYTES, FIXED = 1, 6, 7
REQUIRED, OPTIONAL, REPEATED = 0, 1, 2
REFUSED = "refused"
UTF8, MAP, MAP_KEY_VALUE, LIST, INTERVAL = 0, 1, 2, 3, 21


def cases():
    """(name, bytes, rows): as pyarrow reads them for None, and REFUSED where Apus refuses the file by name.

    pyarrow takes packed levels with their lowest bit first, which is not what Encodings.md says nor what parquet-mr wrote."""
    number = {1: INT32, 3: OPTIONAL, 4: "n"}
    levels = [1, 0, 1, 1, 0, 1, 1, 1, 0, 1]
    values = [level and place for place, level in enumerate(levels)]
    present = ints([value for value, level in zip(values, levels) if level])
    for name, data, encoding in [("packed", packed_high(levels, 1), 4), ("runs", runs(levels, 1), 3)]:
        yield f"levels_{name}", file_of([ROOT, number], [(data, 10, present, encoding)], 10), [{"n": value if level else None} for value, level in zip(values, levels)]
    yield "lz4_hadoop", file_of([ROOT, number], [(runs(levels, 1), 10, present, 3)], 10, 5, lz4_hadoop), None
    yield "lz4_unframed", file_of([ROOT, number], [(runs(levels, 1), 10, present, 3)], 10, 5, lambda data: pa.Codec("lz4_raw").compress(data).to_pybytes()), None
    # [1, 2], [], null, [3]: repetition 0 1 0 0 0, definition of an optional list of required elements 2 2 1 0 2.
    two = runs([0, 1, 0, 0, 0], 1) + runs([2, 2, 1, 0, 2], 2)
    three = ints([1, 2, 3])
    outer = {3: OPTIONAL, 4: "l", 5: 1, 6: LIST}
    yield "list_of_two_levels", file_of([ROOT, outer, {1: INT32, 3: REPEATED, 4: "element"}], [(two, 5, three, 3)], 4), None
    packed = packed_high([0, 1, 0, 0, 0], 1) + packed_high([2, 2, 1, 0, 2], 2)
    yield "list_in_packed_levels", file_of([ROOT, outer, {1: INT32, 3: REPEATED, 4: "element"}], [(packed, 5, three, 4)], 4), [{"l": [1, 2]}, {"l": []}, {"l": None}, {"l": [3]}]
    yield "list_named_array", file_of([ROOT, outer, {3: REPEATED, 4: "array", 5: 1}, {1: INT32, 3: REQUIRED, 4: "n"}], [(two, 5, three, 3)], 4), None
    yield "list_named_tuple", file_of([ROOT, outer, {3: REPEATED, 4: "l_tuple", 5: 1}, {1: INT32, 3: REQUIRED, 4: "n"}], [(two, 5, three, 3)], 4), None
    yield "list_of_three_levels", file_of([ROOT, outer, {3: REPEATED, 4: "bag", 5: 1}, {1: INT32, 3: REQUIRED, 4: "n"}], [(two, 5, three, 3)], 4), None
    pairs = [outer, {3: REPEATED, 4: "element", 5: 2}, {1: INT32, 3: REQUIRED, 4: "a"}, {1: BYTES, 3: REQUIRED, 4: "b", 6: UTF8}]
    yield "list_of_structs_in_two_levels", file_of([ROOT, *pairs], [(two, 5, three, 3), (two, 5, texts(["a", "b", "c"]), 3)], 4), None
    # A repeated field outside a list: [1, 2], [], [3], and a repeated struct.
    bare = runs([0, 1, 0, 0], 1) + runs([1, 1, 0, 1], 1)
    yield "repeated", file_of([ROOT, {1: INT32, 3: REPEATED, 4: "r"}], [(bare, 4, three, 3)], 3), None
    group = [{3: REPEATED, 4: "r", 5: 2}, {1: INT32, 3: REQUIRED, 4: "a"}, {1: BYTES, 3: REQUIRED, 4: "b", 6: UTF8}]
    yield "repeated_struct", file_of([ROOT, *group], [(bare, 4, three, 3), (bare, 4, texts(["a", "b", "c"]), 3)], 3), None
    entries = [{3: REPEATED, 4: "map", 5: 2}, {1: INT32, 3: REQUIRED, 4: "k"}, {1: BYTES, 3: REQUIRED, 4: "v", 6: UTF8}]
    for name, kind in [("map", MAP), ("map_key_value", MAP_KEY_VALUE)]:
        yield name, file_of([ROOT, {3: OPTIONAL, 4: "m", 5: 1, 6: kind}, *entries], [(two, 5, three, 3), (two, 5, texts(["a", "", "c"]), 3)], 4), None
    required = {1: INT32, 3: REQUIRED, 4: "n"}
    yield "no_rows", file_of([ROOT, number], [(b"", 0, b"", 3)], 0), None
    yield "codec_brotli", file_of([ROOT, required], [(b"", 3, three, 3)], 3, 4), REFUSED
    yield "codec_lzo", file_of([ROOT, required], [(b"", 3, three, 3)], 3, 3), REFUSED
    yield "encrypted_column", file_of([ROOT, required], [(b"", 3, three, 3)], 3, extra={"chunk": {8: {2: {1: ["n"]}}}}), REFUSED
    yield "other_file", file_of([ROOT, required], [(b"", 3, three, 3)], 3, extra={"chunk": {1: "other.parquet"}}), REFUSED
    yield "encrypted_footer", file_of([ROOT, required], [(b"", 3, three, 3)], 3)[:-4] + b"PARE", REFUSED
    interval = {1: FIXED, 2: 12, 3: REQUIRED, 4: "i", 6: INTERVAL}
    yield "interval", file_of([ROOT, interval], [(b"", 2, bytes(24), 3)], 2), REFUSED
    yield "bytes_that_are_no_text", file_of([ROOT, {1: BYTES, 3: REQUIRED, 4: "b"}], [(b"", 1, struct.pack("<I", 2) + b"\xff\xd8", 3)], 1), REFUSED
