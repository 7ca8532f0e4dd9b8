#!/usr/bin/env bash
# pillow-heif keeps an orientation that is given as bytes, and drops that of an Exif object.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check \
  pillow==13.0.0 pillow-heif==1.8.1
"$folder/env/bin/python" - <<'PYTHON'
import io

import pillow_heif
from PIL import ExifTags, Image

print("pillow-heif", pillow_heif.__version__)
pillow_heif.register_heif_opener()
exif = Image.Exif()
exif[ExifTags.Base.Orientation] = 6


def shown(exif):
    """Save a picture of 64 x 32 pixels, and return the size that is read back."""
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, "HEIF", exif=exif)
    return Image.open(file).size


seen = shown(exif), shown(exif.tobytes())
print("expected: the same quarter turn by an Exif object and by its bytes: (32, 64) twice")
print(f"seen: {seen[0]} and {seen[1]}")
assert seen == ((64, 32), (32, 64)), "this has changed"
PYTHON
