"""What PTX instructions are in C++; what they do stands in Tests/CUDAEmulation/ptx_instructions.h."""
import re

# The results of instructions in C++. {a}, {b}, ... are the operands after the target, read as the type that ends the
# instruction's name or as the type after the colon. The result has the former.
RESULTS = {
    "mov": "{a}",
    "cvta.to.global": "{a}",
    "selp": "{c:pred} ? {a} : {b}",
    "add": "{a} + {b}",
    "add.rn": "{a} + {b}",
    "sub": "{a} - {b}",
    "sub.rn": "{a} - {b}",
    "mul": "{a} * {b}",
    "mul.rn": "{a} * {b}",
    "mul.lo": "{a} * {b}",
    "mul.hi.s32": "highProduct({a}, {b})",
    "mul.hi.u32": "highProduct({a}, {b})",
    "mad.lo": "{a} * {b} + {c}",
    "fma.rn": "fused({a}, {b}, {c})",
    "fma.rm.f32": "fusedDown({a}, {b}, {c})",
    "div": "{a} / {b}",
    "div.rn": "{a} / {b}",
    "rem": "{a} % {b}",
    "neg": "-{a}",
    "abs.f32": "fabsf({a})",
    "copysign.f32": "copysignf({b}, {a})",
    "min": "smaller({a}, {b})",
    "max": "larger({a}, {b})",
    "rcp.rn": "1 / {a}",
    "rcp.approx.ftz.f32": "flushed(1 / flushed({a}))",
    "rcp.approx.ftz.f64": "roughReciprocal({a})",
    "sqrt.rn.f32": "sqrtf({a})",
    "rsqrt.approx.f32": "1 / sqrtf({a})",
    "ex2.approx.ftz.f32": "flushed(exp2f(flushed({a})))",
    "not.pred": "!{a}",
    "not": "~{a}",
    "and": "{a} & {b}",
    "or": "{a} | {b}",
    "xor": "{a} ^ {b}",
    "shl": "shiftLeft({a}, {b:u32})",
    "shr": "shiftRight({a}, {b:u32})",
    "prmt.b32": "pickBytes({a}, {b}, {c})",
    "bfi": "insertBits({a}, {b}, {c:u32}, {d:u32})",
    "bfind.shiftamt.u32": "shiftToFirst({a})",
    "brev.b32": "__builtin_bitreverse32({a})",
    "clz.b32": "__clz({a})",
    "cvt.sat.f32.f32": "saturated({a})",
    "cvt.rn.f32.f64": "(f32){a:f64}",
    "cvt.f64.f32": "{a:f32}",
}

INTEGER_COMPARISONS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<", "ls": "<=", "hi": ">", "hs": ">=",
}
# Those of floating point are false where a number is NaN; those that end with u are true.
FLOAT_COMPARISONS = {
    "eq": "{a} == {b}", "ne": "{a} < {b} || {a} > {b}", "lt": "{a} < {b}", "le": "{a} <= {b}", "gt": "{a} > {b}",
    "ge": "{a} >= {b}", "equ": "!({a} < {b} || {a} > {b})", "neu": "{a} != {b}", "ltu": "!({a} >= {b})",
    "leu": "!({a} > {b})", "gtu": "!({a} <= {b})", "geu": "!({a} < {b})",
}

SPECIAL_REGISTERS = {
    f"%{register}.{axis}": f"{variable}.{axis}"
    for register, variable in {"tid": "threadIdx", "ctaid": "blockIdx", "ntid": "blockDim", "nctaid": "gridDim"}.items()
    for axis in "xyz"
}

TYPE = r"([subf](?:8|16|32|64)|pred)"
INTEGER = r"([sub](?:8|16|32|64))"

# Instructions that are not a result of their operands: what a name has to match, and the method that translates it. It
# takes what the pattern captures and the operands.
PATTERNS = []


def translates(pattern):
    def keep(method):
        PATTERNS.append((re.compile(pattern), method))
        return method

    return keep


