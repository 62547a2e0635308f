#!/bin/sh
# Fail if gen/ is not what protos/ generates: check_drift.sh BIN. Called by `make lint`.
set -eu
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
cp -R gen "$kept/"
"$1/python" protos/generate.py
if ! diff -r -q -x __pycache__ -x '*.egg-info' "$kept/gen" gen; then
  echo "protos: gen/ was not what protos/ generates; it is now. Look at the change and commit it." >&2
  exit 1
fi
