#!/usr/bin/env bash
# Builds the emulated card as a library, for programs that open NVIDIA's driver by its name:
#
#   Tests/CUDAEmulation/build_library.sh OUT.so
#   APUS_LIBCUDA=OUT.so apus train run.yaml --device cuda
#
# With EMULATION_FAIL=cuLaunchKernel:5000:719 the card is lost at the 5000th launch; include/cuda_emulation.h says more.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help || $# != 1 ]]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    [[ $# == 1 ]] && exit
    exit 2
fi
library=$(realpath -m "$1")
cd "$(dirname "$0")"
# The toolchain's own compiler, as for the tests.
compiler=$(dirname "$(readlink -f "$(command -v swift)")")/clang++
[[ -x $compiler ]] || compiler=clang++
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for source in blas controls device driver driver_memory kernel_library kernels memory; do
    "$compiler" -std=c++20 -O2 -fPIC -fvisibility=hidden -Wall -Wextra -Werror -DAPUS_EMULATION -DAPUS_EMULATION_LIBRARY \
        -I. -Iinclude -I../../Sources/CCUDA/include -c "$source.cpp" -o "$build/$source.o"
done
"$compiler" -shared "$build"/*.o -o "$library"
echo "build_library: $library, $(nm -D --defined-only "$library" | grep -c ' T cu[A-Z]') functions of the driver"
