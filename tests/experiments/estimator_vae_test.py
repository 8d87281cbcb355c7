import json
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import estimator_names
from experiments import estimator_networks
from experiments import estimator_vae
from tests.experiments import binary


class EstimatorVAETest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'dataset': 'digits',
      'networks': ['3x2'],
      'estimators': ['reinmax'],
      'num_steps': 4,
      'eval_every': 2,
      'num_importance_samples': 5,
      'num_seeds': 1,
      'max_evaluations': 64,
      # Another binary in this process may have set other defaults.
      'batch_size': 100,
      'learning_rate': None,
      'temperature_schedule': None,
  }

  def test_tabulates_seeds_and_resumes_exactly(self):
    name = 'gumbel_rao:num_resamples=3'
    run_dir = '3x2/gumbel_rao_num_resamples=3'
    self.run_main(estimator_vae, estimators=[name], num_steps=2)
    self.run_main(estimator_vae, estimators=[name])
    resumed = self.results(run_dir)
    self.output_dir = self.output_dir.with_name('whole')
    printed = self.run_main(estimator_vae, estimators=[name], num_seeds=2)
    self.assertIn('digits, 3x2', printed)
    found = [self.results(run_dir, seed) for seed in (0, 1)]
    for key in ('train_elbo', 'test_elbo', 'test_bound'):
      self.assertEqual(resumed[key], found[0][key])
    for run in found:
      # A mean image alone is at 28 nats.
      for key in ('train_elbo', 'test_elbo', 'test_bound'):
        self.assertBetween(-run[key], 25, 35)
      self.assertLess(run['test_elbo'], run['test_bound'])
      # After four steps the posterior is all but uniform; at most 3 log 2.
      self.assertBetween(run['test_rate'], 0, 3 * np.log(2))
      self.assertGreater(run['milliseconds'], 0)

    lines = (self.output_dir / 'results.md').read_text().splitlines()
    (row,) = (line for line in lines if line.startswith('| gumbel_rao'))
    cells = row.strip('| ').split(' | ')
    bounds = [-run['test_bound'] for run in found]
    self.assertEqual(
        cells[3],
        f'{np.mean(bounds):.2f} ({min(bounds):.2f} to {max(bounds):.2f})',
    )
    rates = [run['test_rate'] for run in found]
    self.assertEqual(
        cells[4], f'{np.mean(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})'
    )
    self.assertSequenceEqual(cells[5:7], ['4', '1'])
    self.assertGreater(np.std(self.picture('bounds.png')), 5)
    config = json.loads(
        (self.output_dir / run_dir / 'seed_1' / 'config.json').read_text()
    )
    self.assertEqual(config['learning_rate'], '0.0005')
    self.assertEqual(config['data']['binarization'], 'none')
    # Once more, it only draws.
    with mock.patch.object(dlvm.training.Trainer, 'fit') as fit:
      self.run_main(estimator_vae, estimators=[name], num_seeds=2)
    fit.assert_not_called()

  def test_all_leaves_out_what_does_not_apply(self):
    with mock.patch.object(estimator_vae.runs, 'sweep') as sweep:
      sweep.side_effect = lambda names, run: self.skip_runs(names)
      with mock.patch.object(estimator_vae, '_report'):
        printed = self.run_main(
            estimator_vae,
            estimators=['all'],
            networks=['nonlinear', '3x20'],
            max_evaluations=3,
        )
    self.assertRegex(printed, r'nonlinear: exact is left out: .* 2\*\*200\.')
    self.assertIn('3x20: arm is left out: Expected `logits` of K = 2', printed)
    self.assertIn('3x20: arsm is left out: 4 evaluations', printed)
    self.assertIn('nonlinear/disarm', self.swept)
    self.assertIn('3x20/ars', self.swept)
    self.assertNotIn('3x20/disarm', self.swept)
    everything = len(dlvm.estimators.ESTIMATORS)
    # One enumerates; at three classes, two are binary and one is dear.
    self.assertLen(self.swept, 2 * everything - 1 - 4)
    self.assertIn('nonlinear/unordered_set', self.swept)
    self.assertIn('nonlinear/sum_and_sample', self.swept)

  def test_evaluations_are_limited_of_all_alone(self):
    with mock.patch.object(estimator_vae.runs, 'sweep') as sweep:
      sweep.side_effect = lambda names, run: self.skip_runs(names)
      with mock.patch.object(estimator_vae, '_report'):
        for names in (['arsm'], ['all', 'arsm']):
          self.run_main(
              estimator_vae,
              estimators=names,
              networks=['3x20'],
              max_evaluations=3,
          )
          self.assertIn('3x20/arsm', self.swept)

  @pytest.mark.slow
  def test_a_temperature_in_the_name(self):
    self.run_main(
        estimator_vae,
        estimators=['reinmax:temperature=0.5', 'reinmax'],
        num_steps=1,
    )
    for directory, temperature in (
        ('reinmax_temperature=0.5', 0.5),
        ('reinmax', estimator_networks.settings('3x2', 'reinmax', 'm')[1]),
    ):
      path = self.output_dir / '3x2' / directory / 'seed_0'
      config = json.loads((path / 'config.json').read_text())
      self.assertEqual(config['temperature'], temperature)

  def test_goes_on_with_the_next_network_after_a_run_that_diverges(self):
    run = estimator_vae.run

    def diverge_on_the_first(network_name, *args):
      if network_name == '3x2':
        raise dlvm.training.NonFiniteLossError(2, 'rate', None)
      return run(network_name, *args)

    with mock.patch.object(estimator_vae, 'run', diverge_on_the_first):
      error = self.run_failing(estimator_vae, networks=['3x2', '2x4'])
    self.assertIn('1 of 2 did not', error)
    self.assertIn('3x2/reinmax/seed_0', error)
    self.assertEqual(self.results('2x4/reinmax')['step'], 4)

  @pytest.mark.slow
  def test_a_run_without_a_time_has_no_curve(self):
    self.run_main(estimator_vae)
    path = self.output_dir / '3x2/reinmax/seed_0/results.json'
    found = json.loads(path.read_text())
    del found['milliseconds']
    path.write_text(json.dumps(found))
    with mock.patch.object(
        estimator_vae.estimator_pictures, 'draw_bounds'
    ) as draw_bounds:
      self.run_main(estimator_vae)
    panels = draw_bounds.call_args.args[1]
    self.assertEqual(panels, {'digits, 3x2': {'reinmax': []}})
    self.run_main(estimator_vae)  # It draws an empty panel.

  def skip_runs(self, names):
    self.swept = [*getattr(self, 'swept', []), *names]
    return {name: [] for name in names}

  @pytest.mark.slow
  def test_bernoulli_latents_with_a_schedule(self):
    self.run_main(
        estimator_vae,
        networks=['linear'],
        estimators=['gumbel_softmax'],
        num_steps=2,
        learning_rate='2e-3',
        temperature_schedule='linear:initial=0.5,final=0.4,num_steps=2',
    )
    path = self.output_dir / 'linear/gumbel_softmax/seed_0'
    (row,) = map(json.loads, (path / 'metrics.jsonl').read_text().splitlines())
    self.assertAllClose(row['temperature'], 0.45)
    config = json.loads((path / 'config.json').read_text())
    self.assertEqual(config['learning_rate'], '2e-3')
    self.assertEqual(config['data']['binarization'], 'dynamic')

  @parameterized.parameters(
      ({'networks': ['cubic']}, "received 'cubic'"),
      ({'networks': ['1x3']}, "received '1x3'"),
      ({'networks': []}, "received ''"),
      ({'estimators': ['no']}, 'Expected --estimators of'),
      ({'estimators': []}, 'received none'),
      ({'estimators': ['reinmax:temperature']}, 'argument=number'),
      ({'estimators': ['reinmax:gap=1']}, 'Unrecognized keyword arguments'),
      ({'estimators': ['reinmax', 'arm']}, 'received arm: Expected `logits`'),
      (
          {'estimators': ['exact'], 'networks': ['3x20']},
          'Expected at most 2**16 = 65536 codes to enumerate; received 3**20',
      ),
      ({'learning_rate': 'fast'}, 'Expected a schedule'),
      ({'temperature_schedule': '0'}, 'positive values'),
      (
          {
              'estimators': ['reinmax:temperature=1.0'],
              'temperature_schedule': '1',
          },
          "received both, 'reinmax:temperature=1.0'",
      ),
      (
          {
              'estimators': ['gumbel_softmax:learn_temperature=1'],
              'temperature_schedule': '1',
          },
          "received both, 'gumbel_softmax:learn_temperature=1'",
      ),
      ({'estimators': ['all', 'arm']}, 'received arm: Expected `logits`'),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(estimator_vae, **flag_values))


class EstimatorNetworksTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      # Weights and biases, as the papers have the networks.
      ('linear', 784 * 200 + 200 + 200 * 784 + 784),
      (
          'nonlinear',
          784 * 200 + 200 * 784 + 4 * 200 * 200 + 5 * 200 + 784,
      ),
      (
          '8x4',
          2 * (784 * 512 + 512 * 256 + 256 * 32) + 2 * (512 + 256) + 32 + 784,
      ),
  )
  def test_has_as_many_weights_as_published(self, name, size):
    model = estimator_networks.build_model(
        estimator_networks.parse(name),
        np.full([28, 28, 1], 0.5),
        dlvm.estimators.ReinMax(),
    )
    self.assertEqual(model.count_params(), size + 1)  # The temperature.

  def test_second_class_is_a_one(self):
    network = estimator_networks.parse('2x3')
    model = estimator_networks.build_model(
        network, np.full([8, 8, 1], 0.5), dlvm.estimators.ReinMax()
    )
    logits = model.encode(data.load('digits').test.images[:5])
    self.assertAllEqual(logits[..., 0], tf.zeros([5, 3]))
    self.assertNotAllClose(logits[..., 1], tf.zeros([5, 3]))
    # The decoder sees the log-odds' bit, and learns from it alone.
    codes = tf.one_hot([[0, 1, 1]], 2)
    with tf.GradientTape() as tape:
      tape.watch(codes)
      mean = model.decode(codes).mean()
    slopes = tape.gradient(mean, codes)
    self.assertAllEqual(slopes[..., 0], tf.zeros([1, 3]))
    self.assertNotAllClose(slopes[..., 1], tf.zeros([1, 3]))

  def test_starts_at_the_mean_image(self):
    images = data.load('digits').train.images
    mean = images.mean(axis=0)
    model = estimator_networks.build_model(
        estimator_networks.parse('3x2'), mean, dlvm.estimators.ReinMax()
    )
    # Pixels that are never on are a little on.
    without = model.decode(tf.zeros([2, 3])).mean()
    self.assertAllClose(without, mean, atol=2e-3)

  def test_learning_rates_are_those_published(self):
    for arguments, expected in (
        (('linear', 'disarm', 'mnist'), ('1e-3', None)),
        (('nonlinear', 'rodeo', 'fashion_mnist'), ('3e-4', None)),
        (('8x4', 'straight_through', 'mnist'), ('0.001', 1.3)),
        (('10x30', 'reinmax', 'mnist'), ('rectified:initial=0.0005', 1.3)),
        (('64x8', 'gumbel_rao', 'mnist'), ('0.0007', 2.0)),
        (
            ('16x12', 'minimum_variance', 'm'),
            ('rectified:initial=0.0007', 1.5),
        ),
        (('16x12', 'rebar', 'm'), ('rectified:initial=0.0007', None)),
    ):
      self.assertEqual(estimator_networks.settings(*arguments), expected)


class EstimatorNamesTest(tf.test.TestCase):

  def test_arguments_of_a_name(self):
    estimator = estimator_names.make(
        'gumbel_rao:num_resamples=7:temperature=0.5', temperature=2.0
    )
    config = estimator.get_config()
    self.assertEqual(config['num_resamples'], 7)
    self.assertEqual(config['temperature'], 0.5)


if __name__ == '__main__':
  absltest.main()
