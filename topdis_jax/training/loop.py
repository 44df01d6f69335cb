"""Training: restore, step, log, save, evaluate, go on."""

from collections.abc import Callable
import contextlib
import dataclasses
import functools
import os
import sys
from typing import Any, NamedTuple

import jax
import ml_collections

from topdis_jax import progress
from topdis_jax.data import correlation, pipeline
from topdis_jax.data.factors import FactorDataset
from topdis_jax.metrics import evaluate, table
from topdis_jax.training import compilation, families, finite, inference
from topdis_jax.training import memory, parallel, processes
from topdis_jax.training import state as states, steps, workfolder
from topdis_jax.training.checkpoints import Checkpoints
from topdis_jax.training.finite import TrainingDiverged  # noqa: F401
from topdis_jax.training.interrupts import Interrupts


class _Due(NamedTuple):
    """What follows a step."""
    log: bool
    save: bool
    evaluate: bool


def train(config: ml_collections.ConfigDict, folder: str,
          dataset: FactorDataset, plot: Callable | None = None,
          on_row: Callable | None = None) -> dict[str, float]:
    """Trains to config.train.steps, from the folder's last checkpoint if any.

    Args:
      config: see training.config.
      folder: the work folder of this run (see workfolder.prepare).
      dataset: what it is trained on.
      plot: (Inference, rows of the log, step) -> None, called after each
        evaluation.
      on_row: (row of the log) -> None, called by the first process with each
        one: {'step', name: number}, or {'step', 'scores': {name: number}};
        the last one has the final scores.

    Returns:
      The final scores by name.

    Raises:
      TrainingDiverged: the last good checkpoint is kept.
      Interrupted: after the state was saved.
      WorkFolderError, CheckpointError: they cannot be written or read.
    """
    path = functools.partial(os.path.join, os.path.abspath(folder))
    model = states.make_model(config, dataset.image_shape)
    objective = families.make_objective(config, len(dataset),
                                        parallel.axis_name())
    with progress.waiting('Creating the first state', processes.is_first()):
        state = states.create_state(config, model, objective)
    with (workfolder.writing(folder), memory.translating_errors(config),
          contextlib.ExitStack() as stack):
        interrupts = stack.enter_context(
            Interrupts(several=jax.process_count() > 1).installed())
        checkpoints = stack.enter_context(
            contextlib.closing(Checkpoints(path('checkpoints'))))
        state = checkpoints.restore(state) or state
        _check_steps(folder, int(state.step), config.train.steps)
        log = stack.enter_context(contextlib.closing(workfolder.Log(
            path('metrics.jsonl'), int(state.step),
            writes=processes.is_first(), on_row=on_row)))
        run = _Run(
            config=config, checkpoints=checkpoints, log=log,
            batch_at=functools.partial(
                _batch, config, dataset, objective,
                correlation.sampler(dataset, config.data.correlation)),
            take=_make_steps(config, model, objective),
            score=functools.partial(
                _score, config, dataset, inference.compile_model(model),
                checkpoints, plot, path('metrics.jsonl')),
            watch=finite.Watch(config, checkpoints.latest_step, _late()))
        state = run.steps(state, interrupts)
        with _saving_if_interrupted(lambda: state, checkpoints):
            scores = run.score(state)
            log.tell({'step': int(state.step), 'scores': scores})
        if processes.is_first():
            evaluate.add_scores(
                path('scores.json'), scores,
                evaluate.settings(config.seed, int(state.step)))
    return scores


def _check_steps(folder, done, wanted):
    if done > wanted:
        raise workfolder.WorkFolderError(
            f'the run in {folder} is at step {done} already, and '
            f'config.train.steps is {wanted}; give at least {done}, or another '
            '--workdir')


