"""The reports of a delta-VAE, on images and on text."""

from typing import Any

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import delta_vae_evaluation
from experiments import finished_runs
from experiments import report_measures
from experiments import report_pictures
from experiments import reports
from experiments import shared_flags
from experiments import text as text_lib

_NUM_SHOWN = 32
_NUM_TEXTS = 6


def report(run: finished_runs.FinishedRun) -> reports.Report:
  """Measures and draws.

  Args:
    run: The run.

  Returns:
    Bounds, of the prior and of the auxiliary prior, and what the latents tell;
    of images reconstructions and samples, of text samples.
  """
  test, panels = (_text if run.is_of_text else _images)(run)
  parts: dict[str, Any] = {
      'num_importance_samples': run.num_importance_samples,
      'num_examples': len(test),
  }
  for auxiliary in _priors(run.model):
    found = report_measures.bounds(
        run.model,
        test,
        run.num_importance_samples,
        test[0].size,
        dlvm.ops.fold_in(shared_flags.SEED.value, 'bounds'),
        auxiliary=auxiliary,
    )
    if run.is_of_text:
      found['bits_per_character'] = found.pop('bits_per_dim')
    parts['auxiliary_bounds' if auxiliary else 'bounds'] = found
  if not isinstance(run.model.latents, dlvm.models.NoLatents):
    parts['latents'] = latents(run.model, test, shared_flags.SEED.value)
  return reports.Report(parts, panels)


def latents(
    model: dlvm.models.DeltaVAE, test: np.ndarray, seed: Any
) -> dict[str, float]:
  """Measures what the latents cost and tell.

  Args:
    model: The model.
    test: Test examples, shape `[size, *event]`.
    seed: As for `ops.as_seed`.

  Returns:
    'rate', the mean KL of the posterior from the prior, 'committed_rate', below
    which it cannot fall, and 'information', an estimate of the mutual
    information of latents and data, in nats; 'active_units'.
  """

  def rate(x):
    kl = model.latents.kl(model.encode(x))
    return tf.reduce_sum(kl, axis=range(1, kl.shape.rank))

  active = dlvm.metrics.ActiveUnits(
      [model.latents.length, model.latents.dim],
      event_ndims=model.latents.unit_ndims,
  )
  active.update_state(report_measures.over_batches(model, test))
  return {
      **report_measures.mean('rate', report_measures.over_batches(rate, test)),
      'committed_rate': float(model.latents.committed_rate),
      'active_units': float(active.result()),
      **delta_vae_evaluation.information(
          model, test, dlvm.ops.fold_in(seed, 'information')
      ),
  }


def _priors(model):
  return [False] if model.auxiliary_prior is None else [False, True]


def _images(run):
  test = _first(run, run.images().test.images)
  white = 1
  if run.config['likelihood'] != 'bernoulli':
    test, white = data.grey_levels(test), 255
  shown = test[:_NUM_SHOWN]
  decoded = run.model.reconstruct(shown, dlvm.ops.as_seed(0)).numpy()
  panels = [
      report_pictures.pairs(
          shown / white,
          decoded / white,
          'Test images, each beside one of its latents',
      )
  ]
  for title, drawn in _samples(run.model, _NUM_SHOWN):
    grid = drawn.reshape([-1, 8, *drawn.shape[1:]]) / white
    panels.append(report_pictures.images(grid, title))
  return test, panels


def _text(run):
  length = run.config['length']
  test = _first(run, text_lib.windows(run.text().test, length))
  panels = [
      report_pictures.texts([text_lib.decode(code) for code in drawn], title)
      for title, drawn in _samples(run.model, _NUM_TEXTS)
  ]
  return test, panels


def _first(run, test):
  """Returns what of the test set the run itself evaluated."""
  return test[: run.found.get('num_test')]


def _samples(model, size):
  for auxiliary in _priors(model):
    kind = 'auxiliary prior' if auxiliary else 'prior'
    drawn = model.sample(size, seed=[0, 1], auxiliary=auxiliary).numpy()
    yield f'Samples of the {kind}', drawn
