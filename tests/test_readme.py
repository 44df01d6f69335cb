"""The README's example runs as printed."""

import os
import re
import subprocess
import sys

from tests.helpers.places import ROOT


def _readme():
    with open(os.path.join(ROOT, 'README.md')) as file:
        return file.read()


def _blocks():
    return re.findall(r'```python\n(.*?)```', _readme(), re.DOTALL)


def _printed(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_runs_as_printed():
    found = re.fullmatch(r'TopDis (\S+)\n', _printed(_blocks()[0]))
    assert 0 < float(found.group(1)) < 100


def test_all_other_blocks_run_as_printed():
    for code in _blocks()[1:]:
        assert re.search(r'\d', _printed(code)), code


def test_files_that_it_names_are_there():
    for link in re.findall(r'\]\((?!http)([^)]+)\)', _readme()):
        name, _, heading = link.partition('#')
        path = os.path.join(ROOT, name)
        assert os.path.exists(path), link
        if heading:
            with open(path) as file:
                headings = re.findall(r'^#+ (.*)$', file.read(), re.M)
            assert heading in [re.sub(r'[^a-z0-9 -]', '', line.lower())
                               .replace(' ', '-') for line in headings], link


def test_commands_that_it_names_are_there():
    for module in re.findall(r'python -m (experiments[.\w]+)', _readme()):
        path = os.path.join(ROOT, *module.split('.')) + '.py'
        assert os.path.exists(path), module


def test_it_is_short():
    words = re.sub(r'```.*?```', '', _readme(), flags=re.DOTALL).split()
    assert len(words) <= 700
