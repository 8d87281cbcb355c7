import json
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

import discrete_lvm as dlvm
from experiments import gumbel_softmax_structured
from tests.experiments import binary


class GumbelSoftmaxStructuredTest(
    binary.BinaryTestCase, parameterized.TestCase
):

  tiny = {
      'num_latents': 3,
      'num_classes': 4,
      'num_steps': 4,
      'eval_every': 2,
      'num_importance_samples': 5,
      # Another binary in this process may have set other defaults.
      'batch_size': 100,
      'learning_rate': '1e-3',
      'temperature_schedule': '0.5',
  }

  def read(self, name):
    return json.loads((self.output_dir / name).read_text())

  def test_leaves_everything_and_resumes_exactly(self):
    self.run_main(gumbel_softmax_structured, num_steps=2)
    printed = self.run_main(gumbel_softmax_structured)
    results = self.read('results.json')
    self.assertEqual(results['step'], 4)
    self.assertRegex(
        printed, r'bound of 5 samples \[nats\] .* \d+\.\d{3} .* \d+\.\d{3} '
    )
    for name in ('elbo', 'importance_weighted_bound'):
      # Half of 64 pixels.
      self.assertBetween(-results['test'][name], 10, 32)
    self.assertEqual(self.read('config.json')['num_layers'], 2)
    lines = (self.output_dir / 'metrics.jsonl').read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    self.assertEqual([row['step'] for row in rows], [2, 4])
    self.assertEqual(rows[0]['temperature'], 0.5)
    self.assertGreater(np.std(self.picture('predictions.png')), 5)

    # Without a break it ends the same.
    self.output_dir = self.output_dir.with_name('whole')
    self.run_main(gumbel_softmax_structured)
    self.assertEqual(self.read('results.json'), results)
    # Once more, it only draws.
    with mock.patch.object(dlvm.training.Trainer, 'evaluate') as evaluate:
      self.run_main(gumbel_softmax_structured)
    evaluate.assert_not_called()

  @parameterized.parameters(
      ('score_function', 3, 3, 'none'), ('vimco', 2, 2, 'fixed')
  )
  def test_trains_on_bounds(
      self, estimator, num_layers, num_samples, binarization
  ):
    self.run_main(
        gumbel_softmax_structured,
        estimator=estimator,
        num_layers=num_layers,
        num_samples=num_samples,
        binarization=binarization,
        num_steps=2,
    )
    row = json.loads((self.output_dir / 'metrics.jsonl').read_text())
    self.assertIn('negative_bound', row)

  def test_trains_and_evaluates_on_two_replicas(self):
    self.run_main(
        gumbel_softmax_structured,
        strategy='mirrored',
        num_replicas=2,
        accumulate_steps=2,
        clip_norm=1.0,
        num_steps=2,
    )
    results = self.read('results.json')
    self.assertBetween(-results['test']['elbo'], 10, 32)
    self.assertEqual(self.read('config.json')['clip_norm'], 1.0)

  def test_says_what_does_not_fit(self):
    error = self.run_failing(
        gumbel_softmax_structured, estimator='rodeo', num_samples=2
    )
    self.assertIn('can do with one sample', error)


if __name__ == '__main__':
  absltest.main()
