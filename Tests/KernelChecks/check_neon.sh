#!/usr/bin/env bash
# Checks the NEON kernels on any Linux machine: cross-compiles them for 64-bit ARM and runs them in qemu's emulation
# of a processor with bf16 dot products. Needs clang and three Debian packages, which it names when they are missing.
#
#   Tests/KernelChecks/check_neon.sh [--if-possible]   (with it, missing packages are said and not an error)
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit
fi
cd "$(dirname "$0")/../.."

missing=()
command -v qemu-aarch64-static > /dev/null || missing+=(qemu-user-static)
command -v aarch64-linux-gnu-gcc > /dev/null || missing+=(gcc-aarch64-linux-gnu)
test -e /usr/aarch64-linux-gnu/lib/libc.a || missing+=(libc6-dev-arm64-cross)
command -v clang > /dev/null || missing+=(clang)
if ((${#missing[@]})); then
    echo "check_neon: skipped; it needs: apt-get install ${missing[*]}" >&2
    [[ "${1:-}" == --if-possible ]] && exit 0
    exit 1
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
# The flags of Package.swift.
flags=(-O3 -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-function)
for source in Sources/CKernels/*.c Tests/CKernelsEmulation/*.c Tests/KernelChecks/*.c; do
    clang --target=aarch64-linux-gnu "${flags[@]}" -ISources/CKernels/include -ISources/CKernels -c "$source" \
        -o "$build/$(basename "$source" .c).o"
done
aarch64-linux-gnu-gcc -static "$build"/*.o -lm -o "$build/check_kernels"
qemu-aarch64-static -cpu max "$build/check_kernels" neon neon-bf16
# A processor without bf16 dot products must not be given them.
qemu-aarch64-static -cpu cortex-a72 "$build/check_kernels" > "$build/old.txt"
grep -x 'chosen: neon' "$build/old.txt"
echo "check_neon: passed"
