"""Signs of life: on a terminal, in a file, and none twice a second."""

import io
import re
import time

import pytest

from topdis_jax import progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


_VALUES = {'topdis': '0.1234', 'loss': '180.9', 'kl': '12.91',
           'reconstruction': '177.2', 'waited': '0.1%'}


def _row(columns, file):
    bar = progress.Bar(total=1_000_000, initial=119_000, unit='step',
                       desc='Training', file=file, ncols=columns,
                       dynamic_ncols=False)
    bar.show(_VALUES)
    row = str(bar)
    bar.close()
    return row


@pytest.mark.parametrize('columns', [100, 120, 200])
def test_a_row_keeps_topdis_and_cuts_no_value(columns):
    row = _row(columns, _Terminal())
    assert len(row) <= columns and 'topdis=0.1234' in row
    shown = dict(re.findall(r'(\w+)=([^,\]]+)', row))
    assert shown.items() <= _VALUES.items()
    assert (shown == _VALUES) == (columns == 200)


def test_a_file_gets_whole_lines_and_few_of_them():
    file = io.StringIO()
    bar = progress.Bar(total=300, desc='Training', file=file, mininterval=0.5)
    end = time.monotonic() + 2.6
    while bar.n < 299:
        bar.update()
        time.sleep(max(0, end - time.monotonic()) / (300 - bar.n))
    bar.update()
    bar.close()
    lines = file.getvalue().split('\n')
    assert '\r' not in file.getvalue() and lines.pop() == ''
    assert len(lines) == 3  # the beginning, two seconds later, the end
    assert ' 0/300 ' in lines[0] and ' 300/300 ' in lines[-1]


def test_lines_grow_rarer(monkeypatch):
    bar = progress.Bar(total=10, file=io.StringIO())
    for passed, between in ((1, 2), (150, 2), (1000, 10), (1e6, 600)):
        monkeypatch.setattr(progress.Bar, 'format_dict', {
            **bar.format_dict, 'elapsed': passed})
        bar.update()
        bar.display()
        assert bar.mininterval == between
        monkeypatch.undo()


def test_waiting_is_told_before_meanwhile_and_after(capsys, monkeypatch):
    monkeypatch.setattr(progress, '_DOT', 0.05)
    with progress.waiting('Compiling'):
        assert capsys.readouterr().err == 'Compiling ...'
        time.sleep(0.3)
    assert re.fullmatch(r'\.{2,} 0\.\d s\n', capsys.readouterr().err)
    with progress.waiting('Compiling', shown=False):
        pass
    assert capsys.readouterr().err == ''


def test_a_long_run_is_told_how_long_it_takes(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    pace = progress.Pace(1_000_000)
    for step in range(1, 40):
        pace.note(step, ', and longer later')
        now[0] += 0.5
    message = capsys.readouterr().err
    assert message == ('At 2 steps a second the 999979 steps that are left '
                       'take about 5.8 days, and longer later.\n')
    short = progress.Pace(1000)
    for step in range(1, 40):
        short.note(step)
        now[0] += 0.5
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('seconds,text', [
    (2400, '40 minutes'), (7199, '120 minutes'), (11520, '3.2 hours'),
    (475_200, '5.5 days')])
def test_durations_in_words(seconds, text):
    assert progress.duration(seconds) == text
