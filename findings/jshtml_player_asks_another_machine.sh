#!/usr/bin/env bash
# Animation.to_jshtml() embeds its frames; its player takes its icons from another machine.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check matplotlib==3.11.2
MPLBACKEND=agg "$folder/env/bin/python" - <<'PYTHON'
import re

import matplotlib
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure

print("matplotlib", matplotlib.__version__)
figure = Figure()
(line,) = figure.subplots().plot([0, 1], [0, 1])
moving = FuncAnimation(figure, lambda i: [line.set_data([0, i], [0, i])], frames=3)
page = moving.to_jshtml(embed_frames=True)
asked = set(re.findall(r'(?:src|href)="https?://([^/"]+)[^"]*\.css"', page))
print("expected: a page with embedded frames takes nothing from another machine")
print(f"seen: it takes a style sheet from {len(asked)} other machine(s)")
assert len(asked) == 1, "this has changed"
PYTHON