def size(type):
    return int(type[1:]) // 8


def split(operands):
    """Operands, which commas separate; those in braces and brackets stay together."""
    found = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,{}\[\]]+", operands)
    return [text.strip() for text in found if text.strip()]


def members(operand):
    return [text.strip() for text in operand.strip("{}").split(",")]


class Operand:
    """One in a format of RESULTS."""

    def __init__(self, kernel, text, type):
        self.kernel, self.text, self.type = kernel, text, type

    def __format__(self, type):
        return self.kernel.read(self.text, type or self.type)


class Kernel:
    """Translates the statements of a kernel."""

    def __init__(self, module, parameters):
        # Parameters are bytes by name.
        self.module, self.parameters = module, parameters
        self.registers, self.line, self.code = set(), 0, []

    def fault(self, wanted, found):
        return self.module.fault(self.line, wanted, found)

    # Statements

    def statement(self, line, label, brace, text):
        self.line = line
        if label:
            self.code.append(f"{label.strip('$')}:;")
        elif brace:
            self.code.append(brace)
        elif text.startswith("."):
            self.directive(text)
        else:
            self.instruction(text)

    def directive(self, text):
        if match := re.fullmatch(r"\.reg\s+\." + TYPE + r"\s+(.+)", text):
            names = [name for part in match.group(2).split(",") for name in self.declared(part.strip())]
            self.registers.update(names)
            type = match.group(1)
            self.code.append(f"{type} {', '.join(f'{self.register(name)} = unwritten<{type}>' for name in names)};")
        elif text.startswith(".shared"):
            self.code.append(self.module.variable(self.line, text)[1])
        elif not text.startswith(".pragma"):
            raise self.fault("a directive that Scripts/ptx_kernel.py knows", text)

    def declared(self, text):
        """The registers of a declaration: %r<3> declares %r0, %r1 and %r2."""
        match = re.fullmatch(r"(%\w+)(?:<(\d+)>)?", text)
        if not match:
            raise self.fault("names of registers", text)
        name, count = match.groups()
        return [f"{name}{i}" for i in range(int(count))] if count else [name]

    def instruction(self, text):
        match = re.fullmatch(r"(?:@(!?)(%\w+)\s+)?([\w.:]+)(?:\s+(.*))?", text, re.DOTALL)
        if not match:
            raise self.fault("an instruction", text)
        negation, predicate, name, operands = match.groups()
        code = self.translate(name, split(operands or ""))
        self.code.append(f"if ({negation}{self.register(predicate)}) {{ {code} }}" if predicate else code)

    def translate(self, name, operands):
        for pattern, method in PATTERNS:
            if match := pattern.fullmatch(name):
                arguments = [*match.groups(), *operands]
                self.require(len(arguments) == method.__code__.co_argcount - 1, f"the operands of {name}", operands)
                return method(self, *arguments)
        short, _, type = name.rpartition(".")
        result = RESULTS.get(name) or RESULTS.get(short)
        self.require(result and re.fullmatch(TYPE, type), "an instruction that Scripts/ptx_kernel.py knows", name)
        self.require(len(operands) == 1 + len(set(re.findall(r"\{(\w)", result))), f"the operands of {name}", operands)
        if short.startswith("cvt."):
            type = short.rpartition(".")[2]
        return self.write(operands[0], type, result.format(**self.values(operands[1:], type)))

    # Operands

    def require(self, condition, wanted, found):
        if not condition:
            raise self.fault(wanted, found)

    def register(self, name):
        self.require(name in self.registers, "a register", name)
        # One may be called as a type is.
        return name[1:] + "_"

    def read(self, text, type):
        if text in self.registers:
            return f"as<{type}>({self.register(text)})"
        if text in SPECIAL_REGISTERS:
            return f"as<{type}>({SPECIAL_REGISTERS[text]})"
        if text in self.parameters:
            return f"as<{type}>(addressOf(&{text}))"
        return self.module.value(self.line, text, type)

    def values(self, operands, type):
        return {letter: Operand(self, text, type) for letter, text in zip("abcd", operands)}

    def write(self, target, type, value):
        return f"put({self.register(target)}, ({type})({value}));"

    def place(self, text, space, count):
        """Where the bytes are that an operand in brackets names."""
        match = re.fullmatch(r"\[\s*([%\w$]+)\s*(?:\+\s*(-?\d+))?\s*\]", text)
        self.require(match, "an address", text)
        base, offset = match.group(1), match.group(2) or "0"
        if base in self.parameters:
            self.require(space == "param" and 0 <= int(offset) <= self.parameters[base] - count, "a parameter", text)
            return f"(char *)&{base} + {offset}"
        if space == "shared":
            return f"shared<{count}>({self.read(base, 'u32')} + {offset})"
        return f"global<{count}>({self.read(base, 'u64')} + {offset})"

    def vector(self, count, text):
        found = members(text)
        self.require(len(found) == int(count or 1), f"a vector of {count}", text)
        return found

    # Instructions

    @translates(r"mov\.b64")
    def move(self, target, source):
        if target.startswith("{"):
            halves = zip(self.vector(2, target), ["lowHalf", "highHalf"])
            return " ".join(f"put({self.register(name)}, {half}({self.read(source, 'u64')}));" for name, half in halves)
        if source.startswith("{"):
            low, high = (self.read(half, "u32") for half in self.vector(2, source))
            return self.write(target, "b64", f"join({low}, {high})")
        return self.write(target, "b64", self.read(source, "b64"))

    @translates(r"mul\.wide\.([su])(16|32)")
    def multiply_wide(self, sign, bits, target, a, b):
        wide = f"{sign}{int(bits) * 2}"
        factors = (f"({wide}){self.read(text, sign + bits)}" for text in (a, b))
        return self.write(target, wide, " * ".join(factors))

    @translates(r"setp\.(\w+)\." + TYPE)
    def compare(self, comparison, type, target, a, b):
        is_float = type.startswith("f")
        self.require(comparison in (FLOAT_COMPARISONS if is_float else INTEGER_COMPARISONS), "a comparison", comparison)
        form = FLOAT_COMPARISONS[comparison] if is_float else f"{{a}} {INTEGER_COMPARISONS[comparison]} {{b}}"
        return self.write(target, "pred", form.format(**self.values([a, b], type)))

    @translates(r"cvt\." + INTEGER + r"\." + INTEGER)
    def convert(self, to, source_type, target, source):
        return f"extend({self.register(target)}, ({to}){self.read(source, source_type)});"

    @translates(r"cvt\.rn\.(f32|f64)\." + INTEGER)
    def convert_integer(self, to, source_type, target, source):
        return self.write(target, to, self.read(source, source_type))

    @translates(r"cvt\.(rni|rzi)\.([su]32)\.(f32|f64)")
    def round(self, rounding, to, source_type, target, source):
        function = {"rni": "nearbyint", "rzi": "trunc"}[rounding]
        return self.write(target, to, f"toInteger<{to}>({function}((f64){self.read(source, source_type)}))")

    @translates(r"cvt\.rn\.bf16\.f32")
    def round_to_bf16(self, target, source):
        return self.write(target, "b16", f"toBF16({self.read(source, 'f32')})")

    @translates(r"cvt\.rn\.bf16x2\.f32")
    def round_to_pair(self, target, high, low):
        high, low = (f"(b32)toBF16({self.read(source, 'f32')})" for source in (high, low))
        return self.write(target, "b32", f"{high} << 16 | {low}")

    @translates(r"ld\.(param|global|shared|const)(?:\.nc)?(?:\.L1::no_allocate)?(?:\.v([24]))?\." + TYPE)
    def load(self, space, count, type, target, source):
        names = self.vector(count, target)
        place = self.place(source, space, len(names) * size(type))
        loads = (f"extend({self.register(name)}, load<{type}>(place + {i * size(type)}));"
                 for i, name in enumerate(names))
        return f"{{ const char *place = {place}; {' '.join(loads)} }}"

    @translates(r"st\.(global|shared)(?:\.v([24]))?\." + TYPE)
    def store(self, space, count, type, target, source):
        values = self.vector(count, source)
        place = self.place(target, space, len(values) * size(type))
        stores = (f"store(place + {i * size(type)}, {self.read(value, type)});" for i, value in enumerate(values))
        return f"{{ char *place = {place}; {' '.join(stores)} }}"

    @translates(r"bra(?:\.uni)?")
    def branch(self, label):
        return f"goto {label.strip('$')};"

    @translates(r"ret")
    def leave(self):
        return "return;"

    @translates(r"bar\.sync")
    def wait(self, barrier):
        self.require(barrier == "0", "barrier 0", barrier)
        return f"emulation::waitAtBarrier({self.here()});"

    @translates(r"bar\.warp\.sync")
    def synchronize(self, mask):
        return f"synchronizeWarp({self.read(mask, 'u32')}, {self.here()});"

    @translates(r"shfl\.sync\.bfly\.b32")
    def exchange(self, target, source, lanes, clamp, mask):
        numbers = ", ".join(self.read(text, "u32") for text in (source, lanes, clamp, mask))
        target, _, is_in_range = target.partition("|")
        # All lanes of a whole warp are.
        found = self.write(is_in_range, "pred", "true") if is_in_range else ""
        return self.write(target, "b32", f"exchange({numbers}, {self.here()})") + found

    @translates(r"vote\.sync\.ballot\.b32")
    def vote(self, target, source, mask):
        call = f"emulation::vote({self.read(mask, 'u32')}, {self.read(source, 'pred')}, {self.here()})"
        return self.write(target, "b32", call)

    @translates(r"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32")
    def multiply_matrices(self, target, a, b, c):
        a, b = (", ".join(self.read(text, "u32") for text in self.vector(*each)) for each in ((4, a), (2, b)))
        sums = ", ".join(self.read(text, "f32") for text in self.vector(4, c))
        puts = " ".join(f"put({self.register(name)}, d[{i}]);" for i, name in enumerate(self.vector(4, target)))
        return f"{{ f32 d[4] = {{{sums}}}; emulation::addProduct(d, {{{{{a}}}, {{{b}}}}}, {self.here()}); {puts} }}"

    @translates(r"ldmatrix\.sync\.aligned\.m8n8\.x4(\.trans)?\.shared\.b16")
    def load_matrices(self, transposed, target, row):
        match = re.fullmatch(r"\[(%\w+)\]", row)
        self.require(match, "an address in a register", row)
        function = "loadMatricesTransposed" if transposed else "loadMatrices"
        puts = " ".join(f"put({self.register(name)}, d[{i}]);" for i, name in enumerate(self.vector(4, target)))
        return f"{{ ::u32 d[4]; emulation::{function}(d, {self.read(match.group(1), 'u32')}, {self.here()}); {puts} }}"

    @translates(r"cp\.async\.cg\.shared\.global")
    def begin_copy(self, target, source, count, source_count):
        self.require(count == "16", "copies of 16 bytes", count)
        match = [re.fullmatch(r"\[(%\w+)\]", text) for text in (target, source)]
        self.require(all(match), "addresses in registers", f"{target}, {source}")
        target, source = self.read(match[0].group(1), "u32"), self.read(match[1].group(1), "u64")
        return f"emulation::beginCopy({target}, (const void *){source}, {self.read(source_count, 'u32')});"

    @translates(r"cp\.async\.commit_group")
    def commit_copies(self):
        return "emulation::machine->current->copyGroup++;"

    @translates(r"cp\.async\.wait_group")
    def wait_for_copies(self, kept):
        return f"emulation::completeCopies({self.read(kept, 's32')});"

    def here(self):
        return f"AT({self.line})"
