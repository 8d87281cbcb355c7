"""Two workers learn as one does: their curves lie within those of the seeds."""

import json

from absl.testing import absltest
import numpy as np
import pytest

from tests.experiments import launched_binary

_SEEDS = range(3)
_FLAGS = (
    '--num_steps=500',
    '--eval_every=100',
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
      print(f'\n{strategy}: validation bound [nats] at each 100 steps')
      for seed, row in zip(_SEEDS, rows, strict=True):
        print(f'  seed {seed}: {np.array2string(row, precision=3)}')
    one, two = curves['default'], curves['multi_worker']
    # The batches are the same, the noise is not.
    self.assertGreater(np.abs(one - two).min(), 0)
    spread = np.ptp(one, axis=0)
    np.testing.assert_array_less(np.abs(two.mean(0) - one.mean(0)), spread)
    # They move by many times as much.
    self.assertGreater(one[:, -1].min() - one[:, 0].max(), 3 * spread.max())

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
    rows = [json.loads(line) for line in lines]
    return np.array([row['val_elbo'] for row in rows if 'val_elbo' in row])


if __name__ == '__main__':
  absltest.main()
