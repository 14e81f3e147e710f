#!/bin/sh
# Asks a server over gRPC with grpcurl, which learns the messages from the server's reflection:
# sh export/grpcurl.sh [host:port] [model]
set -eu
server="${1:-127.0.0.1:8500}"
model="${2:-albert}"

# What is there, and does it serve? TensorFlow Serving wants --enable_grpc_healthcheck_service.
grpcurl -plaintext "$server" list
grpcurl -plaintext -d '{"service": "PredictionService"}' "$server" grpc.health.v1.Health/Check
grpcurl -plaintext -d '{"model_spec": {"name": "'"$model"'"}}' \
  "$server" tensorflow.serving.ModelService/GetModelStatus

# Bytes are base64 in JSON: QSBmaW5lIGRheS4= is "A fine day."
grpcurl -plaintext -max-time 10 -d '{
  "model_spec": {"name": "'"$model"'", "signature_name": "serving_default"},
  "inputs": {"text": {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": 1}]},
                      "string_val": ["QSBmaW5lIGRheS4="]}}
}' "$server" tensorflow.serving.PredictionService/Predict
