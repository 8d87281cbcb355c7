"""The report of a semi-supervised VAE of images."""

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import finished_runs
from experiments import report_measures
from experiments import report_pictures
from experiments import reports
from experiments import shared_flags

_NUM_SHOWN = 32
_NUM_STYLES = 8


def report(run: finished_runs.FinishedRun) -> reports.Report:
  """Measures and draws.

  Args:
    run: The run.

  Returns:
    The accuracy and the bounds, what the class tells of the images;
    reconstructions, styles of the prior in every class, and the confusion of
    the classes.
  """
  model, seed = run.model, shared_flags.SEED.value
  test = run.images().test
  bounds = report_measures.metrics(
      model,
      (test.images, test.labels),
      run.num_importance_samples,
      dlvm.ops.fold_in(seed, 'bounds'),
  )
  classification = {
      name: bounds.pop(name) for name in ('accuracy', 'accuracy_stderr')
  }
  bounds['bits_per_dim'] = report_measures.bits_per_dim(
      bounds['importance_weighted_bound'], test.images[0].size
  )
  logits = report_measures.over_batches(model.classify, test.images)
  codes, _ = report_measures.codes(
      logits[:, np.newaxis],
      tf.zeros([1, model.num_classes]),
      dlvm.ops.fold_in(seed, 'codes'),
  )
  shown = test.images[:_NUM_SHOWN]
  return reports.Report(
      {
          'num_importance_samples': run.num_importance_samples,
          'num_examples': len(test.images),
          'classification': classification,
          'bounds': bounds,
          'codes': codes,
      },
      [
          report_pictures.pairs(
              shown,
              _reconstruct(model, shown),
              'Test images, each beside its reconstruction',
          ),
          report_pictures.images(
              styles(model), 'Styles of the prior, a row each, in every class'
          ),
          report_pictures.usage(
              confusion(logits, test.labels),
              'share of the classes that images of a label get',
              ylabel='label',
          ),
      ],
  )


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Computes how often images of each label are taken for each class.

  Args:
    logits: Shape `[size, K]`.
    labels: Integers, shape `[size]`.

  Returns:
    Array, shape `[K, K]`, whose rows sum to one where there is such a label.

  Example:
    >>> confusion(np.array([[1., 0.], [0., 1.]]), np.array([0, 0])).tolist()
    [[0.5, 0.5], [0.0, 0.0]]
  """
  num_classes = logits.shape[-1]
  counts = np.zeros([num_classes, num_classes])
  np.add.at(counts, (labels, np.argmax(logits, axis=-1)), 1)
  return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def styles(model: dlvm.models.SemiSupervisedVAE) -> np.ndarray:
  """Decodes some styles of the prior, each in every class.

  Args:
    model: The model.

  Returns:
    Mean images in [0, 1], shape `[8, K, height, width, 1]`.
  """
  num_classes = model.num_classes
  _, z = model.sample_prior(_NUM_STYLES, dlvm.ops.fold_in(0, 'styles'))
  codes = tf.eye(num_classes, batch_shape=[_NUM_STYLES])
  z = tf.repeat(z[:, tf.newaxis], num_classes, axis=1)
  return model.decode(codes, z).mean().numpy()


def _reconstruct(model, images):
  codes = dlvm.ops.one_hot_argmax(model.classify(images))
  loc, _ = model.encode(images, codes)
  return model.decode(codes, loc).mean().numpy()
