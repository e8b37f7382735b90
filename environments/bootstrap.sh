#!/bin/sh
# Prints the path of a `uv`, installing one where there is none: a newcomer's machine has only git, make and Python.
# The version is pinned, so that the lock file is read by the program that wrote it.
set -eu

UV_VERSION=0.13.9
tools="${XDG_CACHE_HOME:-$HOME/.cache}/chatcluster/tools/uv-$UV_VERSION"

say() { printf '%s\n' "$*" >&2; }

if command -v uv >/dev/null 2>&1; then
    command -v uv
    exit 0
fi
if [ -x "$tools/bin/uv" ]; then
    printf '%s\n' "$tools/bin/uv"
    exit 0
fi

command -v python3 >/dev/null 2>&1 || { say "python3 is missing. Install Python 3.11 or newer: apt-get install python3"; exit 1; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed; this is $(python3 -V)."; exit 1; }

# Debian ships venv apart from python3.
if ! python3 -c 'import ensurepip' >/dev/null 2>&1; then
    say "Installing python3-venv"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv; } >&2 ||
        { say "python3-venv could not be installed. Run as root, or install it by hand: apt-get install python3-venv"; exit 1; }
fi

say "Installing uv $UV_VERSION"
rm -rf "$tools.new"
python3 -m venv "$tools.new"
"$tools.new/bin/pip" --quiet --disable-pip-version-check install "uv==$UV_VERSION" >&2
rm -rf "$tools"
mv "$tools.new" "$tools"
printf '%s\n' "$tools/bin/uv"
