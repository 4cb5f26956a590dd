#!/bin/sh
# Pins requirements/*.in with hashes and without any index line.
set -eu
cd "$(dirname "$0")/../requirements"
options="-q --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 --python-platform x86_64-unknown-linux-gnu"
uv pip compile $options base.in -o base.txt
uv pip compile $options extras.in -o extras.txt
uv pip compile $options dev.in -o dev.txt
uv pip compile $options --no-deps model.in -o model.txt
