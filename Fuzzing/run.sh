#!/usr/bin/env bash
# Fuzzes one reader: usage: Fuzzing/run.sh FuzzGGUF -runs=5000000
# What follows the name goes to libFuzzer. New inputs are kept in Fuzzing/.build/corpus, and one that fails in the current
# folder; run the same with its name to see the failure again. A single allocation above 1 MB is a failure too.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
reader=$1
shift
swift build --package-path "$folder" -c release --product "$reader"
corpus="$folder/.build/corpus/$reader"
mkdir -p "$corpus"
options=(-max_len=8192 -malloc_limit_mb=1 -timeout=5 -print_final_stats=1)
case $reader in
FuzzGGUF | FuzzSentencePiece | FuzzParquet | FuzzArrow | FuzzTextTable) ;;
FuzzTokenizer) options+=(-dict="$folder/tokenizer.dict") ;;
FuzzTemplate) options+=(-dict="$folder/jinja.dict") ;;
*) options+=(-dict="$folder/json.dict") ;;
esac
# Swift's own report of a crash would stand in the way of the sanitizer's.
export SWIFT_BACKTRACE=enable=no
exec "$folder/.build/release/$reader" "${options[@]}" "$@" "$corpus" "$folder/Seeds/$reader"
