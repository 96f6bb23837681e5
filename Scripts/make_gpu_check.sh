#!/usr/bin/env bash
# Makes a folder that checks and times Apus on a machine with a card and no toolchain:
#
#   Scripts/make_gpu_check.sh FOLDER [SCRATCH]        here
#   python3 FOLDER/gpu_check.py                       there, in less than eight minutes
#
# FOLDER gets the programs with the static standard library, packed, the fixtures that they are checked against, and the
# scripts; it has to be less than 50 MiB. SCRATCH is where they are built, .build/gpu_check unless given: their flags are not
# those of .build.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help || $# -lt 1 ]]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    [[ $# -ge 1 ]] && exit
    exit 2
fi
folder=$(realpath -m "$1")
scratch=$(realpath -m "${2:-$(dirname "$0")/../.build/gpu_check}")
cd "$(dirname "$0")/.."
limit=$((50 << 20))

if [[ -e $folder && ! -e $folder/programs.tar.xz && -n $(ls -A "$folder") ]]; then
    echo "make_gpu_check: $folder holds something else; name a new folder" >&2
    exit 1
fi
for program in apus CheckDevice; do
    swift build -c release --static-swift-stdlib --scratch-path "$scratch" --product "$program"
done
rm -rf "$folder"
mkdir -p "$folder/Fixtures" "$folder/peers"
stripped=$(mktemp -d)
trap 'rm -rf "$stripped"' EXIT
for program in apus CheckDevice; do
    strip -o "$stripped/$program" "$scratch/release/$program"
done
# The dictionary holds a whole program: most of the second is in the first.
tar -C "$stripped" -cf - apus CheckDevice | xz -T0 --lzma2=preset=3,dict=128MiB > "$folder/programs.tar.xz"
cp -r Tests/Fixtures/{families,tiny_*,base96-slips} "$folder/Fixtures"
find "$folder/Fixtures" -name '*.py' -delete
cp Scripts/gpu_check.py "$folder"
cp Scripts/peers/{random_model.py,torch_timings.py,questions.json} "$folder/peers"
bytes=$(du -sb "$folder" | cut -f1)
if ((bytes >= limit)); then
    echo "make_gpu_check: wanted less than $limit bytes, found $bytes in $folder; see du -b $folder/*" >&2
    exit 1
fi
echo "make_gpu_check: $folder, $((bytes >> 20)) MiB"
