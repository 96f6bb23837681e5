#!/bin/sh
# Makes the demo's model from nothing, in outputs/demo-model: Recipes/demo/make.sh [STEP]
# STEP is the checkpoint of the second run that is taken; the evaluation at the end says whether it is a good one.
set -eu
cd "$(dirname "$0")/../.."
step=${1:-200}
apus=.build/release/apus
[ -x "$apus" ] || swift build -c release --product apus
for run in 1 2; do
    "$apus" sft "Recipes/demo/sft-$run.yaml"
done
checkpoint=outputs/demo-sft-2/checkpoint-$step
"$apus" eval --model "$checkpoint" --precision bf16 --temperature 1 --n 4 --max-new-tokens 48
mkdir -p outputs/demo-model
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
    cp "$checkpoint/$file" outputs/demo-model/
done
echo "outputs/demo-model is checkpoint $step; in place of Recipes/demo/model it is what \`apus demo\` is built with"
