"""Small tables: as HTML where a notebook shows an object, as text on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Row = Sequence[object]


def html_table(rows: Sequence[Row], *, header: Row = (), caption: str = "") -> str:
    """Return an HTML table; every cell is escaped text."""

    def line(cells: Row, tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    if header:
        parts.append(f"<thead>{line(header, 'th')}</thead>")
    parts += ["<tbody>", *(line(row, "td") for row in rows), "</tbody></table>"]
    return "".join(parts)


def text_table(rows: Sequence[Row], *, header: Row = ()) -> str:
    """Return lines of aligned columns: numbers to the right, words to the left."""
    table = [[str(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    if not table:
        return ""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    last = rows[-1] if rows else header
    numeric = [isinstance(cell, int | float) for cell in last]

    def line(cells: list[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    lines = [line(cells) for cells in table]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Table:
    """Hold rows that show as a table, in a notebook and in a terminal."""

    rows: Sequence[Row]
    header: Row = ()
    caption: str = ""

    def __repr__(self) -> str:
        return f"{self.caption}\n{text_table(self.rows, header=self.header)}".strip()

    def _repr_html_(self) -> str:
        return html_table(self.rows, header=self.header, caption=self.caption)
