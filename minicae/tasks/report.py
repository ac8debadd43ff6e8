"""A comparison as a small table: one row a contestant, one column a number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """`report["codes"]["mse"]` is a number; `print(report)` is the table.

    Parameters
    ----------
    title : what is compared, and on what
    rows : {contestant: {column: number}}; a number that is missing, or None, stays empty
    """

    title: str
    rows: dict

    def __getitem__(self, name):
        return self.rows[name]

    def __str__(self):
        columns = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        lines = [["", *columns]]
        lines += [[name, *(_text(row.get(column)) for column in columns)] for name, row in self.rows.items()]
        widths = [max(map(len, column)) for column in zip(*lines)]
        text = ("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines)
        return "\n".join([self.title, *text])


def _text(value):
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"
