#!/usr/bin/env bash
# Optimizer.load_state_dict keeps the tensors it is given; Module.load_state_dict copies them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import copy

import torch
from torch import nn

print("torch", torch.__version__)
model = nn.Linear(2, 1)


def new_optimizer():
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


first = new_optimizer()
model(torch.ones(1, 2)).sum().backward()
first.step()
kept_optimizer, kept_model = copy.deepcopy([first.state_dict(), model.state_dict()])
momentum = kept_optimizer["state"][0]["momentum_buffer"].clone()
weight = kept_model["weight"].clone()

second = new_optimizer()
second.load_state_dict(kept_optimizer)
model.load_state_dict(kept_model)
second.step()  # changes the weights and the momentum

same_model = torch.equal(weight, kept_model["weight"])
same_optimizer = torch.equal(momentum, kept_optimizer["state"][0]["momentum_buffer"])
print("expected: a step after loading leaves both loaded dictionaries as they were")
print(f"seen: the model's is unchanged: {same_model}; the optimizer's: {same_optimizer}")
assert (same_model, same_optimizer) == (True, False), "this has changed"
PYTHON
