#!/bin/sh
# Render the manifests with a real kustomize and check them against strict schemas: validate.sh BIN.
set -eu
rendered=$(mktemp --suffix=.yaml)
trap 'rm -f "$rendered"' EXIT
"$1/kubectl" kustomize deploy/k8s/base >"$rendered"
"$1/kubernetes-validate" --strict --quiet "$rendered"
