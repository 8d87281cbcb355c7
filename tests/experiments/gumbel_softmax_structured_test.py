import json
import shutil
from unittest import mock

from absl import flags
from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import gumbel_softmax_structured
from experiments import gumbel_softmax_vae
from experiments import latent_flags
from experiments import saved_models
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

  @pytest.mark.slow
  def test_validates_with_as_many_samples_as_asked(self):
    for num_samples, name in ((1, 'one'), (50, 'many')):
      self.output_dir = self.output_dir.with_name(name)
      self.run_main(
          gumbel_softmax_structured,
          num_validation_samples=num_samples,
          num_steps=2,
      )
      row = json.loads((self.output_dir / 'metrics.jsonl').read_text())
      gap = row['val_importance_weighted_bound'] - row['val_elbo']
      if num_samples == 1:
        self.assertEqual(gap, 0.0)
      else:
        self.assertGreater(gap, 0.1)

  @pytest.mark.slow
  def test_keeps_an_average_of_the_weights(self):
    def weights(name, *, num_steps, ema_momentum):
      self.output_dir = self.output_dir.with_name(name)
      self.run_main(
          gumbel_softmax_structured,
          num_steps=num_steps,
          ema_momentum=ema_momentum,
      )
      model = saved_models.read(self.output_dir)
      return np.concatenate([w.ravel() for w in model.get_weights()])

    last = weights('last', num_steps=4, ema_momentum=None)
    average = weights('average', num_steps=4, ema_momentum=0.9)
    first = weights('first', num_steps=1, ema_momentum=0.9)
    # Adam moves a weight by some 1e-3 a step.
    self.assertLess(np.abs(average - first).max(), np.abs(last - first).max())
    self.assertGreater(np.abs(average - first).max(), 1e-4)
    self.assertAllEqual(
        average, weights('average', num_steps=4, ema_momentum=0.9)
    )
    self.assertEqual(self.read('config.json')['ema_momentum'], 0.9)

  @pytest.mark.slow
  def test_begins_with_the_weights_of_another_run(self):
    def run(name, **flag_values):
      self.output_dir = self.output_dir.with_name(name)
      self.run_main(gumbel_softmax_structured, num_steps=1, **flag_values)
      return saved_models.read(self.output_dir)

    first = run('first', learning_rate='1', eval_every=1)
    # NVIL has networks of its own. No step of it moves a weight by more than
    # the learning rate.
    second = run(
        'second',
        estimator='nvil',
        learning_rate='1e-6',
        initial_model=str(self.output_dir),
    )
    for a, b in zip(
        (*first.networks, first.decoder),
        (*second.networks, second.decoder),
        strict=True,
    ):
      for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        self.assertGreater(np.abs(x).max(), 0.5)
        self.assertAllClose(x, y, atol=2e-6, rtol=0)

  @pytest.mark.slow
  def test_goes_on_without_the_initial_model(self):
    self.run_main(gumbel_softmax_structured, num_steps=1)
    first, self.output_dir = self.output_dir, self.output_dir.with_name('on')
    flag_values = {'initial_model': str(first)}
    self.run_main(gumbel_softmax_structured, num_steps=1, **flag_values)
    shutil.rmtree(first)
    for num_steps in (1, 2):
      self.run_main(
          gumbel_softmax_structured, num_steps=num_steps, **flag_values
      )
      self.assertEqual(self.read('results.json')['step'], num_steps)

  def test_initial_weights_that_do_not_fit(self):
    self.run_main(gumbel_softmax_structured, num_steps=1)
    first, self.output_dir = self.output_dir, self.output_dir.with_name('other')
    error = self.run_failing(
        gumbel_softmax_structured, num_latents=5, initial_model=str(first)
    )
    self.assertRegex(error, r'shapes \[\(32, 20\).*received \[\(32, 12\)')
    self.output_dir = self.output_dir.with_name('third')
    error = self.run_failing(
        gumbel_softmax_structured, initial_model=str(first.with_name('none'))
    )
    self.assertIn('Expected model.keras in', error)

  def test_initial_model_of_another_kind(self):
    other = gumbel_softmax_vae.build_model(
        (8, 8, 1), [], [], num_latents=3, num_classes=4
    )
    found = mock.Mock(model=other)
    with mock.patch.object(
        latent_flags.finished_runs, 'read', return_value=found
    ):
      error = self.run_failing(gumbel_softmax_structured, initial_model='vae')
    self.assertIn('Expected a StructuredPrediction in --initial_model', error)
    self.assertIn('received a DiscreteVAE in vae', error)

  @parameterized.parameters(0.0, 1.0, -0.5)
  def test_momentum_of_the_average_out_of_range(self, momentum):
    with self.assertRaisesRegex(flags.IllegalFlagValueError, r'in \(0, 1\)'):
      self.run_main(gumbel_softmax_structured, ema_momentum=momentum)

  def test_flags_that_were_mended(self):
    error = self.run_failing(gumbel_softmax_structured, estimator='arm')
    self.assertIn('2 classes', error)
    # Its directory is free.
    self.run_main(gumbel_softmax_structured, estimator='nvil', num_steps=1)
    self.assertEqual(self.read('config.json')['estimator'], 'nvil')

  @pytest.mark.slow
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

  @parameterized.product(
      size=((200, 2), (20, 10)),
      estimator=(
          'score_function',
          'nvil',
          'darn',
          'muprop',
          'straight_through',
          'slope_annealed_straight_through',
          'gumbel_softmax',
          'straight_through_gumbel_softmax',
      ),
  )
  def test_networks_and_estimators_of_the_paper(self, size, estimator):
    num_latents, num_classes = size
    with flagsaver.flagsaver(estimator=estimator, num_samples=None):
      model = gumbel_softmax_structured.build_model(
          (14, 28, 1),
          num_layers=2,
          num_latents=num_latents,
          num_classes=num_classes,
          estimator=latent_flags.make_estimator(),
      )
    logits = num_latents * num_classes
    networks = [*model.networks, model.decoder]
    self.assertEqual(
        [tuple(network.weights[0].shape) for network in networks],
        [(392, logits), (logits, logits), (logits, 392)],
    )
    x = np.ones([2, 14, 28, 1], 'float32')
    with tf.GradientTape() as tape:
      (loss,) = model.loss_terms((x, x), seed=[0, 1]).values()
    # At first a pixel has a chance of about a half.
    self.assertAllInRange(loss, 100, 800)
    weights = [network.weights[0].value for network in networks]
    for gradient in tape.gradient(loss, weights):
      self.assertGreater(float(tf.norm(gradient)), 0.0)

  def test_says_what_does_not_fit(self):
    error = self.run_failing(
        gumbel_softmax_structured, estimator='rodeo', num_samples=2
    )
    self.assertIn('can do with one sample', error)


if __name__ == '__main__':
  absltest.main()
