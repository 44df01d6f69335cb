"""What a study found: tables, paired differences, pictures.

    python -m experiments.study.report --workdir=DIR --out=REPORT

DIR is that of experiments.study, finished or not. Writes README.md,
results.json and pictures into the folder --out.
"""

import os

from absl import flags

from experiments import console
from experiments.study import report_results

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the study.')
_OUT = flags.DEFINE_string('out', None, 'Folder of the report.')


def main():
    results = report_results.write(_WORKDIR.value, _OUT.value)
    print(f'{os.path.join(_OUT.value, "README.md")}: '
          f'{len(results["unfinished"])} cells of the study are not finished')


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'out'])
    console.start(main)
