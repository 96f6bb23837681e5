#!/usr/bin/env bash
# Builds the library's DocC archive: Scripts/build-docs.sh [FOLDER], by default .build/docs.
# The toolchain alone does it; no plugin is needed. To read it: docc preview, or any web server on the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.build/docs}
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members > /dev/null
# The modules that the umbrella re-exports; tests and the program are not for users.
for module in Apus ApusData ApusExport ApusGeneration ApusModel ApusText ApusTrain ApusTensor ApusFormats ApusRewards; do
    find .build -path "*/symbolgraph/$module*.symbols.json" -exec cp {} "$graphs" \;
done
docc=$(command -v docc || true)
"${docc:-$(dirname "$(readlink -f "$(command -v swift)")")/docc}" convert Sources/Apus/Apus.docc \
    --additional-symbol-graph-dir "$graphs" --fallback-bundle-identifier org.apus.Apus \
    --fallback-display-name Apus --output-path "$folder"
echo "documentation: $folder"
