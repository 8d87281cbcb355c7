import json
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest

import discrete_lvm as dlvm
from experiments import gumbel_softmax_semisupervised as binary_module
from tests.experiments import binary


class GumbelSoftmaxSemisupervisedTest(
    binary.BinaryTestCase, parameterized.TestCase
):

  tiny = {
      'network': 'mlp',
      'units': 8,
      'style_dim': 2,
      'num_labels': 20,
      'labeled_batch_size': 10,
      'num_steps': 4,
      'eval_every': 2,
      'num_importance_samples': 5,
      'inferences': ['gumbel_softmax'],
      # Another binary in this process may have set other defaults.
      'batch_size': 50,
      'learning_rate': '1e-3',
      'temperature_schedule': '0.5',
  }

  def read(self, run, name='results.json'):
    return json.loads((self.output_dir / run / 'seed_0' / name).read_text())

  def test_leaves_everything_and_resumes_exactly(self):
    run = 'gumbel_softmax/alpha_1'
    self.run_main(binary_module, num_steps=2)
    self.run_main(binary_module)
    found = self.read(run)
    self.assertEqual(found['step'], 4)
    for split in ('validation', 'test'):
      self.assertBetween(found[split]['accuracy'], 0.0, 1.0)
      self.assertBetween(-found[split]['elbo'], 20, 64)
    lines = self.output_dir / run / 'seed_0' / 'metrics.jsonl'
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    self.assertEqual([row['step'] for row in rows], [2, 4])
    self.assertContainsSubset(
        {'val_accuracy', 'temperature', 'classification'}, rows[-1]
    )
    self.assertGreater(np.std(self.picture(f'{run}/seed_0/styles.png')), 5)
    self.assertIn(
        'gumbel_softmax', (self.output_dir / 'results.md').read_text()
    )

    # Without a break it ends the same.
    self.output_dir = self.output_dir.with_name('whole')
    self.run_main(binary_module)
    for split in ('validation', 'test'):
      self.assertEqual(self.read(run)[split], found[split])
    # Once more, it only tabulates.
    with mock.patch.object(dlvm.training.Trainer, 'fit') as fit:
      self.run_main(binary_module)
    fit.assert_not_called()

  @pytest.mark.slow
  def test_figures_are_those_of_the_seed_of_the_run(self):
    name = 'marginalize/alpha_1'
    flags = {'inferences': ['marginalize'], 'num_steps': 1}
    self.run_main(binary_module, **flags, num_seeds=2)
    found = self.results(name, 1)['test']
    self.output_dir = self.output_dir.with_name('alone')
    self.run_main(binary_module, **flags, seed=1)
    self.assertEqual(self.results(name, 1)['test'], found)

  @pytest.mark.slow
  def test_convolutions_and_marginals(self):
    self.run_main(
        binary_module,
        network='conv',
        units=2,
        inferences=['marginalize'],
        num_steps=2,
    )
    self.assertEqual(self.read('marginalize/alpha_1')['step'], 2)

  def test_alpha_is_chosen_on_the_validation_set(self):
    def result(validation, test):
      metrics = {'elbo': -1.0, 'importance_weighted_bound': -0.5}
      return {
          'validation': {'accuracy': validation, **metrics},
          'test': {'accuracy': test, **metrics},
          'seconds': 3.0,
      }

    rows = binary_module.rows_of(
        {
            ('a', 0.1): [result(0.8, 0.9), result(0.6, 0.9)],
            ('a', 1.0): [result(0.75, 0.5), result(0.73, 0.4)],
            ('b', 0.1): [result(0.1, 0.2)],
        }
    )
    self.assertEqual(
        [row[3] for row in rows], ['', '45.00 (40.00 to 50.00)', '20.00']
    )
    self.assertEqual(rows[1][4:6], ['1.00', '0.50'])
    self.assertEqual(rows[1][6], '3')

  @pytest.mark.slow
  def test_seconds_of_a_part_are_not_those_of_a_run(self):
    self.run_main(binary_module, inferences=['marginalize'], num_steps=1)
    self.assertGreater(self.read('marginalize/alpha_1')['seconds'], 0)
    self.run_main(binary_module, inferences=['marginalize'], num_steps=2)
    self.assertNotIn('seconds', self.read('marginalize/alpha_1'))
    table = (self.output_dir / 'results.md').read_text()
    self.assertRegex(table, r'\| marginalize \|.*\|  \|\n')

  def test_goes_on_after_a_run_that_diverges(self):
    runs = binary_module.runs
    fit = runs.fit

    def diverge_once(model, batches, seed, directory, *args):
      if directory == self.output_dir / 'marginalize/alpha_2.5/seed_0':
        raise dlvm.training.NonFiniteLossError(7, 'rate', None)
      return fit(model, batches, seed, directory, *args)

    with mock.patch.object(runs, 'fit', diverge_once):
      error = self.run_failing(
          binary_module,
          inferences=['marginalize'],
          alphas=['2.5', '1'],
          num_steps=1,
      )
    self.assertIn('1 of 2 did not', error)
    self.assertRegex(error, "alpha_2.5/seed_0: .*'rate' at step 7")
    self.assertEqual(self.read('marginalize/alpha_1')['step'], 1)

  @parameterized.parameters(
      ({'inferences': ['sum']}, "received 'sum'"),
      ({'inferences': ['arm']}, '2'),
      ({'alphas': ['-1']}, "in --alphas; received '-1'"),
      ({'alphas': []}, 'received [] and'),
      ({'alphas': ['1', '1.0000001']}, 'received [1.0, 1.0000001]'),
      ({'alphas': ['inf']}, "in --alphas; received 'inf'"),
      ({'inferences': []}, 'received [1.0] and []'),
      ({'alphas': ['big']}, "in --alphas; received 'big'"),
      ({'num_labels': 15}, 'multiple of 10'),
      ({'temperature_schedule': '0'}, 'Expected a schedule of positive'),
  )
  def test_bad_flags(self, flag_values, message):
    error = self.run_failing(binary_module, **flag_values)
    self.assertIn(message, error)


if __name__ == '__main__':
  absltest.main()
