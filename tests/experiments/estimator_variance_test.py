import itertools
import json

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import estimator_measures
from experiments import estimator_objectives
from experiments import estimator_variance
from tests.experiments import binary

# Each with its evaluations at two latents of three classes.
_UNBIASED = {
    'exact': 9,
    'leave_one_out': 2,
    'moving_average_baseline': 1,
    'nvil': 1,
    'score_function': 1,
    'sum_and_sample': 2,
    'vimco': 2,
}


class EstimatorVarianceTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'objectives': ['table'],
      'num_latents': 2,
      'num_classes': 3,
      'num_draws': 4000,
      'num_warmup': 20,
      'num_steps': 20,
      'temperatures': ['0.5', '1'],
      'timing_rounds': 1,
      'timing_seconds': 0.0,
  }

  def rows(self):
    found = json.loads((self.output_dir / 'results.json').read_text())
    return found['rows']

  def test_tells_the_biased_from_the_unbiased(self):
    names = [*_UNBIASED, 'straight_through', 'arm']
    printed = self.run_main(estimator_variance, estimators=names)
    self.assertIn('table, 2 latents of 3 classes', printed)
    self.assertRegex(printed, r'Left out: arm \(Expected `logits` of K = 2')
    rows = self.rows()['table']
    for row in rows:
      errors = row['bias'] / row['bias_stderr']
      if row['estimator'] == 'straight_through':
        self.assertGreater(errors, 5)
        self.assertEqual(row['evaluations'], 1)
      else:
        self.assertLess(errors, 5, row['estimator'])
        self.assertEqual(row['evaluations'], _UNBIASED[row['estimator']])
      self.assertBetween(row['microseconds'], row['least'], row['most'])
    found = [(row['estimator'], row['temperature']) for row in rows]
    self.assertCountEqual(
        found,
        [
            *((name, None) for name in _UNBIASED),
            ('straight_through', 0.5),
            ('straight_through', 1.0),
        ],
    )
    by_name = {row['estimator']: row for row in rows}
    self.assertLess(by_name['exact']['variance'], 1e-6)
    self.assertGreater(np.std(self.picture('variance.png')), 5)
    lines = (self.output_dir / 'results.md').read_text().splitlines()
    cells = [line.split(' | ') for line in lines if line.startswith('| ')][1:]
    self.assertLen(cells, len(rows))
    # With one decimal, and each beside its error.
    for line in cells:
      self.assertRegex(' '.join(line[4:6]), r'^\d+\.\d % \d+\.\d %$')
    variances = [float(line[6]) for line in cells]
    self.assertSequenceEqual(variances, sorted(variances))
    self.assertIn('vimco (bound of 2)', '\n'.join(lines))

    # The same command again measures nothing, and prints the same.
    before = (self.output_dir / 'results.json').read_text()
    self.assertEqual(
        self.run_main(estimator_variance, estimators=names), printed
    )
    self.assertEqual((self.output_dir / 'results.json').read_text(), before)

  def test_arguments_in_a_name_keep_those_of_its_kind(self):
    # Which is no style of the text.
    self.output_dir = self.output_dir / '[bold]'
    # The default of the argument, by name.
    printed = self.run_main(
        estimator_variance,
        estimators=['nvil', 'nvil:decay=0.8'],
        num_draws=100,
        num_warmup=2,
    )
    self.assertIn('/[bold]', printed)
    rows = {row['estimator']: row for row in self.rows()['table']}
    self.assertEqual(
        rows['nvil']['variance'], rows['nvil:decay=0.8']['variance']
    )

  @pytest.mark.slow
  def test_two_classes_on_the_decoder(self):
    self.run_main(
        estimator_variance,
        estimators=['arm'],
        objectives=['vae'],
        num_classes=2,
        num_draws=2000,
    )
    rows = {row['estimator']: row for row in self.rows()['vae']}
    # The one that times are relative to is there in any case.
    self.assertSequenceEqual([*rows], ['score_function', 'arm'])
    for row in rows.values():
      self.assertLess(row['bias'], 5 * row['bias_stderr'])
    self.assertLess(rows['arm']['variance'], rows['score_function']['variance'])

  @parameterized.parameters(
      ({'estimators': ['no']}, 'Expected --estimators of'),
      ({'objectives': ['linear', 'no']}, 'Expected objectives of'),
      ({'objectives': []}, 'Expected objectives of'),
      ({'temperatures': ['0']}, 'Expected positive numbers in --temperatures'),
      ({'temperatures': ['x']}, 'Expected positive numbers in --temperatures'),
      (
          {'estimators': ['reinmax:temperature=0.3']},
          "name of an estimator; received ['reinmax:temperature=0.3']",
      ),
      ({'learning_rate': 'x'}, "received 'x'"),
      (
          {'learning_rate': 'linear:initial=1,final=0,num_steps=19'},
          'Expected --num_warmup of at most 19',
      ),
      ({'num_latents': 17, 'num_classes': 2}, 'codes'),
      # Before the VAE is trained.
      ({'num_latents': 17, 'objectives': ['vae']}, 'codes'),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(estimator_variance, **flag_values))
    # The directory is free for the flags that were mended.
    self.assertFalse(
        self.output_dir.exists() and any(self.output_dir.iterdir())
    )


class EstimatorMeasuresTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      name=('linear', 'quadratic', 'table'),
      estimator=('leave_one_out', 'vimco'),
  )
  def test_exact_gradient_is_that_of_a_sum_over_codes(self, name, estimator):
    objective = estimator_objectives.make(name, 2, 3, 0, None, 0)
    logits = np.float64(objective.logits)
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    one_hot = np.eye(3)[list(itertools.product(range(3), repeat=2))]
    values = np.float64(objective.function(tf.constant(one_hot, tf.float32)))
    q = np.prod(np.sum(one_hot * probs, -1), -1)
    scores = one_hot - probs
    if estimator == 'leave_one_out':
      expected = np.einsum('i,i,ink->nk', q, values, scores)
    else:
      # The bound of two samples, over all pairs of codes.
      bounds = np.log(2) - np.logaddexp(-values[:, np.newaxis], -values)
      expected = 2 * np.einsum('i,j,ij,ink->nk', q, q, bounds, scores)
    subject = estimator_measures.Subject(
        dlvm.estimators.ESTIMATORS[estimator](), objective
    )
    self.assertAllClose(subject.exact_gradient, expected, atol=1e-5)

  def test_table_looks_up_codes_and_mixes_them(self):
    _, function = estimator_objectives.make('table', 3, 2, 0, None, 0)
    codes = dlvm.ops.all_codes(3, 2)
    values = function(codes)
    self.assertLen(np.unique(values), 8)
    self.assertAllClose(function(codes[:, tf.newaxis])[:, 0], values)
    mean = tf.reduce_mean(codes, axis=0)
    self.assertAllClose(function(mean), dlvm.ops.log_mean_exp(values))

  def test_straight_through_is_exact_where_it_must_be(self):
    subject = estimator_measures.Subject(
        dlvm.estimators.StraightThrough(),
        estimator_objectives.make('linear', 2, 3, 0, None, 0),
    )
    found = subject.measure(100, [0, 1])
    self.assertLess(found['variance'], 1e-9)
    self.assertLess(found['relative_bias'], 1e-5)
    self.assertLess(found['bias'], 5 * found['bias_stderr'])

  def test_statistics_of_known_draws(self):
    rng = np.random.default_rng(0)
    scale = np.array([[1.0, 2.0], [3.0, 0.5]])
    draws = scale * rng.standard_normal([50_000, 2, 2]) + 0.5
    found = estimator_measures.statistics(draws, np.array([[0.5, 0.5]] * 2))
    variance = np.sum(scale**2)
    self.assertLess(
        abs(found['variance'] - variance), 4 * found['variance_stderr']
    )
    # The variance of a squared normal is twice its variance squared.
    self.assertAllClose(
        found['variance_stderr'],
        np.sqrt(2 * np.sum(scale**4) / 50_000),
        rtol=0.05,
    )
    self.assertAllClose(
        found['bias_stderr'], np.sqrt(variance / 50_000), rtol=0.02
    )
    self.assertLess(found['bias'], 4 * found['bias_stderr'])
    biased = estimator_measures.statistics(draws, np.array([[0.5, 0.1]] * 2))
    self.assertAllClose(biased['bias'], 0.4 * np.sqrt(2), rtol=0.05)
    self.assertAllClose(
        biased['relative_bias'], biased['bias'] / np.sqrt(0.52), rtol=1e-6
    )

  def test_warm_up_trains_a_baseline(self):
    objective = estimator_objectives.make('table', 2, 3, 0, None, 0)
    shifted = objective._replace(
        function=lambda codes: objective.function(codes) + 20.0
    )
    variances = []
    for num_steps in (1, 100):
      subject = estimator_measures.Subject(
          dlvm.estimators.MovingAverageBaseline(), shifted
      )
      self.assertTrue(subject.learns)
      subject.warm_up(num_steps, 10, 1e-2, [0, 1])
      variances.append(subject.measure(1000, [0, 2])['variance'])
    plain = estimator_measures.Subject(dlvm.estimators.ScoreFunction(), shifted)
    self.assertFalse(plain.learns)
    self.assertLess(variances[1], plain.measure(1000, [0, 2])['variance'] / 20)


if __name__ == '__main__':
  absltest.main()
