"""The report of a stochastic network that predicts half of an image."""

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import finished_runs
from experiments import report_measures
from experiments import report_pictures
from experiments import reports
from experiments import shared_flags

_NUM_SHOWN = 32


def report(run: finished_runs.FinishedRun) -> reports.Report:
  """Measures and draws.

  Args:
    run: The run.

  Returns:
    Bounds of the log-likelihood of the lower halves, and how each stochastic
    layer uses its classes; predictions, and the frequencies of the classes.
  """
  model, seed = run.model, shared_flags.SEED.value
  images = run.images().test.images
  halves = tuple(half.numpy() for half in data.halves(images))
  bounds = report_measures.bounds(
      model,
      halves,
      run.num_importance_samples,
      halves[1][0].size,
      dlvm.ops.fold_in(seed, 'bounds'),
  )
  usages = layer_usages(model, halves[0], dlvm.ops.fold_in(seed, 'codes'))
  shown = images[:_NUM_SHOWN]
  return reports.Report(
      {
          'num_importance_samples': run.num_importance_samples,
          'num_examples': len(images),
          'bounds': bounds,
          'codes': {
              f'layer_{layer}_{name}': float(value)
              for layer, usage in enumerate(usages)
              for name, value in usage.result().items()
          },
      },
      [
          report_pictures.pairs(
              shown,
              predictions(model, shown),
              'Test images, each beside its lower half as predicted',
          ),
          *(
              report_pictures.usage(
                  usage.frequencies().numpy(), f'codes of layer {layer}'
              )
              for layer, usage in enumerate(usages)
          ),
      ],
  )


def predictions(
    model: dlvm.models.StructuredPrediction, images: np.ndarray
) -> np.ndarray:
  """Joins upper halves to the means of a lower half that the model samples.

  Args:
    model: The model.
    images: Shape `[size, height, width, channels]`.

  Returns:
    Array like `images`.
  """
  upper, _ = data.halves(images)
  codes = model.sample_codes(upper, 1, dlvm.ops.fold_in(0, 'predictions'))
  return tf.concat([upper, model.decode(codes[0]).mean()], axis=1).numpy()


def layer_usages(
    model: dlvm.models.StructuredPrediction, x: np.ndarray, seed
) -> list[dlvm.metrics.CodeUsage]:
  """Counts the classes of each stochastic layer, one sample of each example.

  Args:
    model: The model.
    x: What it predicts from, shape `[size, *x_event]`.
    seed: As for `ops.as_seed`.

  Returns:
    A metric of each layer.
  """
  usages = [
      dlvm.metrics.CodeUsage(model.num_latents, model.num_classes)
      for _ in model.networks
  ]

  draw = tf.function(lambda x, seed: model.sample_layers(x, 1, seed))
  for index, batch in enumerate(report_measures.batches(x)):
    drawn = draw(batch, dlvm.ops.fold_in(seed, index))
    for usage, codes in zip(usages, drawn, strict=True):
      usage.update_state(codes[0])
  return usages
