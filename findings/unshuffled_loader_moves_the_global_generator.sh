#!/usr/bin/env bash
# Going through a DataLoader that draws nothing changes torch's global random numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import torch
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

print("torch", torch.__version__)
data = TensorDataset(torch.arange(4))
generator = torch.Generator().manual_seed(0)


def moves_the_global_generator(loader):
    before = torch.get_rng_state()
    for _ in loader:
        pass
    return not torch.equal(before, torch.get_rng_state())


seen = {
    "not shuffled, no workers": DataLoader(data),
    "a sampler with its own generator": DataLoader(
        data, sampler=RandomSampler(data, generator=generator)
    ),
    "a generator for the loader": DataLoader(data, shuffle=True, generator=generator),
}
seen = {name: moves_the_global_generator(loader) for name, loader in seen.items()}
print("expected: only what has to draw from the global generator moves it, so none of these")
print(f"seen: {seen}")
assert list(seen.values()) == [True, True, False], "this has changed"
PYTHON
