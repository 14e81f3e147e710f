#!/bin/sh
# Asks a server about a text over REST: sh export/predict.sh [host:port] [model]
set -eu
server="http://${1:-127.0.0.1:8501}/v1/models/${2:-albert}"

# Is it ready? "state": "AVAILABLE" says so.
curl --silent --show-error --fail "$server"

# Row form: one object, or one bare string, for each example.
curl --silent --show-error --fail "$server:predict" \
  --data '{"instances": ["A fine day.", "Too long by half."]}'

# Column form: one list for each input.
curl --silent --show-error --fail "$server:predict" \
  --data '{"inputs": {"text": ["A fine day."]}}'
