#!/bin/sh
# Writes a file for --ssl_config_file, which holds keys and certificates themselves, not their paths:
# sh export/ssl_config.sh server.key server.crt [clients-ca.crt] > ssl.config
# With the third file, clients must show a certificate that it signed. TLS is for gRPC; put a proxy
# in front of REST. The output holds the private key: keep it from others.
set -eu
umask 077
field() {
  printf '%s: "' "$1"
  awk '{ gsub(/["\\]/, "\\\\&"); sub(/\r$/, ""); printf "%s\\n", $0 }' "$2"
  printf '"\n'
}
field server_key "$1"
field server_cert "$2"
if [ $# -gt 2 ]; then
  field custom_ca "$3"
  echo 'client_verify: true'
else
  echo 'client_verify: false'
fi
