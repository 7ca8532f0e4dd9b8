"""What a model is made of: a table of its layers, a block diagram, architecture graphs."""

from __future__ import annotations

import html
import importlib
import io
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from digitlab.names import unknown
from digitlab.show.figure import Figure, canvas, count, described_png, img_tag, save_as
from digitlab.tables import Table

KINDS = ("layers", "autograd")
# A second drawing of one graph crashes pygraphviz, so it draws in a process of its own.
PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1][2:], prog="dot"))
"""
RENDERERS = {"dot": ["dot"], "pygraphviz": [sys.executable, "-c", PYGRAPHVIZ]}
INSTALL = "run `pip install pygraphviz`, or install Graphviz, and draw the graph again"
PER_ROW, HIGH = 10, 2.3  # blocks in a row of the block diagram, each an inch wide; inches
MAPS, NEURONS = "#bcdcf0", "#f6d9a8"
STYLES = {
    "tensor": {"shape": "ellipse", "fillcolor": "#fdf3d8"},
    "weights": {"shape": "box", "fillcolor": "#d6e8f5"},
    "plain": {"shape": "box", "style": "filled,rounded", "fillcolor": "white"},
}


@dataclass(frozen=True)
class Layer:
    """Hold one layer as a model runs it."""

    name: str  # where it is in the model: "layers.1"
    type: str  # its class: "Conv2d"
    details: str  # its sizes: "1 to 16, 3 x 3"
    shape: tuple[int, ...]  # of its output for one digit, without the batch
    parameters: int  # weights and biases; 0 where a layer is used again
    mult_adds: int  # multiplications with an addition for one digit, as torchinfo counts them

    @property
    def words(self) -> str:
        return f"{self.type} {self.details}".strip()


@dataclass(frozen=True, repr=False)
class LayerTable:
    """Hold the layers of a model in the order in which they run."""

    model: str  # its class
    layers: tuple[Layer, ...]  # without the containers around them
    parameters: int  # weights and biases of the model

    @property
    def alt(self) -> str:
        """What a figure of these layers shows."""
        return self.said_of([layer.words for layer in self.layers])

    def said_of(self, layers: Sequence[str]) -> str:
        """Say what the model does by way of these layers."""
        return f"{self._summary(len(layers))}: {'; '.join(layers)}."

    def _summary(self, n_layers: int) -> str:
        shape = self.layers[-1].shape
        end = f"{shape[0]} logits" if len(shape) == 1 else _size(shape)
        return (
            f"{self.model}: {count(n_layers, 'layer')} from pixels 1 x 28 x 28 to {end}, "
            f"{_number(self.parameters)} parameters"
        )

    def table(self) -> Table:
        """Return one row for each layer, and their sum."""
        total = sum(layer.mult_adds for layer in self.layers)
        layers = [*self.layers, Layer("sum", "", "", (), self.parameters, total)]
        parameters = _column([layer.parameters for layer in layers])
        mult_adds = _column([layer.mult_adds for layer in layers])
        rows = [
            (layer.name, layer.type, layer.details, _size(layer.shape), *both)
            for layer, *both in zip(layers, parameters, mult_adds, strict=True)
        ]
        header = ("name", "layer", "sizes", "output", "parameters", "multiply-adds")
        return Table(rows, header, caption=self._summary(len(self.layers)))

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Hold a graph with the text that says what it shows."""

    title: str
    alt: str
    source: str  # in Graphviz's language DOT
    image: str  # SVG, with title and alternative text inside; "" where no program could draw
    layers: LayerTable  # stands in for a missing figure
    renderer: str  # as given to `draw_graph`

    def table(self) -> Table:
        """Return the layers of the model as a table."""
        return self.layers.table()

    def svg(self) -> bytes:
        """Return the graph as an SVG file: the same bytes for the same graph and program."""
        if not self.image:
            raise ValueError(f"there is no figure to save: {INSTALL}")
        return self.image.encode()

    def png(self) -> bytes:
        """Return the graph as a PNG file, with title and alternative text inside."""
        self.svg()  # or the reason why there is none
        drawn = _render(self.source, "png", self.renderer)
        with Image.open(io.BytesIO(drawn)) as image:
            return described_png(image, self.title, self.alt)

    def save(self, path: str | Path) -> Path:
        """Write the graph with its alternative text to a file that ends in .png or .svg.

        Raises:
            ValueError: for another ending, or where no program draws graphs.
        """
        return save_as(path, {".png": self.png, ".svg": self.svg})

    def __repr__(self) -> str:
        return f"<Graph: {self.title}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        if self.image:
            html_text = img_tag(self.svg(), self.alt, mime="image/svg+xml")
            return {"text/html": html_text, "text/plain": repr(self)}
        return {
            "text/html": f"<p>No figure yet: {INSTALL}.</p>{self.layers._repr_html_()}",
            "text/plain": f"No figure yet: {INSTALL}.\n{self.layers!r}",
        }


