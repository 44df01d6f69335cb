"""Gradient boosted trees of each factor on all latents, for DCI."""

from collections.abc import Iterator
import contextlib
import functools
import os
import tempfile
import threading

import numpy as np

from topdis_jax.metrics.progress_bar import progress_bar

STAGES = 100  # of boosting, for each factor
_POLL = 0.5  # seconds between two updates of the progress bar


def fit_factors(codes: np.ndarray, factors: np.ndarray,
                test_codes: np.ndarray, test_factors: np.ndarray, *,
                seed: int = 0, num_jobs: int | None = None,
                progress: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Fits a classifier of each factor, in parallel processes.

    Args:
      codes, test_codes: [n, d] and [m, d].
      factors, test_factors: [n, k] and [m, k] integers.
      seed: of the boosting.
      num_jobs: processes; None is one per core.
      progress: show a progress bar.

    Returns:
      Importance [d, k] of each latent for each factor, each column of sum 1
      or 0; and accuracy [2, k], on training and on test rows.
    """
    import joblib

    importance = np.empty((codes.shape[1], factors.shape[1]))
    accuracy = np.empty((2, factors.shape[1]))
    with _counting_stages(progress, factors.shape[1]) as counter:
        jobs = [joblib.delayed(_fit)(j, codes, factors[:, j], test_codes,
                                     test_factors[:, j], seed, counter)
                for j in _longest_first(factors)]
        for j, column, pair in joblib.Parallel(
                n_jobs=num_jobs or -1, return_as='generator_unordered')(jobs):
            importance[:, j], accuracy[:, j] = column, pair
    return importance, accuracy


def _longest_first(factors):
    """Indices of the factors, those with most classes first.

    The time of a fit grows with its classes. If the longest fit came last,
    the other cores would wait for it.
    """
    classes = [len(np.unique(column)) for column in factors.T]
    return np.argsort(classes)[::-1]


def _fit(j, codes, labels, test_codes, test_labels, seed, counter):
    """Fits one factor: j, importances [d], accuracies (train, test).

    counter: path of a file that gets a byte for each stage of boosting, or
    None.
    """
    from sklearn import ensemble

    model = ensemble.GradientBoostingClassifier(n_estimators=STAGES,
                                                random_state=seed)
    model.fit(codes, labels, monitor=counter and functools.partial(
        _count_stage, counter))
    return j, model.feature_importances_, (
        model.score(codes, labels), model.score(test_codes, test_labels))


def _count_stage(path, *unused):
    """Called by scikit-learn after each stage; False: the fit goes on."""
    with open(path, 'ab') as file:  # processes append single bytes safely
        file.write(b'.')
    return False


@contextlib.contextmanager
def _counting_stages(shown: bool, factors: int) -> Iterator[str | None]:
    """Shows a progress bar over the stages of all fits, in all processes.

    Yields the path of the file where fits count their stages, or None.
    """
    if not shown:
        yield None
        return
    ended = threading.Event()
    with tempfile.NamedTemporaryFile(prefix='dci_stages_') as file, \
            progress_bar(True, factors * STAGES, 'DCI', 'stage') as bar:
        def follow():
            while not ended.wait(_POLL):
                bar.update(os.path.getsize(file.name) - bar.n)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield file.name
        finally:
            ended.set()
            thread.join()
