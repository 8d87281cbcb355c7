"""The report of a VAE of categorical latents on images."""

from absl import flags
import numpy as np

import discrete_lvm as dlvm
from experiments import finished_runs
from experiments import report_measures
from experiments import report_pictures
from experiments import reports
from experiments import shared_flags

_ANNEALING_STEPS = flags.DEFINE_integer(
    'annealing_steps',
    100,
    'Steps of annealing of the bracket; 0 leaves it out.',
    lower_bound=0,
)
_ANNEALING_CHAINS = flags.DEFINE_integer(
    'annealing_chains', 4, 'Chains of each image of the bracket.', lower_bound=1
)
_ANNEALING_EXAMPLES = flags.DEFINE_integer(
    'annealing_examples', 100, 'Images of the bracket.', lower_bound=2
)

_NUM_SHOWN = 32
_NUM_TRAVERSED = 8
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


def report(run: finished_runs.FinishedRun) -> reports.Report:
  """Measures and draws.

  Args:
    run: The run.

  Returns:
    Bounds, what the codes tell of the images, the rate-distortion curve and the
    bracket of annealing; reconstructions, the curve, the aggregate posterior
    and traversals.
  """
  model, seed = run.model, shared_flags.SEED.value
  images = run.images().test.images
  bounds = report_measures.bounds(
      model,
      images,
      run.num_importance_samples,
      images[0].size,
      dlvm.ops.fold_in(seed, 'bounds'),
  )
  codes, information = report_measures.codes(
      report_measures.over_batches(model.encode, images),
      report_measures.prior_logits(model),
      dlvm.ops.fold_in(seed, 'codes'),
  )
  curve = report_measures.rate_distortion(
      model, images, _POWERS, dlvm.ops.fold_in(seed, 'rate_distortion')
  )
  parts = {
      'num_importance_samples': run.num_importance_samples,
      'num_examples': len(images),
      'bounds': bounds,
      'codes': codes,
      'rate_distortion': curve,
  }
  if _ANNEALING_STEPS.value:
    parts['annealing'] = _annealing(model, seed)
  told = information.latents().mutual_information.numpy()
  latents = np.sort(np.argsort(-told)[:_NUM_TRAVERSED])
  shown = images[:_NUM_SHOWN]
  return reports.Report(
      parts,
      [
          report_pictures.pairs(
              shown,
              model(shown).numpy(),
              'Test images, each beside its reconstruction',
          ),
          report_pictures.curve(curve),
          report_pictures.images(
              report_measures.traversals(model, images[0], latents),
              f'The first image with each class of latents {latents.tolist()}',
          ),
          report_pictures.usage(
              information.aggregate_posterior().numpy(), 'aggregate posterior'
          ),
      ],
  )


def _annealing(model, seed):
  return {
      'num_steps': _ANNEALING_STEPS.value,
      'num_chains': _ANNEALING_CHAINS.value,
      'num_images': _ANNEALING_EXAMPLES.value,
      **report_measures.annealing(
          model,
          _ANNEALING_EXAMPLES.value,
          _ANNEALING_STEPS.value,
          _ANNEALING_CHAINS.value,
          dlvm.ops.fold_in(seed, 'annealing'),
      ),
  }
