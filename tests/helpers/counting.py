"""A program that counts to 150 in a log, which a restart replaces.

    python -m tests.helpers.counting KIND --workdir=DIR

KIND `exact`; `lossy` forgets a row at a restart; `failing` ends with an error.
"""

import json
import os
import sys
import time


def count(kind, folder):
    path = os.path.join(folder, 'metrics.jsonl')
    rows = _whole_rows(path)
    if rows and kind == 'lossy':
        rows.pop(0)
        rows.append(rows[-1])
    with open(path + '.new', 'w') as file:
        file.writelines(row + '\n' for row in rows)
    os.replace(path + '.new', path)
    with open(path, 'a', buffering=1) as file:
        for step in range(len(rows) + 1, 151):
            file.write(json.dumps({'step': step, 'loss': 1 / step}) + '\n')
            time.sleep(0.003)
    if kind == 'failing':
        sys.exit('no luck')
    with open(os.path.join(folder, 'scores.json'), 'w') as file:
        file.write('{}')


def _whole_rows(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [row for row in file.read().splitlines() if row.endswith('}')]


if __name__ == '__main__':
    count(sys.argv[1], sys.argv[2].split('=')[1])
