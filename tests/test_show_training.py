import dataclasses
import math

import pytest
from matplotlib.figure import Figure as MplFigure

import digitlab as dl
from digitlab.show.figure import Figure
from digitlab.trainer import History


def history(*valid_loss: float, train_loss: float = 0.5) -> History:
    n = len(valid_loss)
    accuracies = [1 - loss / 10 for loss in valid_loss]
    losses = [train_loss] * n
    return History(losses, [0.8] * n, list(valid_loss), accuracies, [0.1] * n, [1.0] * n)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_loss_and_accuracy_stand_side_by_side():
    figure = dl.plot_history(history(0.3, 0.1))
    assert [ax.get_title() for ax in figure.axes] == ["Loss", "Accuracy"]
    for ax in figure.axes:
        training, validation = ax.get_lines()
        assert (training.get_label(), validation.get_label()) == ("training", "validation")
        assert training.get_xdata().tolist() == [1, 2]
        assert training.get_linestyle() != validation.get_linestyle()
        assert training.get_marker() != validation.get_marker()
    assert figure.axes[0].get_lines()[1].get_ydata().tolist() == [0.3, 0.1]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((0.31, 0.08), "validation loss falls from 0.31 to 0.08;"),
        ((0.31, 0.08, 0.2), "validation loss falls from 0.31 to 0.08 and rises after epoch 2"),
        ((0.1, 0.3), "validation loss rises from 0.1 to 0.3;"),
        ((0.1, 0.1), "validation loss stays at 0.1;"),
        ((0.1, 0.3, 0.1), "validation loss begins and ends at 0.1;"),
        ((0.25,), "validation loss is 0.25 after 1 epoch;"),
        ((0.3, math.nan), "validation loss is not a finite number from epoch 2 on;"),
    ],
)
def test_alternative_text_says_how_the_curve_runs(losses, words):
    assert words in dl.plot_history(history(*losses)).alt


def test_accuracy_is_said_in_percent_and_is_better_when_it_rises():
    figure = dl.plot_history(history(0.5, 0.2, 0.3), metric="accuracy")
    assert figure.alt == (
        "Accuracy over 3 epochs. Training accuracy stays at 80.0 %; validation accuracy rises "
        "from 95.0 % to 98.0 % and falls after epoch 2 to 97.0 %."
    )
    assert figure.rows[2:4] == [("training accuracy", 3, 0.8), ("validation accuracy", 1, 0.95)]


def test_a_run_without_validation_is_told_beside_one_with_it():
    without = dataclasses.replace(history(0.3, 0.1), valid_loss=[], valid_accuracy=[])
    alt = dl.plot_history({"a": history(0.3, 0.1), "b": without}).alt
    assert "a: validation accuracy" in alt
    assert "a: training accuracy" not in alt
    assert "b: training accuracy" in alt
    alone = dl.plot_history(without)
    assert [len(ax.get_lines()) for ax in alone.axes] == [1, 1]
    assert "validation" not in alone.alt


def test_the_lowest_validation_loss_is_marked_where_the_curve_turns_and_gaps_are_explained():
    assert texts(dl.plot_history(history(0.3, 0.1, 0.2))) == ["lowest: epoch 2"]
    assert texts(dl.plot_history(history(0.3, 0.2, 0.1))) == []
    loss = dl.plot_history(history(0.3, math.nan)).axes[0]
    assert loss.get_title() == "Loss (gaps: not a finite number)"
    assert loss.get_xlim()[1] > 2  # the epochs without a number stay in view


def test_runs_differ_by_more_than_colour():
    figure = dl.plot_history({"a": history(0.3), "b": history(0.2)}, metric="loss")
    lines = figure.axes[0].get_lines()
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 4
    legend = [text.get_text() for text in figure.mpl.legends[0].get_texts()]
    assert legend == ["a", "b", "training", "validation"]
    assert "A: validation loss is 0.3" in figure.alt
    assert "b: validation loss is 0.2" in figure.alt
    figure = dl.plot_history({str(i): history(0.3) for i in range(10)}, metric="loss")
    lines = figure.axes[0].get_lines()  # more than there are colours
    assert {line.get_label() for line in lines} == {"validation"}
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 10


def test_seeds_are_a_band_around_their_mean():
    figure = dl.plot_history([history(0.3, 0.1), history(0.5, 0.2)], metric="loss")
    ax = figure.axes[0]
    validation, band = ax.get_lines()[1], ax.collections[1].get_paths()[0].vertices
    assert validation.get_ydata() == pytest.approx([0.4, 0.15])
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.5)
    assert "(mean of 2 seeds, which end between 0.1 and 0.2)" in figure.alt
    stopped_early = dl.plot_history([history(0.3, 0.1), history(0.5)], metric="loss")
    assert stopped_early.axes[0].get_lines()[1].get_xdata().tolist() == [1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dl.plot_history(History()), "history without an epoch"),
        (lambda: dl.plot_history({}), "history without an epoch"),
        (lambda: dl.plot_history({"a": []}), "history without an epoch"),
        (lambda: dl.plot_history(history(1), metric="los"), "did you mean 'loss'"),
        (lambda: dl.plot_history(history(1), ax=MplFigure().subplots()), "add metric='loss'"),
        (lambda: dl.plot_lr([]), "no learning rate"),
        (lambda: dl.plot_lr([0.1, math.inf]), "learning rates are not numbers"),
    ],
)
def test_what_is_no_training_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_learning_rate_starts_at_zero_and_says_where_it_is_highest():
    figure = dl.plot_lr([0.1, 0.3, 0.2])
    assert figure.axes[0].get_ylim()[0] == 0
    assert figure.axes[0].get_xlabel() == "step"
    assert figure.alt == (
        "Learning rate over 3 steps: 0.1 at first, 0.2 at last, highest at step 2 with 0.3."
    )
    alt = dl.plot_lr(history(1, 1)).alt
    assert alt == "Learning rate over 2 epochs: 0.1 at first, 0.1 at last."
