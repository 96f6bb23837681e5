#!/bin/sh
# Makes the demo's model from nothing: Recipes/demo/make.sh [STEP]
# STEP is the checkpoint of the second run that becomes Recipes/demo/model.
set -eu
cd "$(dirname "$0")/../.."
step=${1:-240}
apus=.build/release/apus
[ -x "$apus" ] || swift build -c release --product apus
"$apus" sft Recipes/demo/sft-1.yaml
"$apus" sft Recipes/demo/sft-2.yaml
mkdir -p Recipes/demo/model
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
    cp "outputs/demo-sft-2/checkpoint-$step/$file" Recipes/demo/model/
done
echo "Recipes/demo/model is checkpoint $step"