def layer_table(model: nn.Module) -> LayerTable:
    """List the layers of a model in the order in which they run, as torchinfo sees them.

    Functions called in `forward`, such as `F.relu`, are not layers and not listed.

    Raises:
        ValueError: for something that is no model, or a model that does not take one digit.
    """
    _need_model(model)
    torchinfo = _course("torchinfo")
    images = _pixels(model, 1)
    try:
        with _left_as_it_was(model):
            summary = torchinfo.summary(model, input_data=images, verbose=0, device=images.device)
    except RuntimeError as error:
        why = str(error.__cause__ or error).strip().split("\n")[0]
        raise ValueError(
            f"{type(model).__name__} does not take one digit (1, 1, 28, 28): {why}"
        ) from error
    finally:
        importlib.import_module("torchinfo.torchinfo").clear_cached_forward_pass()
    layers = tuple(_layers_run(model, summary.summary_list))
    return LayerTable(type(model).__name__, layers, _n_weights(model))


def _layers_run(model: nn.Module, infos: list[Any]) -> Iterator[Layer]:
    """Yield the layers among what torchinfo tells of all modules."""
    names = {module: name for name, module in model.named_modules()}
    for info in infos:
        name, made = names[info.module], _has_made_weights(info.module)
        if "parametrizations" in name.split("."):
            continue  # what makes the weights of a layer is no layer
        own = info.num_params if info.is_leaf_layer or made else info.leftover_params()
        if info.is_leaf_layer or own:
            parameters = 0 if info.is_recursive else own
            shape = tuple(info.output_size[1:])
            mult_adds = info.macs if info.is_leaf_layer else 0
            if made:  # torchinfo counts what the weights are made of
                mult_adds = info.module.weight.numel() * math.prod(shape[1:])
            details = _details(info.module)
            yield Layer(name, info.class_name, details, shape, parameters, mult_adds)


def _has_made_weights(module: nn.Module) -> bool:
    """Say whether a layer's weights are made from others, as `weight_norm` does."""
    return is_parametrized(module, "weight") or hasattr(module, "weight_g")


def _need_model(model: object) -> None:
    """Refuse what is no model, or one whose weights have no shape yet."""
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a graph is drawn from a model, an nn.Module, and not from {repr(model)[:60]}; "
            "build one with dl.build_model('three-conv')"
        )
    if any(is_lazy(tensor) for tensor in [*model.parameters(), *model.buffers()]):
        raise ValueError(
            f"{type(model).__name__} has lazy layers that know no shapes yet; "
            "run it once on a batch, then draw it"
        )


def draw_graph(model: nn.Module, kind: str = "layers", *, renderer: str = "auto") -> Graph:
    """Draw how a model computes, with Graphviz, or show its layer table where that is missing.

    Args:
        kind: "layers" for the layers, with the shape for one digit at each arrow; "autograd" for
            what `backward` walks through after a forward pass in training.
        renderer: "dot" for the program of this name, "pygraphviz", "table" for no figure, or
            "auto" for the first of them that works.

    Raises:
        ValueError: for something that is no model, a model that does not take one digit, an
            unknown kind or renderer, or a renderer that does not work here.
    """
    if kind not in KINDS:
        raise unknown("kind of graph", kind, KINDS)
    if renderer not in {"auto", *RENDERERS, "table"}:
        raise unknown("renderer", renderer, ["auto", *RENDERERS, "table"])
    layers = layer_table(model)
    with _left_as_it_was(model):
        dot, alt = (_layers if kind == "layers" else _autograd)(model, layers)
    title = f"{layers.model}, {kind}"
    image = ""
    if renderer != "table":
        drawn = _render(dot.source, "svg", renderer).decode()
        if drawn:
            head, start, rest = drawn[drawn.index("<svg") :].partition(">")
            about = f"<title>{html.escape(title)}</title><desc>{html.escape(alt)}</desc>"
            image = f'{head} role="img"{start}\n{about}{rest}'
    return Graph(title, alt, dot.source, image, layers, renderer)


