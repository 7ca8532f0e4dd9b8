import pytest

from digitlab.tables import html_table, text_table


def test_html_table_escapes_every_cell():
    html = html_table([["<b>", 1]], header=["a&b", "<i>"], caption="<script>")
    assert html == (
        "<table><caption>&lt;script&gt;</caption>"
        "<thead><tr><th>a&amp;b</th><th>&lt;i&gt;</th></tr></thead>"
        "<tbody><tr><td>&lt;b&gt;</td><td>1</td></tr></tbody></table>"
    )


def test_html_table_without_header_and_caption():
    assert html_table([[None]]) == "<table><tbody><tr><td>None</td></tr></tbody></table>"


def test_text_table_sets_numbers_right_and_words_left():
    text = text_table([["a", 10], ["long", 5]], header=["name", "n"])
    assert text.splitlines() == ["name   n", "----  --", "a     10", "long   5"]


def test_text_table_without_header():
    assert text_table([["a", 1], ["bb", 22]]) == "a    1\nbb  22"


def test_text_table_leaves_no_blanks_at_the_end_of_a_line():
    assert text_table([["a", "b"], ["c", "longer"]]).splitlines()[0] == "a  b"


@pytest.mark.parametrize(("header", "text"), [((), ""), (("a", "bc"), "a  bc\n-  --")])
def test_text_table_without_rows(header, text):
    assert text_table([], header=header) == text
