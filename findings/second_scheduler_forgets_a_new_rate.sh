#!/usr/bin/env bash
# A second learning-rate scheduler starts from the rate before the first one, not from the one just set.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import torch

print("torch", torch.__version__)
optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)

(group,) = optimizer.param_groups
group["lr"] = 0.01  # fine-tuning: a tenth of the rate
torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
kept = group["lr"]

del group["initial_lr"]
group["lr"] = 0.01
torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
print("expected: a new scheduler scales the rate that was set, 0.01")
print(f"seen: {kept}; with the left-over group['initial_lr'] deleted first: {group['lr']}")
assert (kept, group["lr"]) == (0.1, 0.01), "this has changed"
PYTHON
