#!/usr/bin/env bash
# Saving an AVIF picture takes the orientation out of the Exif object that was handed over.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check pillow==13.0.0
"$folder/env/bin/python" - <<'PYTHON'
import io

import PIL
from PIL import ExifTags, Image, ImageOps

print("Pillow", PIL.__version__)


def shown(container, exif):
    """Save a picture of 4 x 2 pixels, and return the size of the upright one that is read back."""
    file = io.BytesIO()
    Image.new("RGB", (4, 2)).save(file, container, exif=exif)
    return ImageOps.exif_transpose(Image.open(file)).size


seen = {}
for container in ("JPEG", "PNG", "WEBP", "AVIF"):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    seen[container] = shown(container, exif), shown(container, exif)
print("expected: two pictures that are saved with one Exif object are turned alike: (2, 4), (2, 4)")
print(f"seen: {seen}")
turned = ((2, 4), (2, 4))
others = {"JPEG": turned, "PNG": turned, "WEBP": turned}
assert seen == {**others, "AVIF": ((2, 4), (4, 2))}, "this has changed"
PYTHON
