#!/usr/bin/env bash
# Makes a Python environment with the programs that Apus is compared with: TRL on PyTorch, and llama.cpp compiled for
# this processor. About 6 GB and ten minutes.
#
#   Scripts/peers/setup.sh VENV
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit
fi
if [ $# -ne 1 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
python3 -m venv "$1"
"$1/bin/pip" install --quiet torch transformers trl peft datasets accelerate gguf safetensors numpy
CMAKE_ARGS="-DGGML_NATIVE=ON" "$1/bin/pip" install --quiet llama-cpp-python
