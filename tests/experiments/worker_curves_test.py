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
    # The batches are the same, the noise is not.
    self.assertGreater(np.abs(one - two).min(), 0)
    # Five standard errors of a difference of means of three, with the standard
    # deviation over seeds of both and of all steps.
    spread = np.sqrt(np.concatenate([one, two], 1).var(axis=0, ddof=1).mean())
    error = spread * np.sqrt(2 / len(_SEEDS))
    difference = np.abs(two.mean(axis=0) - one.mean(axis=0))
    print(f'standard deviation {spread:.3f}, differences {difference.round(3)}')
    np.testing.assert_array_less(difference, 5 * error)
    # They fall by many times as much.
    self.assertGreater(one[:, 0].min() - one[:, -1].max(), 10 * spread)

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
