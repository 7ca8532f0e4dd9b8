"""What the layers of a model do with a digit."""

from __future__ import annotations

import dataclasses

from ipywidgets import HTML, HBox, Layout, VBox
from matplotlib.figure import Figure as MplFigure
from torch import nn

from digitlab.data import Split
from digitlab.geometry import SIZE
from digitlab.inference import layer_output
from digitlab.pixels import as_pixels
from digitlab.show.digits import plot_digit
from digitlab.show.figure import Figure, need_digits
from digitlab.show.layers import plot_features, plot_weights
from digitlab.widgets.base import Explorer, sheet, show
from digitlab.widgets.controls import Choice, Slider


class LayerExplorer(Explorer):
    """Send any digit through any layer: see the layer's filters, and what it makes of the digit.

    Args:
        model: any model; it stays as it is.
        split: the digits.

    Attributes:
        position: of the digit in the split.
        layer: its name in `model.named_modules()`.
        channel: which input of a convolution its filters are shown for.

    Raises:
        ValueError: for no digits, or a model without layers.
    """

    def __init__(self, model: nn.Module, split: Split) -> None:
        need_digits(split)
        self.model, self.split = model, split
        layers = {
            name: layer
            for name, layer in model.named_modules()
            if name and not any(layer.children())
        }
        if not layers:
            raise ValueError("this model holds no layers; put them into a torch.nn.Sequential")
        names = {f"{name}: {type(layer).__name__}": name for name, layer in layers.items()}
        # the first layer with filters, or where none has them, the first
        start = max(layers, key=lambda name: _n_channels(layers[name]) > 0)
        self.position = Slider(max=len(split) - 1, description="Position")
        self.position.layout.width = "420px"
        self.layer = Choice(options=names, value=start, description="Layer")
        self.channel = Slider(description="Input channel")
        self._digit, self._filters, self._output = HTML(), HTML(), HTML()
        controls = VBox([self.position, self.layer, self.channel], layout=Layout(flex="1 1 300px"))
        top = HBox([self._digit, controls], layout=Layout(align_items="center"))
        super().__init__([top, self._filters, self._output])
        self._enter()
        self._look()
        self.layer.observe(self._enter, "value")
        self.layer.observe(self._look, "value")
        self.position.observe(self._look, "value")
        self.channel.observe(self._show_filters, "value")

    @property
    def _layer(self) -> nn.Module:
        return self.model.get_submodule(self.layer.value)

    def _enter(self, _: object = None) -> None:
        """Show the filters of another layer."""
        last = max(_n_channels(self._layer) - 1, 0)
        self.channel.max, self.channel.unit = last, f"of 0 to {last}"
        self.channel.layout.display = None if last else "none"
        self._show_filters()

    def _look(self, _: object = None) -> None:
        """Show a digit, and what the layer makes of it."""
        show(self._digit, self._plot_digit())
        show(self._output, self._plot_output())

    def _show_filters(self, _: object = None) -> None:
        if _n_channels(self._layer):
            show(self._filters, self._plot_filters())
        else:
            self._filters.value = f"<p>{self._no_filters()}</p>"

    def _plot_digit(self) -> Figure:
        position = int(self.position.value)
        image, label = self.split.images[position], int(self.split.labels[position])
        ax = MplFigure(figsize=(1.7, 1.9), layout="constrained").subplots()
        figure = plot_digit(image, values=False, ax=ax)
        ax.set_axis_off()
        ax.set_title(f"a {label}", size="medium")
        return dataclasses.replace(figure, alt=f"Position {position}, a {label}: {figure.alt}")

    def _plot_filters(self) -> Figure:
        layer, channel = self._layer, int(self.channel.value)
        if isinstance(layer, nn.Linear):
            return plot_weights(layer.weight)
        assert isinstance(layer, nn.Conv2d)
        n, _, _, width = layer.weight.shape
        return plot_weights(
            layer.weight[:, channel : channel + 1], n=64, columns=_columns(n, width)
        )

    def _no_filters(self) -> str:
        """Say why there is no figure of this layer's weights."""
        shapes = [" x ".join(map(str, weight.shape)) for weight in self._layer.parameters()]
        if not shapes:
            return f"{self.layer.value} has no weights: it learns nothing."
        return f"The weights of {self.layer.value} ({' and '.join(shapes)}) do not lie on pixels."

    def _plot_output(self) -> Figure:
        image = as_pixels(self.split.images[int(self.position.value)])
        output = layer_output(self.model, image, self.layer.value)
        columns = _columns(output.shape[1], output.shape[3]) if output.ndim == 4 else 8
        return plot_features(output, columns=columns)

    def snapshot(self) -> Figure:
        filters = [[self._plot_filters()]] if _n_channels(self._layer) else []
        rows = [[self._plot_digit()], *filters, [self._plot_output()]]
        return sheet(rows, f"Layer {self.layer.value}")


def _n_channels(layer: nn.Module) -> int:
    """Return how many inputs the layer has filters for; 0 where its weights make no figure."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.shape[1]
    return int(isinstance(layer, nn.Linear) and layer.in_features == SIZE**2)


def _columns(n: int, width: int) -> int:
    """Return how many images of this width in pixels go in a row: many of them stay low."""
    return 8 if n <= 32 else max(8, min(16, 345 // (width + max(1, width // 14))))
