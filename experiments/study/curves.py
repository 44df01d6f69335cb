"""Scores of a study's runs on their way.

    python -m experiments.study.curves --results=FILE [--steps=12000]

FILE is the results.json of a report. Prints a table in Markdown: a row for each
run and step at which it was scored. --steps, which may be given several times,
picks steps.
"""

from absl import flags

from experiments import console
from experiments.study import cells, report_results, report_text
from topdis_jax.training import workfolder

_FLOOR = 'above the floor'


def table(results, steps=()):
    """The scores of all runs in Markdown, by step; all steps if none is given.

    The last column is what a reconstruction has above the floor, in nats; '-'
    where the floor is not known.

    Args:
      results: what a report's results.json holds.
      steps: which of a curve's steps.

    Raises:
      WorkFolderError: no run was scored at one of these steps.
    """
    points = [point for point in _points(results)
              if not steps or point[-2] in steps]
    if not points:
        at = f' at the steps {", ".join(map(str, steps))}' if steps else ''
        raise workfolder.WorkFolderError(f'no run was scored{at}')
    # Those that a run has alone, as its time, are not of a step.
    names = [name for name in points[0][-1]
             if all(name in scores for *_, scores in points)]
    header = ['run', 'seed', 'step', *map(report_text.label, names), _FLOOR]
    return cells.table(header, [
        [run, seed, str(step), *(f'{scores[name]:.{cells.digits(name)}f}'
                                 for name in names),
         _above(scores, results['floors'].get(data))]
        for data, run, seed, step, scores in points])


def _points(results):
    """(data set, run, seed, step, {name: score}) of all curves."""
    for data, variants in results['runs'].items():
        for variant, group in variants.items():
            for arm, runs in group['arms'].items():
                run = f'{variant}, {arm}' if len(group['arms']) > 1 else variant
                for seed, found in runs.items():
                    for step, scores in found['curve']:
                        yield data, run, seed, step, scores


def _above(scores, floor):
    if floor is None or 'reconstruction' not in scores:
        return '-'
    digits = cells.digits('reconstruction')
    return f'{scores["reconstruction"] - floor:.{digits}f}'


def main():
    path = flags.DEFINE_string('results', None, "A report's results.json.",
                               required=True)
    steps = flags.DEFINE_multi_integer('steps', [], 'A step to show; all if '
                                       'none is given.')

    def start():
        print(table(report_results.read(path.value), steps.value))

    console.start(start)


if __name__ == '__main__':
    main()
