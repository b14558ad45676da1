#!/bin/sh
# The main job without a terminal: train the demo profile, then ask its adapter two questions.
set -eu
app=$1
runs=${FARENSE_RUNS:-checkpoints}
number=1
while [ -e "$runs/demo-$number" ]; do number=$((number + 1)); done
"$app" train --profile demo --name "demo-$number"
"$app" ask "demo-$number" 'Em que ano foi fundado o Sporting Clube Farense?'
"$app" ask "demo-$number" 'Qual é a alcunha do Farense?'
