import json
import math
import pathlib
import warnings

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest
from scipy import stats
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import correlated_gaussians
from experiments import mutual_information
from experiments import mutual_information_pictures
from tests.experiments import binary


class MutualInformationTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'bounds': ['info_nce', 'interpolated:0.1'],
      'tasks': ['gaussian'],
      'informations': ['1', '2'],
      'interpolations': ['0', '0.1', '1'],
      'dim': 2,
      'units': 8,
      'batch_size': 16,
      'num_steps': 30,
      'num_batches': 50,
      'learning_rate': '1e-2',
  }

  def stairs(self, run):
    return self.results(run)['stairs']

  def test_draws_one_interpolation_without_a_warning(self):
    stair = {'information': 1.0, 'mean': 0.5, 'standard_deviation': 1.0}
    path = pathlib.Path(self.get_temp_dir()) / 'curve.png'
    with warnings.catch_warnings():
      warnings.simplefilter('error')
      for alpha in (0.0, 0.5, 1.0):
        mutual_information_pictures.alpha_curve(path, {alpha: [stair]}, '')

  def test_measures_and_resumes_between_stairs(self):
    printed = self.run_main(mutual_information)
    # The line below the tables is folded at the width of the console.
    self.assertIn('log K = 2.773', ' '.join(printed.split()))
    names = ['gaussian_info_nce', 'gaussian_interpolated_0.1']
    whole = {name: self.results(name) for name in names}
    for name in names:
      first, second = whole[name]['stairs']
      self.assertEqual((first['information'], second['information']), (1, 2))
      self.assertGreater(second['mean'], first['mean'])
      self.assertLess(second['mean'], 2)
      self.assertGreater(second['standard_deviation'], 0)
    logs = (self.output_dir / names[0] / 'seed_0' / 'metrics.jsonl').read_text()
    steps = [json.loads(line)['step'] for line in logs.splitlines()]
    self.assertSequenceEqual(steps, [10, 15, 20, 30])
    for picture in ('staircase', 'bias_variance', 'alpha'):
      self.assertGreater(np.std(self.picture(f'{picture}.png')), 5)
    text = (self.output_dir / 'results.md').read_text()
    rows = [line for line in text.splitlines() if line.startswith('| ')]
    # A heading and two bounds; with the upper bound at the optimal critic.
    self.assertLen(rows, 3 + 4)
    mean = whole[names[0]]['stairs'][1]['mean']
    self.assertIn(f'{mean:.2f} (', rows[1])

    # The same command again trains nothing, and prints the same.
    self.assertEqual(self.run_main(mutual_information), printed)
    # As if it had been killed after the first stair: the second is as before.
    path = self.output_dir / names[0] / 'seed_0'
    trimmed = {**whole[names[0]], 'stairs': whole[names[0]]['stairs'][:1]}
    (path / 'results.json').write_text(json.dumps(trimmed))
    for file in (path / 'checkpoints').iterdir():
      if file.name.startswith('ckpt-30') or file.name == 'checkpoint':
        file.unlink()
    self.run_main(mutual_information)
    self.assertEqual(self.stairs(names[0]), whole[names[0]]['stairs'])

  @pytest.mark.slow
  def test_figures_are_those_of_the_seed_of_the_run(self):
    flags = {'bounds': ['info_nce'], 'informations': ['1'], 'num_steps': 4}
    self.run_main(mutual_information, **flags, num_seeds=2)
    found = self.results('gaussian_info_nce', 1)['stairs']
    self.output_dir = self.output_dir.with_name('alone')
    self.run_main(mutual_information, **flags, seed=1)
    self.assertEqual(self.results('gaussian_info_nce', 1)['stairs'], found)

  def test_goes_on_where_a_bound_diverges(self):
    printed = self.run_main(
        mutual_information,
        bounds=['nwj'],
        num_steps=20,
        learning_rate='1e6',
    )
    self.assertIn('diverged', printed)
    self.assertLen(self.stairs('gaussian_nwj'), 2)
    self.assertIn('optimal critic', printed)

  @pytest.mark.slow
  def test_cubic_with_a_concatenated_critic(self):
    self.run_main(
        mutual_information,
        tasks=['cubic'],
        bounds=['tuba', 'info_nce'],
        critic='concatenated',
        informations=['1'],
        num_steps=10,
    )
    for name in ('tuba', 'info_nce'):
      (stair,) = self.stairs(f'cubic_{name}')
      self.assertLess(stair['mean'], 1)

  @parameterized.parameters(
      ({'bounds': ['no']}, 'Expected --bounds of'),
      ({'bounds': ['interpolated:2']}, 'alpha from 0 to 1; received'),
      ({'bounds': ['interpolated']}, 'alpha from 0 to 1; received'),
      ({'tasks': ['no']}, 'Expected --tasks of'),
      ({'tasks': []}, 'Expected --tasks of'),
      ({'informations': ['-1']}, 'numbers from 0 to 1000 in --informations'),
      ({'informations': ['1', '27']}, 'nats a coordinate, 26 in all'),
      ({'interpolations': ['2']}, 'numbers from 0 to 1 in --interpolations'),
      ({'interpolations': []}, 'numbers from 0 to 1 in --interpolations'),
      ({'learning_rate': 'x'}, "received 'x'"),
      ({'num_steps': 1}, 'Expected at least 2 steps'),
      ({'batch_size': 1}, 'Expected --batch_size of at least 2'),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(mutual_information, **flag_values))


class CorrelatedGaussiansTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0.5, 2.0, 10.0)
  def test_log_ratios_are_those_of_the_densities(self, information):
    x, y = correlated_gaussians.sample([2, 5], 3, information, seed=0)
    rho = float(correlated_gaussians.correlation(information, 3))
    self.assertAllClose(-1.5 * math.log(1 - rho**2), information, rtol=1e-5)
    scores = correlated_gaussians.log_ratios(x, y, information)
    cov = np.array([[1, rho], [rho, 1]])
    for b, i, j in np.ndindex(2, 5, 5):
      pairs = np.stack([x[b, j], y[b, i]], axis=-1)
      expected = np.sum(
          stats.multivariate_normal.logpdf(pairs, cov=cov)
          - stats.norm.logpdf(pairs).sum(-1)
      )
      self.assertAllClose(scores[b, i, j], expected, rtol=1e-3, atol=1e-3)

  def test_samples_have_the_correlation_and_the_cube(self):
    x, y = correlated_gaussians.sample([50_000], 2, 1.0, seed=3)
    rho = float(correlated_gaussians.correlation(1.0, 2))
    products = np.float64(x * y)
    # Four sigma.
    self.assertAllClose(
        products.mean(), rho, atol=4 * stats.sem(products.ravel()), rtol=0
    )
    self.assertAllClose(np.var(y), 1, atol=4 * math.sqrt(2 / 1e5))
    _, cubed = correlated_gaussians.sample([50_000], 2, 1.0, seed=3, cubic=True)
    self.assertAllClose(cubed, y**3)

  def test_information_is_the_mean_of_the_optimal_critic(self):
    for information in (2.0, 10.0):
      x, y = correlated_gaussians.sample([500, 16], 20, information, seed=1)
      scores = correlated_gaussians.log_ratios(x, y, information)
      own = np.float64(tf.linalg.diag_part(scores)).ravel()
      self.assertAllClose(
          own.mean(), information, atol=4 * stats.sem(own), rtol=0
      )

  @parameterized.parameters(8.0, 10.0, 13.0)
  def test_nearly_certain_pairs_of_one_coordinate(self, information):
    x, y = correlated_gaussians.sample([50_000, 1], 1, information, seed=1)
    scores = correlated_gaussians.log_ratios(x, y, information)
    own = np.float64(scores).ravel()
    self.assertAllClose(
        own.mean(), information, atol=4 * stats.sem(own), rtol=0
    )
    # Half of the difference of two squared normals.
    self.assertAllClose(np.std(own), 1, atol=0.03)

  def test_stairs(self):
    self.assertEqual(
        correlated_gaussians.stair_ends(5, 100), [*range(20, 101, 20)]
    )
    draws = correlated_gaussians.staircase_batches(
        [2.0, 4.0, 6.0], 7, lambda information, seed: (information, seed), 0
    )
    whole = list(draws(0).take(9).as_numpy_iterator())
    self.assertEqual(
        [float(information) for information, _ in whole],
        [2, 2, 2, 4, 4, 6, 6, 6, 6],
    )
    for step, (information, seed) in enumerate(
        draws(4).take(5).as_numpy_iterator(), start=4
    ):
      self.assertEqual(information, whole[step][0])
      self.assertAllEqual(seed, whole[step][1])
      self.assertAllEqual(seed, dlvm.ops.fold_in(0, step))
    with self.assertRaisesRegex(ValueError, 'at least 3 steps'):
      correlated_gaussians.stair_ends(3, 2)


if __name__ == '__main__':
  absltest.main()
