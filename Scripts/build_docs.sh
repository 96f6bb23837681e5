#!/usr/bin/env bash
# Builds the library's reference as a DocC archive; every warning of DocC is an error.
#
#   Scripts/build_docs.sh [FOLDER] [BUILD]
#
# FOLDER is .build/docs unless given. BUILD is the folder of a finished build, such as .build/release; without it `swift build`
# makes .build/debug. The toolchain alone does it. The archive has one module, Apus, with everything that `import Apus` gives.
# To read it: python3 -m http.server --directory .build/docs, then http://localhost:8000/documentation/apus
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit
fi
cd "$(dirname "$0")/.."
folder=${1:-.build/docs}
build=${2:-}
if [[ -z $build ]]; then
    swift build
    build=$(swift build --show-bin-path)
fi
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
python3 Scripts/symbol_graphs.py "$build" "$graphs"
docc=$(command -v docc || echo "$(dirname "$(readlink -f "$(command -v swift)")")/docc")
"$docc" convert Sources/Apus/Apus.docc --additional-symbol-graph-dir "$graphs" --warnings-as-errors \
    --fallback-bundle-identifier org.apus.Apus --fallback-display-name Apus \
    --fallback-default-module-kind Library --output-path "$folder"
echo "documentation: $folder, $(find "$folder/data" -name '*.json' | wc -l) pages"
