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
  upper = halves[0][:_NUM_SHOWN]
  last = model.sample_codes(upper, 1, dlvm.ops.fold_in(0, 'predictions'))
  lower = model.decode(last[0]).mean()
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
              images[:_NUM_SHOWN],
              np.concatenate([upper, lower], axis=1),
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

  @tf.function
  def draw(x, seed):
    drawn, inputs = [], x
    for layer in range(len(model.networks)):
      logits = model.logits(layer, inputs)
      inputs = dlvm.ops.one_hot_argmax(
          dlvm.ops.perturb(logits, seed=dlvm.ops.fold_in(seed, layer))
      )
      drawn.append(inputs)
    return drawn

  for index, batch in enumerate(report_measures.batches(x)):
    drawn = draw(batch, dlvm.ops.fold_in(seed, index))
    for usage, codes in zip(usages, drawn, strict=True):
      usage.update_state(codes)
  return usages
