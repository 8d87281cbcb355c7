"""Two workers learn as one does, but for the noise: compared over seeds."""

import json

from absl.testing import absltest
import numpy as np
import pytest

from tests.experiments import launched_binary

_SEEDS = range(3)
_FLAGS = (
    '--num_steps=500',
    '--eval_every=500',
    '--learning_rate=3e-3',
    '--batch_size=100',
    '--num_importance_samples=2',
)


class WorkerCurvesTest(launched_binary.LaunchedBinaryTestCase):

  # Five minutes, of six runs.
  @pytest.mark.slow
  def test_two_workers_give_the_loss_curve_of_one(self):
    curves = {
        strategy: np.stack([self.curve(strategy, seed) for seed in _SEEDS])
        for strategy in ('default', 'multi_worker')
    }
    for strategy, rows in curves.items():
      print(f'\n{strategy}: loss [nats], mean of each 100 steps')
      for seed, row in zip(_SEEDS, rows, strict=True):
        print(f'  seed {seed}: {np.array2string(row, precision=3)}')
    one, two = curves['default'], curves['multi_worker']
    # The weights that a run begins with and the batches are the same, the noise
    # is not. Five standard errors of the mean difference over seeds, with the
    # variance of all steps.
    differences = two - one
    self.assertGreater(np.abs(differences).min(), 0)
    deviation = np.sqrt(differences.var(axis=0, ddof=1).mean())
    mean = differences.mean(axis=0)
    print(f'mean difference {mean.round(3)}, deviation {deviation:.3f}')
    bound = 5 * deviation / np.sqrt(len(_SEEDS))
    np.testing.assert_array_less(np.abs(mean), bound)
    # They fall by many times as much.
    self.assertGreater(one[:, 0].min() - one[:, -1].max(), 10 * bound)

  def curve(self, strategy, seed):
    name = f'{strategy}_{seed}'
    status, log = self.run_binary(
        'gumbel_softmax_vae',
        strategy,
        *_FLAGS,
        f'--seed={seed}',
        output_dir=name,
    )
    self.assertEqual(status, 0, log)
    lines = (self.directory / name / 'metrics.jsonl').read_text().splitlines()
    return np.array([json.loads(line)['loss'] for line in lines])


if __name__ == '__main__':
  absltest.main()
