#!/bin/sh
# Make .venv and install the pinned set into it. $1: what to install ('.[study]', '.[dev]' or '.[site]'). Called by the Makefile.
# PYTHON names the interpreter; TORCH_INDEX may name an index of CPU-only torch wheels (0.3 GB instead of 3 GB).
set -eu
serves() { .venv/bin/python -I -X utf8 envs/serves.py 2>/dev/null; }
pip() { .venv/bin/python -I -X utf8 -m pip "$@"; }
# An interrupted set-up may have left no pip; a whole one that serves another folder was copied or moved with this one.
if ! pip --version >/dev/null 2>&1 || { [ -e .venv/study-installed ] && ! serves; }; then
    [ ! -e .venv ] || echo "Removing .venv: its set-up was interrupted, or made in another folder."
    rm -rf .venv
fi
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "actstudy: PYTHON: got '$python' ($("$python" --version 2>&1 | tail -n 1)); allowed: Python 3.11 or newer, for instance: make study PYTHON=python3.12" >&2
    exit 2
}
"$python" envs/path.py || exit 2
if [ ! -w "${HOME:-}" ]; then # builds of packages ask for one
    mkdir -p .snakemake/home
    export HOME="$PWD/.snakemake/home"
fi
case "$(uname -sm)" in
    "Linux x86_64" | "Linux aarch64") download="about 3 GB (torch with its CUDA libraries)" need=6 ;;
    *) download="about 0.4 GB" need=2 ;;
esac
[ -z "${TORCH_INDEX:-}" ] || { download="about 0.5 GB (torch for CPUs from TORCH_INDEX)" need=2; }
[ "$1" != '.[site]' ] || { download="about 0.3 GB" need=1; }
if [ ! -e .venv ]; then
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
    echo "Setting up .venv: downloads $download once, 1 to 10 minutes; needs $need GB of disk, $free GB are free."
    [ "$free" -ge "$need" ] || {
        echo "actstudy: disk: got $free GB free; needed: $need GB (a CPU-only torch needs 2: set TORCH_INDEX, see docs/commands.md)" >&2
        exit 2
    }
    "$python" -m venv .venv
fi
start=$(date +%s)
if [ -n "${TORCH_INDEX:-}" ]; then
    pip install -qq --disable-pip-version-check -c envs/constraints.txt --index-url "$TORCH_INDEX" torch torchvision
fi
pip install -qq --disable-pip-version-check -c envs/constraints.txt -e "$1"
echo "Installed $1 in $(($(date +%s) - start)) s."
