import pytest

from digitlab.tables import html_table, text_table


def test_html_table_escapes_every_cell():
    html = html_table([["<b>", 1]], header=["a&b", "<i>"], caption="<script>")
    assert html == (
        "<table><caption>&lt;script&gt;</caption>"
        "<thead><tr><th>a&amp;b</th><th>&lt;i&gt;</th></tr></thead>"
        "<tbody><tr><td>&lt;b&gt;</td><td>1</td></tr></tbody></table>"
    )
    assert html_table([[None]]) == "<table><tbody><tr><td>None</td></tr></tbody></table>"


@pytest.mark.parametrize(
    ("rows", "header", "text"),
    [
        ([["a", 10], ["long", 5]], ["name", "n"], "name   n\n----  --\na     10\nlong   5"),
        ([["a", 1], ["bb", 22]], (), "a    1\nbb  22"),
        ([["a", "b"], ["c", "longer"]], (), "a  b\nc  longer"),  # no blanks at the end of a line
        ([], (), ""),
        ([], ("a", "bc"), "a  bc\n-  --"),
    ],
)
def test_text_table_sets_numbers_right_and_words_left(rows, header, text):
    assert text_table(rows, header=header) == text
