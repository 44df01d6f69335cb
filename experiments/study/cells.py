"""Tables in Markdown and what stands in their cells."""

import math

# Of these the smaller is the better.
COSTS = ('reconstruction', 'minutes')


def table(header, rows):
    """A table in Markdown: header and rows are lists of cells."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def put(text, name, lines):
    """A page with lines between the marks of a table's name.

    Raises:
      ValueError: the page has not both of its marks, once each.
    """
    begin, end = (f'<!-- {name}: {what} -->\n' for what in ('begin', 'end'))
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f'the page must have the lines {begin.strip()} and '
                         f'{end.strip()}, once each; put them where the table '
                         f'{name!r} belongs')
    before, rest = text.split(begin)
    return f'{before}{begin}\n{lines}\n{end}{rest.split(end)[1]}'


def digits(name):
    """Decimals that a measure is shown with."""
    return 1 if name in COSTS else 3


def interval(difference, decimals):
    """The ends of a difference's interval."""
    return (f'[{difference["low"]:+.{decimals}f}, '
            f'{difference["high"]:+.{decimals}f}]')


def change(difference, decimals):
    """A mean difference and, if it is not of a single value, its interval."""
    text = f'{difference["mean"]:+.{decimals}f}'
    if difference['low'] is None or math.isnan(difference['low']):
        return text
    return f'{text} {interval(difference, decimals)}'


def p_value(value):
    """A p-value in two digits; a small one in one."""
    return f'{value:.0e}' if 0 < value < 1e-4 else f'{value:.2g}'
