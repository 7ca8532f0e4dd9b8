"""digitlab: recognising handwritten digits with PyTorch.

Names are imported from their modules on first use, so that `import digitlab` is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "idx": "read_idx",
    "pixels": "as_pixels",
    "data": "Digits Movements PenDigits Split batches load",
    "models": "MODELS Ensemble LeNet5 MLP PixelInput SmallCNN ThreeConv TwoConv n_parameters",
    "recipes": "RECIPES Recipe build_model document_recipes",
    "augment": "Augment change_stroke erase warp",
    "metrics": "accuracy calibration confusion_matrix nll recall",
    "inference": "Result evaluate layer_output",
    "trainer": "SCHEDULES History Interrupted Step Trainer one_cycle",
    "runs": "Run build_optimizer build_trainer load_run train",
    "measured": "Comparison compare pretrained pretrained_ensemble pretrained_run results stored",
    "reading.steps": "STEPS digitize",
    "reading.predict": "Prediction predict",
    "reading.page": "Page PageDigit read_page",
    "reading.paper": "photograph",
    "tables": "Table",
    "show.figure": "Figure",
    "show.digits": ("plot_augment plot_averages plot_classes plot_counts plot_digit plot_digits"),
    "show.movements": "Animation animate_convolution animate_movement plot_movement",
    "show.training": "plot_history plot_lr",
    "show.charts": "Axis plot_dots plot_grid plot_images plot_lines plot_paths",
    "show.results": (
        "plot_confusion plot_mistakes plot_predictions plot_reading plot_reliability plot_results"
    ),
    "show.layers": "plot_features plot_map plot_weights",
    "show.pages": "plot_page plot_steps",
    "show.graphs": "draw_blocks draw_graph graph_parts layer_table",
    "exercises.desk": "check hint progress solution",
    "widgets.augmenting": "AugmentExplorer",
    "widgets.confusion": "ConfusionExplorer",
    "widgets.layers": "LayerExplorer",
    "widgets.pad": "DigitPad",
    "widgets.samples": "SampleBrowser",
    "widgets.quiz": "guess quiz truth",
    "widgets.training": "TrainingDesk",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name == "exercises":
        return importlib.import_module("digitlab.exercises")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'digitlab' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"digitlab.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
