#!/usr/bin/env bash
# An uncompressed TIFF that lies on its side is garbled where it is opened by its path, not as a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check Pillow==13.0.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
exif = Image.Exif()
exif[0x0112] = 6  # to be turned by a quarter
seen = {}
for mode in ("L", "P", "RGBA", "I;16", "RGB", "1", "F"):
    grey = Image.radial_gradient("L").resize((64, 32))
    (grey.convert("I") if mode == "I;16" else grey).convert(mode).save("a.tiff", exif=exif)
    with Image.open("a.tiff") as by_path:
        by_path.load()
    with open("a.tiff", "rb") as file, Image.open(file) as by_file:
        by_file.load()
    seen[mode] = by_path.size, by_file.size, by_path.tobytes() == by_file.tobytes()
right = (32, 64), (32, 64), True
print(f"expected: size by path, size by file, equal pixels: {right} in each mode")
print(f"seen: {seen}")
wrong = {mode for mode, facts in seen.items() if facts != right}
assert wrong == {"L", "P", "RGBA", "I;16"}, "this has changed"
assert seen["L"] == ((64, 32), (32, 64), False), "this has changed"
PYTHON
