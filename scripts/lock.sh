#!/usr/bin/env bash
# Write constraints.txt anew: what the newest allowed packages resolve to in an environment of their own.
# Only names and versions, so that it says nothing about where they came from.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${PYTHON:-python3}" -m venv "$fresh"
"$fresh/bin/python" -m pip install -q -e '.[dev,train]'
{
  echo '# What `pip install -e .[dev,train]` resolved to in a fresh environment (`make lock` writes it anew).'
  # 2.13.0+cpu and 2.13.0+cu13 are builds of one version
  "$fresh/bin/python" -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[^ ]+$' | sed 's/+.*//'
} >constraints.txt
