#!/bin/sh
# Makes a model for the demo from nothing: Recipes/demo/make.sh [STEP]
# STEP is the checkpoint of the last run that becomes outputs/demo-model. Look at what eval says before it takes the place of
# Recipes/demo/model, which `apus demo` is built with.
set -eu
cd "$(dirname "$0")/../.."
step=${1:-120}
apus=.build/release/apus
[ -x "$apus" ] || swift build -c release --product apus
for run in 1 2 3; do
    "$apus" sft "Recipes/demo/sft-$run.yaml"
done
"$apus" eval --model "outputs/demo-sft-3/checkpoint-$step" --precision bf16 --temperature 1 --n 4 --max-new-tokens 48
mkdir -p outputs/demo-model
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
    cp "outputs/demo-sft-3/checkpoint-$step/$file" outputs/demo-model/
done
echo "outputs/demo-model is checkpoint $step"
