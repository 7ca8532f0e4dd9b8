import gc
import sys
import weakref
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from digitlab.models import n_parameters
from digitlab.recipes import RECIPES, build_model
from digitlab.show.graphs import (
    KINDS,
    PYGRAPHVIZ,
    draw_blocks,
    draw_graph,
    graph_parts,
    layer_table,
)


class Residual(nn.Module):
    """A student's model: functions in `forward`, and a path around a layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, kernel_size=3, padding=1)
        self.second = nn.Conv2d(4, 4, kernel_size=3, padding=1)
        self.last = nn.Linear(4 * 28 * 28, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.first(images))
        maps = F.dropout(maps + self.second(maps), training=True)
        logits: Tensor = self.last(maps.flatten(1))
        return logits


class Noisy(nn.Module):
    """It draws random numbers in evaluation, too."""

    def forward(self, logits: Tensor) -> Tensor:
        return F.dropout(logits, training=True)


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.ReLU(), nn.Linear(3, 10))


# --- The table of layers ----------------------------------------------------------------------


def test_layer_table_gives_shape_parameters_and_multiply_adds_as_text_and_as_html():
    table = layer_table(build_model("ThreeConv"))
    layer = table.layers[4]
    assert (layer.name, layer.type, layer.details) == ("layers.4", "Conv2d", "16 to 32, 3 x 3")
    assert (layer.shape, layer.parameters) == ((32, 14, 14), 32 * (16 * 3 * 3 + 1))
    assert layer.mult_adds == layer.parameters * 14 * 14
    first, *_, last = repr(table).splitlines()
    assert first == ("ThreeConv: 14 layers from pixels 1 x 28 x 28 to 10 logits, 60 874 parameters")
    assert last.split("  ")[-1] == "1 978 762"
    assert "<td>18 496</td>" in table._repr_html_()


def test_layer_table_counts_a_layer_that_is_used_twice_once():
    twice = nn.Linear(784, 784)
    table = layer_table(nn.Sequential(nn.Flatten(), twice, nn.ReLU(), twice))
    assert [layer.parameters for layer in table.layers] == [0, 784 * 785, 0, 0]
    assert [layer.mult_adds for layer in table.layers] == [0, 784 * 785, 0, 784 * 785]


def test_layer_table_lists_weights_that_stand_outside_the_layers():
    model = small()
    model.register_parameter("scale", nn.Parameter(torch.ones(7)))
    table = layer_table(model)
    assert (table.layers[0].type, table.layers[0].parameters) == ("Sequential", 7)
    assert sum(layer.parameters for layer in table.layers) == table.parameters


# --- Architecture graphs ----------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_every_layer_is_in_the_table_and_in_both_graphs(name):
    model = build_model(name)
    table = layer_table(model)
    layers = table.layers
    assert sum(layer.parameters for layer in layers) == table.parameters == n_parameters(model)
    nodes, edges = graph_parts(draw_graph(model).source)
    inner = list(nodes.values())[1:-1]
    assert [label.split()[0] for label in inner] == [layer.type for layer in layers]
    shapes = {tail: shape for tail, _, shape in edges}
    expected = [(1, 28, 28), *(layer.shape for layer in layers)]
    assert list(map(shapes.get, nodes))[:-1] == [" x ".join(map(str, s)) for s in expected]

    labels = graph_parts(draw_graph(model, "autograd").source)[0].values()
    for parameter, values in model.named_parameters():
        assert f"{parameter}\n{' x '.join(map(str, values.shape))}" in labels
    assert "logits\n10" in labels


def test_autograd_graph_is_that_of_training():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10), nn.Dropout(0.5))
    graphs = (draw_graph(part.eval(), "autograd") for part in (model[:-1], model))
    without, whole = (len(graph_parts(graph.source)[0]) for graph in graphs)
    assert whole > without


def test_autograd_graph_leaves_frozen_weights_out_and_is_drawn_under_no_grad_too():
    model = small()
    model[1].requires_grad_(False)
    with torch.no_grad():
        alt = draw_graph(model, "autograd").alt
    assert alt == (
        "Autograd graph of Sequential: from the logits, backward walks through 4 operations "
        "to 2 parameter tensors: 3.weight 10 x 3, 3.bias 10."
    )
    assert draw_graph(model).alt.count("2 395 parameters") == 1  # frozen or not


def test_layer_graph_follows_functions_and_paths_around_a_layer():
    nodes, edges = graph_parts(draw_graph(Residual()).source)
    by_label = {label.split()[0] + name: name for name, label in nodes.items()}
    assert list(by_label) == [
        *("pixelsn0", "Conv2dn1", "relun2", "Conv2dn3", "addn4", "dropoutn5", "flattenn6"),
        *("Linearn7", "logitsn8"),
    ]
    assert [edge for edge in edges if edge[1] == "n4"] == [
        ("n2", "n4", "4 x 28 x 28"),
        ("n3", "n4", "4 x 28 x 28"),
    ]


def test_graph_shows_itself_with_its_alternative_text():
    graph = draw_graph(small())
    assert graph.alt == (
        "Sequential: 4 layers from pixels 1 x 28 x 28 to 10 logits, 2 395 parameters: "
        "Flatten; Linear 784 to 3; ReLU; Linear 3 to 10."
    )
    shown = graph._repr_mimebundle_()
    assert shown["text/html"].startswith(f'<img alt="{graph.alt}" src="data:image/svg+xml;base64,')
    assert shown["text/plain"] == "<Graph: Sequential, layers>"


DOT = """digraph {
    node [shape=box]
    b -> a [label=" 2 x 3"]
    a [label="it says \\"a\\"
(2, 3)"]; b [label=plain]
    c -> b
}"""


def test_graph_parts_reads_dot_again_and_again():
    nodes = {"b": "plain", "a": 'it says "a"\n(2, 3)', "c": "c"}
    for _ in range(50):
        assert graph_parts(DOT) == (nodes, [("b", "a", "2 x 3"), ("c", "b", "")])


def test_what_needs_a_missing_library_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    for call in (lambda: graph_parts(DOT), lambda: draw_graph(small(), "autograd")):
        with pytest.raises(ValueError, match=r"pygraphviz is not installed: run `pip install"):
            call()
    assert "Linear" in draw_graph(small(), renderer="table").source


@pytest.mark.parametrize("kind", KINDS)
def test_svg_says_the_same_as_its_source_and_is_equal_to_the_byte_for_equal_models(kind, svg_parts):
    graph = draw_graph(build_model("SmallCNN"), kind)
    assert svg_parts(graph.image) == graph_parts(graph.source)
    assert svg_parts(graph.image.replace(">logits<", ">votes<")) != graph_parts(graph.source)
    models = [build_model("TwoConv", seed=seed) for seed in range(2)]  # at two places in memory
    one, other = (draw_graph(model, kind, renderer="pygraphviz").svg() for model in models)
    assert one == other


# --- With `dot`, with pygraphviz, with neither ------------------------------------------------


@pytest.fixture
def no_programs(tmp_path, monkeypatch):
    """An empty folder, the only one in which programs are looked for."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def broken_pygraphviz(tmp_path, monkeypatch):
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('libgvc is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.parametrize("then", [PYGRAPHVIZ, "raise SystemExit('no plugins')"])
def test_dot_draws_where_it_is_on_the_path_and_pygraphviz_where_it_is_broken(
    no_programs, svg_parts, then
):
    used, dot = no_programs / "used", no_programs / "dot"
    dot.write_text(f"#!{sys.executable}\nopen({str(used)!r}, 'w').close()\n{then}")
    dot.chmod(0o755)
    graph = draw_graph(small())
    assert used.exists()
    assert svg_parts(graph.image) == graph_parts(graph.source)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("no_programs", "broken_pygraphviz")
def test_table_and_one_sentence_stand_in_where_nothing_draws(kind, tmp_path):
    graph = draw_graph(small(), kind)
    shown = graph._repr_mimebundle_()
    assert shown["text/plain"].endswith(repr(layer_table(small())))
    assert all("pip install pygraphviz" in text for text in shown.values())
    assert "<table>" in shown["text/html"]
    assert "Linear 784 to 3" in graph.alt or "1.weight" in graph.alt
    with pytest.raises(ValueError, match=r"pip install pygraphviz"):
        graph.save(tmp_path / "graph.svg")
    with pytest.raises(ValueError, match=r"dot does not draw here.*Graphviz"):
        draw_graph(small(), kind, renderer="dot")


def test_table_can_be_asked_for_and_other_file_endings_are_refused(tmp_path):
    graph = draw_graph(small(), renderer="table")
    assert graph.image == ""
    assert repr(graph.table()) == repr(layer_table(small()))
    with pytest.raises(ValueError, match=r"saved as \.png or \.svg, not as 'graph\.pdf'"):
        graph.save(tmp_path / "graph.pdf")


# --- Files ------------------------------------------------------------------------------------


def test_files_hold_title_and_alternative_text(tmp_path):
    graph = draw_graph(small())
    text = graph.save(tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert f"<title>{graph.title}</title><desc>{graph.alt}</desc>" in text
    with Image.open(graph.save(tmp_path / "graph.png")) as image:
        assert (image.info["Title"], image.info["Description"]) == (graph.title, graph.alt)
        assert image.height > image.width > 100


# --- Models stay as they were -----------------------------------------------------------------


@pytest.mark.parametrize(
    "draw", [layer_table, draw_blocks, draw_graph, partial(draw_graph, kind="autograd")]
)
def test_models_and_random_numbers_stay_as_they_were(draw):
    model = nn.Sequential(build_model("SmallCNN"), Noisy(), nn.Linear(10, 10))
    model[2].eval()  # one part frozen, as in fine-tuning
    modes = [module.training for module in model.modules()]
    values = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(0)
    random = torch.get_rng_state()
    draw(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_that_fails_stays_as_it_was():
    model = nn.Sequential(nn.Dropout(), nn.Linear(784, 10).eval())
    with pytest.raises(ValueError, match="does not take one digit"):
        draw_graph(model)
    assert [module.training for module in model.modules()] == [True, True, False]
    assert not model[1]._forward_hooks


def test_drawings_do_not_keep_a_model_alive():
    model = small()
    alive = weakref.ref(model)
    kept = [draw_graph(model, kind) for kind in KINDS], draw_blocks(model)
    del model
    gc.collect()
    assert kept
    assert alive() is None


# --- Blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_blocks_name_every_layer_with_its_shape_and_parameters(name):
    model = build_model(name)
    figure, layers = draw_blocks(model), layer_table(model)
    assert (figure.alt, list(figure.rows)) == (layers.alt, list(layers.table().rows))
    texts = [text.get_text() for text in figure.axes[0].texts]
    words = " ".join(texts).split()
    for layer in layers.layers:
        assert words.count(layer.type) == sum(other.type == layer.type for other in layers.layers)
    counts = [int(t.removesuffix("parameters").replace(" ", "")) for t in texts if "param" in t]
    assert sum(counts) == layers.parameters
    assert f"{layers.parameters:,}".replace(",", " ") in figure.axes[0].get_title()


def test_blocks_show_shapes_from_pixels_to_logits():
    texts = draw_blocks(build_model("LeNet5")).axes[0].texts
    bold = [text.get_text() for text in texts if text.get_weight() == "bold"]
    assert bold == [
        *("1 x 28 x 28", "1 x 32 x 32", "6 x 28 x 28", "6 x 14 x 14", "16 x 10 x 10", "16 x 5 x 5"),
        *("400", "120", "84", "10 logits"),
    ]


def test_blocks_are_to_scale():
    heights = [p.get_height() for p in draw_blocks(small()).axes[0].patches]
    pixels, flat, hidden, logits = heights
    assert pixels == flat
    assert hidden / logits == pytest.approx((3 / 10) ** 0.5)
    twice = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Linear(784, 784))
    assert len(draw_blocks(twice).axes[0].patches) == 4


def test_texts_of_blocks_do_not_overlap():
    figure = draw_blocks(build_model("dropout-mlp"))
    figure.png()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    boxes.append(figure.axes[0].title.get_window_extent())
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


# --- Errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [layer_table, draw_blocks, draw_graph])
def test_what_is_no_model_for_digits_is_refused(draw):
    refused = {
        r"an nn\.Module, and not from 'three-conv'; build one with dl\.build_model": "three-conv",
        r"not from <class 'torch\.nn": nn.Linear,
        r"Linear does not take one digit \(1, 1, 28, 28\): .*28x28": nn.Linear(784, 10),
        "lazy layers that know no shapes yet; run it once on a batch": nn.LazyLinear(10),
    }
    for words, model in refused.items():
        with pytest.raises(ValueError, match=words):
            draw(model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "layer"}, "unknown kind of graph 'layer'; did you mean 'layers'"),
        ({"renderer": "graphviz"}, "unknown renderer 'graphviz'; did you mean 'pygraphviz'"),
    ],
)
def test_unknown_kinds_and_renderers_are_answered_with_the_nearest(options, words):
    with pytest.raises(ValueError, match=words):
        draw_graph(small(), **options)