@dataclasses.dataclass(frozen=True)
class _Run:
    """What the steps of a run need besides its state.

    Attributes:
      config: of the run.
      batch_at: step number -> batch, on the devices.
      take: (step number, state, batch) -> (state, metrics).
      score: state on the host -> scores by name.
      checkpoints, log: where states and numbers are kept.
      watch: what looks at the numbers of each step.
    """
    config: ml_collections.ConfigDict
    batch_at: Callable
    take: Callable
    score: Callable
    checkpoints: Checkpoints
    log: workfolder.Log
    watch: finite.Watch

    def steps(self, state, interrupts):
        """All steps that are left; returns the state on the host."""
        options = self.config.train
        start = int(state.step)
        state = parallel.on_all(state)
        bar = progress.Bar(total=options.steps, initial=start, unit='step',
                           desc='Training', mininterval=0.5,
                           disable=not processes.is_first())
        pace = functools.partial(progress.Pace, options.steps,
                                 shown=processes.is_first())
        paces = {False: pace(), True: pace()}  # without the loss, and with it
        with (_saving_if_interrupted(lambda: self._seen(state),
                                     self.checkpoints), bar):
            # Of a run that ended while it scored.
            if not processes.from_first(start in self.log.scored):
                self._score_if_due(start, state, bar)
            batches = pipeline.Prefetch(self.batch_at, start, options.steps)
            for step, batch in enumerate(batches, start + 1):
                # A signal waits until the step is logged and saved.
                with interrupts.deferred(step):
                    on = _has_topdis(self.config, step)
                    state, metrics = self.take(step, state, batch)
                    if not self.watch.late:
                        jax.block_until_ready(metrics)
                    bar.update()
                    paces[on].note(step, _to_come(self.config, on))
                    self._record(step, metrics, state, bar, batches.share())
                self._score_if_due(step, state, bar)
        return parallel.on_host(state)

    def _score_if_due(self, step, state, bar):
        options = self.config.train
        if _due(options, step).evaluate and 0 < step < options.steps:
            bar.clear()
            scores = self.score(parallel.on_host(state))
            self.log.write({'step': step, 'scores': scores})

    def _record(self, step, metrics, state, bar, waited):
        """Looks at a step's numbers; logs them and saves the state if due."""
        options, checkpoints = self.config.train, self.checkpoints
        due = _due(options, step)
        if not any(due):
            self.watch.note(step, metrics)
            return
        row = self.watch.row(step, metrics)
        # The last ones go first where a row is short.
        shown = ('topdis', 'loss', 'kl', 'skipped', 'reconstruction')
        bar.show({name: f'{row[name]:.4g}' for name in shown if name in row}
                 | {'waited': f'{waited:.1%}'})
        if due.log:
            self.log.write({'step': step, **row})
        if due.save:
            _save(parallel.on_host(state), checkpoints)

    def _seen(self, state):
        """The state on the host; raises if a step before it went wrong."""
        self.watch.look()
        return parallel.on_host(state)


def _late():
    """How many steps may be under way while the one before is looked at.

    None on CPUs: waiting steps starve one another of host threads where several
    devices share them.
    """
    return 0 if jax.default_backend() == 'cpu' else 1


def _batch(config, dataset, objective, sampler, step):
    """What a step takes on this process, on its devices."""
    return parallel.shared({
        name: pipeline.batch(
            dataset, config.seed, step, config.train.batch_size,
            stream=stream, sampler=sampler,
            part=(jax.process_index(), jax.process_count()))
        for stream, name in enumerate(objective.batches)})


def _make_steps(config, model, objective):
    """The steps of a run: without TopDis until its delay is over."""
    optimizer = states.make_optimizer(config)
    jitted = {topdis: parallel.jitted(steps.make_step(
        config, model, objective, optimizer, topdis=topdis,
        axis_name=parallel.axis_name())) for topdis in (False, True)}
    return compilation.Steps(
        jitted, functools.partial(_has_topdis, config), config.train.steps,
        processes.is_first())


def _has_topdis(config, step):
    first = config.topdis.delay + (not families.release(config).from_delay)
    return config.topdis.weight > 0 and step >= first


def _to_come(config, on):
    """What an estimate of the time does not know of."""
    if on or config.topdis.weight == 0:
        return ''
    return (', and longer once the topological loss is on, after step '
            f'{config.topdis.delay}')


def _due(options, step):
    def every(steps):
        return step == options.steps or (steps > 0 and step % steps == 0)

    evaluates = every(options.eval_every)
    return _Due(every(options.log_every),
                every(options.checkpoint_every) or evaluates, evaluates)


def _score(config, dataset, infer, checkpoints, plot, log_path, state):
    """Scores a state; keeps it if it is the best so far; plots pictures."""
    scores, rank = {}, 0.0
    # The first score asked for ranks; without factors, the fit does.
    by_score = bool(dataset.factor_sizes and config.eval.scores)
    by = (table.main_results(config.eval.scores)[0] if by_score
          else 'reconstruction')
    if processes.is_first():
        model = infer(state.params)
        scores = score_model(config, dataset, model)
        rank = scores[by] if by_score else -scores[by]
        if plot is not None:
            with progress.waiting('Plotting the pictures'):
                plot(model, workfolder.read_rows(log_path), int(state.step))
    checkpoints.save_if_best(state, by, processes.from_first(rank))
    # What is logged as scored is not scored again: it must be kept by then.
    checkpoints.wait()
    return scores


def score_model(config: Any, dataset: FactorDataset,
                model: inference.Inference) -> dict[str, float]:
    """The scores of config.eval of an Inference, by name."""
    return evaluate.score_model(
        lambda images: model.encode(images)[0], model.decode, dataset,
        tuple(config.eval.scores), seed=config.seed,
        batch_size=config.eval.batch_size)


def _save(state, checkpoints):
    """Saves a state of finite numbers as the latest; of others, raises."""
    finite.check_state(int(state.step), state, checkpoints.latest_step())
    checkpoints.save(state)


@contextlib.contextmanager
def _saving_if_interrupted(get_state, checkpoints):
    try:
        yield
    except KeyboardInterrupt:
        _save_interrupted(get_state(), checkpoints)
        raise


def _save_interrupted(state, checkpoints):
    step = int(state.step)
    if step > (checkpoints.latest_step() or 0):
        _save(state, checkpoints)
    checkpoints.wait()
    print(f'\nInterrupted after step {step}, which is saved. The same command '
          'goes on from there.' if step else '\nInterrupted before the first '
          'step.', file=sys.stderr)
