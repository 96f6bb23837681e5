"""Random tables of every type that is read, and the rows that Apus has to make of them: what pyarrow reads, in the values that
ColumnType.swift names. Shared by the goldens and by Scripts/check_tables.py."""

import datetime
import decimal
import math
import random
import string

import pyarrow as pa

TEXTS = ["", "a", "yes", "no", "Was ist 2 + 2?", "the answer is 42", "the answer is 43", "é你🎉", "line\nbreak", "\u0000", "x" * 40]


def is_view(type):
    return pa.types.is_string_view(type) or pa.types.is_binary_view(type)


class Values:
    """Values of one type after another from a seed."""

    def __init__(self, seed, null_share):
        self.r = random.Random(seed)
        self.null_share = null_share

    def value(self, type, nullable=True):
        if nullable and self.r.random() < self.null_share or pa.types.is_null(type):
            return None
        r, t = self.r, pa.types
        if t.is_boolean(type):
            return r.random() < 0.5
        if t.is_integer(type):
            lowest, highest = (-(1 << type.bit_width - 1), (1 << type.bit_width - 1) - 1) if t.is_signed_integer(type) else (0, (1 << type.bit_width) - 1)
            return r.choice([lowest, highest, 0, 1, r.randint(lowest, highest), *[max(lowest, min(highest, r.randint(-100, 100)))] * 5])
        if t.is_floating(type):
            return r.choice([0.0, -1.5, 0.1, 1e30, 1e-30, math.nan, math.inf, r.gauss(0, 1), r.gauss(0, 1000)]) if type.bit_width > 16 else r.choice([0.0, -0.5, 65504.0, 6e-8, math.inf, math.nan, 0.333])
        if t.is_string(type) or t.is_large_string(type) or t.is_string_view(type):
            return r.choice(TEXTS) + r.choice(["", "", str(r.randint(0, 99))])
        if t.is_fixed_size_binary(type):
            return "".join(r.choice(string.ascii_letters) for _ in range(type.byte_width)).encode()
        if t.is_binary(type) or t.is_large_binary(type) or t.is_binary_view(type):
            return r.choice(TEXTS).encode()
        if t.is_decimal(type):
            digits = r.choice([0, 1, 5, r.randint(0, 10**type.precision - 1), 10**type.precision - 1])
            return decimal.Context(prec=80).scaleb(decimal.Decimal(digits * r.choice([1, -1])), -type.scale)
        if t.is_date(type):
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=r.choice([0, -1, 19782, r.randint(-700000, 2900000)]))
        if t.is_time(type):
            count = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[type.unit] * 86400
            return pa.scalar(r.choice([0, count - 1, r.randrange(count), r.randrange(86400) * count // 86400]), pa.int64()).cast(pa.int64()).as_py()
        if t.is_timestamp(type):
            count = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[type.unit]
            return r.choice([0, -1, 1, r.randint(-(10**9), 4 * 10**9) * count + r.randrange(count)])
        if t.is_duration(type):
            return r.choice([0, -1, 1500, r.randint(-(10**12), 10**12)])
        if t.is_dictionary(type):
            # No more values than a byte has places.
            return r.choice(TEXTS) if type.index_type.bit_width == 8 else self.value(type.value_type, False)
        if t.is_struct(type):
            return {type.field(i).name: self.value(type.field(i).type, type.field(i).nullable) for i in range(type.num_fields)}
        if t.is_map(type):
            return list({self.value(type.key_type, False): self.value(type.item_type, type.item_field.nullable) for _ in range(r.choice([0, 1, 2, 3]))}.items())
        if t.is_fixed_size_list(type):
            return [self.value(type.value_type, type.value_field.nullable) for _ in range(type.list_size)]
        return [self.value(type.value_type, type.value_field.nullable) for _ in range(r.choice([0, 1, 1, 2, 5]))]

    def column(self, field, count):
        values = [self.value(field.type, field.nullable) for _ in range(count)]
        if pa.types.is_time(field.type):
            return pa.array(values, pa.int32() if field.type.bit_width == 32 else pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type):
            return pa.array(values, pa.int64()).cast(field.type)
        if isinstance(field.type, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(field.type, self.column(pa.field("s", field.type.storage_type, field.nullable), count))
        if is_view(field.type):
            return pa.array(values, pa.string() if pa.types.is_string_view(field.type) else pa.binary()).cast(field.type)
        return pa.array(values, field.type)

    def table(self, fields, count):
        schema = pa.schema(fields)
        return pa.table([self.column(field, count) for field in schema], schema=schema)


def not_null(type, name="element"):
    return pa.field(name, type, nullable=False)


message = pa.struct([("role", pa.string()), ("content", pa.string())])
FLAT = {
    "bool": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(), "uint8": pa.uint8(), "uint16": pa.uint16(),
    "uint32": pa.uint32(), "uint64": pa.uint64(), "half": pa.float16(), "float": pa.float32(), "double": pa.float64(), "text": pa.string(), "long_text": pa.large_string(),
    "binary": pa.binary(), "fixed": pa.binary(5), "date": pa.date32(), "time_ms": pa.time32("ms"), "time_us": pa.time64("us"), "time_ns": pa.time64("ns"),
    "stamp_ms": pa.timestamp("ms"), "stamp_us": pa.timestamp("us"), "stamp_ns": pa.timestamp("ns"), "instant_ms": pa.timestamp("ms", "UTC"), "instant_ns": pa.timestamp("ns", "UTC"),
    "decimal9": pa.decimal128(9, 2), "decimal18": pa.decimal128(18, 0), "decimal38": pa.decimal128(38, 10), "decimal60": pa.decimal256(60, 7),
    "names": pa.dictionary(pa.int32(), pa.string()), "null": pa.null(),
}  # fmt: skip
NESTED = {
    "ints": pa.list_(pa.int32()), "texts": pa.list_(pa.string()), "long_list": pa.large_list(pa.float64()), "lists": pa.list_(pa.list_(pa.int64())),
    "message": message, "messages": pa.list_(message), "deep": pa.struct([("a", pa.list_(pa.int16())), ("b", pa.struct([("c", pa.string()), ("d", pa.list_(pa.bool_()))]))]),
    "map": pa.map_(pa.string(), pa.int64()), "map_of_lists": pa.map_(pa.int32(), pa.list_(message)), "list_of_maps": pa.list_(pa.map_(pa.string(), pa.string())),
    "calls": pa.list_(pa.struct([("name", pa.string()), ("arguments", pa.list_(pa.struct([("key", pa.string()), ("values", pa.list_(pa.float32()))])))])),
    "required_elements": pa.list_(not_null(pa.int64())), "required_fields": pa.struct([not_null(pa.string(), "a"), not_null(pa.list_(not_null(pa.int32())), "b")]),
    "vector": pa.list_(pa.float32(), 3), "dates": pa.list_(pa.date32()),
}  # fmt: skip


def fraction(value, per_second):
    nanoseconds = value * (10**9 // per_second)
    return "" if nanoseconds == 0 else f".{nanoseconds // 1000:06}" if nanoseconds % 1000 == 0 else f".{nanoseconds:09}"


def clock(value, unit):
    per_second = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(value, per_second)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction(rest, per_second)}"


def stamp(value, unit, zone):
    per_day = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit] * 86400
    days, rest = divmod(value, per_day)
    return f"{(datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()}T{clock(rest, unit)}" + ("+00:00" if zone else "")


def of_scalar(s):
    """What Apus makes of a value."""
    t = pa.types
    if not s.is_valid:
        return None
    if isinstance(s, pa.ExtensionScalar):
        return str(s.as_py()) if "uuid" in str(s.type) else of_scalar(s.value)
    if t.is_dictionary(s.type):
        return of_scalar(s.value)
    if t.is_map(s.type):
        return [{"key": of_scalar(entry[0]), "value": of_scalar(entry[1])} for entry in s.values]
    if t.is_struct(s.type):
        return {s.type.field(i).name: of_scalar(s[i]) for i in range(s.type.num_fields)}
    if t.is_nested(s.type):
        return [of_scalar(element) for element in s.values]
    if t.is_floating(s.type):
        return float(s.as_py()) if math.isfinite(s.as_py()) else None
    if t.is_decimal(s.type):
        return format(s.as_py(), "f")
    if t.is_date(s.type):
        return s.as_py().isoformat()
    if t.is_time(s.type):
        return clock(s.value, s.type.unit)
    if t.is_timestamp(s.type):
        return stamp(s.value, s.type.unit, s.type.tz)
    if t.is_duration(s.type):
        per_second = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[s.type.unit]
        return s.value // per_second if s.value % per_second == 0 else s.value / per_second
    value = s.as_py()
    return value.decode() if isinstance(value, bytes) else value


def rows(table):
    """The rows of a table as Apus has to print them."""
    columns = [[of_scalar(value) for value in column] for column in table.columns]
    return [dict(zip(table.column_names, row)) for row in zip(*columns)] if columns else []


def same(ours, theirs):
    """Whether values are equal, and of the same kind."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool) and isinstance(ours, str) == isinstance(theirs, str)