def graph_parts(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Return what a graph says, however it is laid out.

    Args:
        text: the graph in DOT, as written here and by torchviz.

    Returns:
        The label of each node by its name, and each edge as (from, to, label).
    """
    nodes, edges = _read_dot(text)
    return nodes, sorted(edges)


def _read_dot(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Return nodes and edges in the order in which the graph was written."""
    graph = _course("pygraphviz").AGraph(string=text)
    labels = {str(node): (node.attr["label"] or str(node)).strip(" ") for node in graph.nodes()}
    return labels, [
        (str(e[0]), str(e[1]), (e.attr["label"] or "").strip(" ")) for e in graph.edges()
    ]


def draw_blocks(model: nn.Module, *, ax: Axes | None = None) -> Figure:
    """Draw a model as blocks from pixels to logits, to scale, without any other program.

    Maps are as high and wide as their pixels; more sheets stand for more maps. The height of a
    column of neurons is the square root of their number: 784 are as high as 28 x 28 pixels.
    Layers that change neither shape nor weights stand with the block before them.

    Args:
        model: takes pixels float (N, 1, 28, 28); one chain of layers.
        ax: to draw into, 2.3 inches high and 1 inch wide for each block.

    Raises:
        ValueError: for something that is no model, or a model that does not take one digit.
    """
    layers = layer_table(model)
    blocks = [[Layer("", "pixels", "", (1, 28, 28), 0, 0)]]
    for layer in layers.layers:
        weighs = layer.mult_adds and "Norm" not in layer.type
        if weighs or layer.shape != blocks[-1][-1].shape:
            blocks.append([layer])
        else:
            blocks[-1].append(layer)
    columns = min(len(blocks), PER_ROW)
    rows = math.ceil(len(blocks) / columns)
    mpl, (ax,) = canvas(ax, (columns, rows * HIGH + 0.3))
    highest = max(_extent(block[-1].shape)[0] for block in blocks)
    for i, block in enumerate(blocks):
        center = (i % columns + 0.5, -HIGH * (i // columns + 0.55))
        _draw_block(ax, center, block, scale=0.68 / highest, last=i == len(blocks) - 1)
        if i % columns:
            x, y = center[0] - 0.5, center[1]
            ax.annotate("", (x + 0.07, y), (x - 0.07, y), arrowprops={"arrowstyle": "->"})
    ax.set(xlim=(0, columns), ylim=(-HIGH * rows, 0), aspect="equal")
    ax.set_axis_off()
    ax.set_title(f"{layers.model}: {_number(layers.parameters)} parameters", size=10)
    table = layers.table()
    title = f"{layers.model}, block by block"
    return Figure(mpl, (ax,), title, layers.alt, table.rows, table.header)


def _draw_block(
    ax: Axes, center: tuple[float, float], block: list[Layer], *, scale: float, last: bool
) -> None:
    """Draw maps or a column of neurons, what made them above, their shape below."""
    x, y = center
    shape = block[-1].shape
    height, width = (scale * side for side in _extent(shape))
    maps = len(shape) == 3
    sheets = 1 + round(math.log2(shape[0])) if maps else 1
    for sheet in reversed(range(sheets)):
        shift = min(0.03, 0.3 * width) * (sheet - (sheets - 1) / 2)
        corner = (x - width / 2 + shift, y - height / 2 + shift)
        color = MAPS if maps else NEURONS
        ax.add_patch(Rectangle(corner, width, height, facecolor=color, edgecolor="#333333", lw=0.7))
    made = "\n".join(
        text for layer in block for text in (layer.type, *layer.details.split(", ")) if text
    )
    ax.text(x, y + 0.52, made, ha="center", va="bottom", size=8)
    size = _size(shape) + (" logits" if last and len(shape) == 1 else "")
    ax.text(x, y - 0.52, size, ha="center", va="top", size=8, weight="bold")
    parameters = sum(layer.parameters for layer in block)
    if parameters:
        below = f"{_number(parameters)}\nparameters"
        ax.text(x, y - 0.68, below, ha="center", va="top", size=8)


def _extent(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return height and width in pixels of the block for a shape."""
    if len(shape) == 3:
        return shape[1], shape[2]
    return math.sqrt(math.prod(shape)), 4.0


def _layers(model: nn.Module, layers: LayerTable) -> tuple[Any, str]:
    """Return the graph of the layers, traced by torchview, and what it shows."""
    images = _pixels(model, 1)
    traced = _course("torchview").draw_graph(
        model, input_data=images, depth=math.inf, device=images.device, mode="eval"
    )
    modules = {id(module): module for module in model.modules()}
    nodes = {node.node_id: node for edge in traced.edge_list for node in edge}
    names: dict[str, str] = {}  # torchview's, which are memory addresses, to ours
    labels = []
    dot = _digraph()
    for node_id in sorted(nodes, key=traced.id_dict.__getitem__):  # in the order of the run
        node, names[node_id] = nodes[node_id], f"n{len(names)}"
        style = "plain"
        if hasattr(node, "tensor_shape"):
            label, style = "logits" if node.name == "output-tensor" else "pixels", "tensor"
        else:
            module = modules.get(node.compute_unit_id, nn.Identity())  # none of a function
            labels.append(label := f"{node.name} {_details(module)}".strip())
            if n := _n_weights(module):
                label, style = f"{label}\n{_number(n)} parameters", "weights"
        dot.node(names[node_id], label, **STYLES[style])
    for tail, head in traced.edge_list:
        shapes = [tail.tensor_shape] if hasattr(tail, "tensor_shape") else tail.output_shape
        shape = ", ".join(_size(shape[1:]) for shape in shapes)
        dot.edge(names[tail.node_id], names[head.node_id], f" {shape}")
    return dot, layers.said_of(labels)


def _autograd(model: nn.Module, layers: LayerTable) -> tuple[Any, str]:
    """Return the graph that `backward` walks, by torchviz, and what it shows."""
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "under torch.inference_mode nothing is kept for backward, so this graph would be "
            "empty; draw it outside of it"
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            "no weight of this model can learn (requires_grad is False), so backward has nothing "
            "to walk through; draw kind='layers', or a model whose weights are not frozen"
        )
    model.train()
    with torch.enable_grad():
        logits = model(_pixels(model, 2))  # in training, batch norm needs more than one digit
    parameters = dict(model.named_parameters())
    torchviz = _course("torchviz")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of distutils
        nodes, edges = _read_dot(torchviz.make_dot(logits, params=parameters).source)
    names = {address: f"n{i}" for i, address in enumerate(nodes)}  # ours do not change
    dot, reached, operations = _digraph(), set(), 0
    for address, label in nodes.items():
        what, _, size = label.partition("\n")
        if size:  # of a tensor: "(2, 10)"
            sides, first = size.strip(" ()").split(", "), names[address] == "n0"
            text = f"{what or 'tensor'}\n{' x '.join(sides)}"
            text = f"logits\n{' x '.join(sides[1:])}" if first else text
            dot.node(names[address], text, **STYLES["tensor" if first else "weights"])
            reached.add(what)
        else:
            dot.node(names[address], what, **STYLES["plain"])
            operations += 1
    for tail, head, _ in (*edges[1:], edges[0]):  # that of the logits last, as torchviz has it
        dot.edge(names[tail], names[head])
    weights = [f"{name} {_size(p.shape)}" for name, p in parameters.items() if name in reached]
    alt = (
        f"Autograd graph of {layers.model}: from the logits, backward walks through {operations} "
        f"operations to {len(weights)} parameter tensors: {', '.join(weights) or 'none'}."
    )
    return dot, alt


def _digraph() -> Any:
    """Return an empty graph in our look."""
    font = {"fontname": "Helvetica,Arial,sans-serif", "fontsize": "10"}
    return _course("graphviz").Digraph(
        graph_attr={"bgcolor": "white", "ranksep": "0.2", "nodesep": "0.2"},
        node_attr={"style": "filled", "height": "0.25", "margin": "0.1,0.03", **font},
        edge_attr={"arrowsize": "0.6", **font},
    )


def _render(source: str, form: str, renderer: str) -> bytes:
    """Return a file drawn by Graphviz, or nothing where "auto" finds no program that works."""
    for name in RENDERERS if renderer == "auto" else [renderer]:
        command = [*RENDERERS[name], f"-T{form}"]
        try:
            return subprocess.run(
                command, input=source.encode(), capture_output=True, check=True, timeout=60
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            if renderer != "auto":
                raise ValueError(f"{name} does not draw here: {INSTALL}") from error
    return b""


def _course(library: str) -> Any:
    """Import a library that only these drawings need."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torchviz imports distutils
            return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{library} is not installed: run `pip install 'digitlab[course]'` and try again"
        ) from error


def _pixels(model: nn.Module, n: int) -> Tensor:
    """Return `n` black digits where the weights are."""
    weights = next(model.parameters(), torch.zeros(0))
    return torch.zeros(n, 1, 28, 28, dtype=weights.dtype, device=weights.device)


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Run a model in evaluation; put modes, buffers and random states back."""
    modes = {module: module.training for module in model.modules()}
    buffers = {buffer: buffer.clone() for buffer in model.buffers()}
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            model.eval()
            yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers.items():
                buffer.copy_(before)
        for module, training in modes.items():
            module.training = training


def _details(module: nn.Module) -> str:
    """Return the sizes that tell a layer from others of its class."""
    match module:
        case nn.Conv2d():
            high, wide = module.kernel_size
            return f"{module.in_channels} to {module.out_channels}, {high} x {wide}"
        case nn.Linear():
            return f"{module.in_features} to {module.out_features}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            size = module.kernel_size
            high, wide = size if isinstance(size, tuple) else (size, size)
            return f"{high} x {wide}"
        case nn.Dropout():
            return f"p = {module.p:g}"
    return ""


def _n_weights(module: nn.Module) -> int:
    """Return how many numbers it holds, frozen ones too."""
    return sum(p.numel() for p in module.parameters())


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _column(numbers: list[int]) -> list[str]:
    """Return numbers that stand below each other, all as wide as the widest."""
    texts = [_number(n) for n in numbers]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]


def _number(n: int) -> str:
    return f"{n:,}".replace(",", " ")
