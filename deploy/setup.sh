#!/bin/sh
# Make the virtual environment: setup.sh VENV. Called by `make setup`.
# It fails with one sentence where Python is too old, or the disk too full.
set -eu
venv=$1
need_mib=1500

fail() {
  echo "setup: $1" >&2
  exit 1
}

# PYTHON overrides; else the first of the usual names that is new enough.
python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  # Python 2 writes its version where errors go.
  found=$(${PYTHON:-python3} --version 2>&1) || found="no ${PYTHON:-python3}"
  fail "Vezne needs Python 3.11 or newer and found $found; install one, or name it: make setup PYTHON=/path/to/python3.12"
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "$($python --version) lacks the venv module; install it (on Debian: apt install python3-venv)"

free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mib" -ge "$need_mib" ] ||
  fail "there are $free_mib MiB free here, and the virtual environment and the demo need $need_mib MiB"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Run a step with a line that says what it is; its output is shown only if it fails.
step() {
  say=$1
  shift
  printf 'setup: %s ...' "$say"
  started=$(date +%s)
  if "$@" >"$log" 2>&1; then
    echo " done in $(($(date +%s) - started)) s"
  else
    echo " failed"
    tail -n 20 "$log" >&2
    fail "$say failed; the lines above say why"
  fi
}

# pip comes last: without it the making was cut off, and is done again.
[ -e "$venv/bin/pip" ] || step "making $venv with $($python --version)" "$python" -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
step "installing the locked packages (about 400 MB)" \
  "$venv/bin/python" -m pip install --require-hashes -r requirements.lock
step "installing vezne" \
  "$venv/bin/python" -m pip install --no-build-isolation --no-deps -e ./gen -e .
