#!/usr/bin/env bash
# The size of an opened TIFF is turned already, while its EXIF data still say that it is to be turned.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check Pillow==13.0.0
"$folder/env/bin/python" - <<'PYTHON'
import io

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
exif = Image.Exif()
exif[0x0112] = 6  # to be turned by a quarter
seen = {}
for form in ("PNG", "JPEG", "WEBP", "TIFF"):
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, form, exif=exif)
    picture = Image.open(file)
    before = picture.size, picture.getexif().get(0x0112)
    picture.load()
    seen[form] = [before, (picture.size, picture.getexif().get(0x0112))]
print("expected: in each format the stored size and the turn, before and after load()")
print(f"seen: {seen}")
assert seen.pop("TIFF") == [((32, 64), 6), ((32, 64), None)], "this has changed"
assert all(both == [((64, 32), 6)] * 2 for both in seen.values()), "this has changed"
PYTHON
