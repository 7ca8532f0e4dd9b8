"""digitlab: recognising handwritten digits with PyTorch.

Names are imported from their modules on first use, so that `import digitlab` is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "augment": "Augment change_stroke erase warp",
    "data": "Digits Split as_pixels batches load",
    "files": "read_idx",
    "models": (
        "MODELS Ensemble LeNet5 MLP PixelInput SmallCNN ThreeConv TwoConv build_model n_parameters"
    ),
    "recipes": "RECIPES Recipe document_recipes",
    "metrics": "accuracy calibration confusion_matrix nll recall",
    "trainer": "SCHEDULES History Result Step Trainer evaluate one_cycle",
    "runs": (
        "Comparison Run build_optimizer build_trainer compare load_run pretrained "
        "pretrained_ensemble pretrained_run results stored train"
    ),
    "prediction": "Prediction predict",
    "page": "Page PageDigit read_page",
    "paper": "photograph",
    "picture": "Picture",
    "plots": (
        "plot_augment plot_averages plot_classes plot_counts plot_digit plot_digits plot_history "
        "plot_lr plot_steps"
    ),
    "page_plots": "plot_page",
    "result_plots": (
        "plot_confusion plot_mistakes plot_predictions plot_reading plot_reliability plot_results "
        "plot_scaling"
    ),
    "layer_plots": "layer_output plot_features plot_map plot_weights",
    "graphs": "draw_blocks draw_graph layer_table",
    "widgets.augmenting": "AugmentExplorer",
    "widgets.confusion": "ConfusionExplorer",
    "widgets.layers": "LayerExplorer",
    "widgets.pad": "DigitPad",
    "widgets.samples": "SampleBrowser",
    "widgets.training": "TrainingDesk",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'digitlab' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"digitlab.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
