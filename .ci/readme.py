"""Runs the README's Python blocks of one section, as a user would paste them.

    python .ci/readme.py HEADING
"""

import pathlib
import re
import sys


def main(heading):
    text = (pathlib.Path(__file__).parents[1] / 'README.md').read_text()
    sections = dict(re.findall(r'^## (.*?)\n(.*?)(?=^## |\Z)', text,
                               re.MULTILINE | re.DOTALL))
    blocks = re.findall(r'```python\n(.*?)```', sections[heading], re.DOTALL)
    if not blocks:
        sys.exit(f'no block of Python under {heading!r}')
    for block in blocks:
        exec(compile(block, heading, 'exec'), {'__name__': '__main__'})


main(sys.argv[1])
