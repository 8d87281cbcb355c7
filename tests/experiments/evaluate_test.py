import json
import pathlib
from unittest import mock
import zipfile

from absl.testing import flagsaver
from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import delta_vae_image
from experiments import delta_vae_text
from experiments import discrete_flow_addition
from experiments import discrete_flow_full_rank
from experiments import discrete_flow_potts
from experiments import discrete_flow_quantized_mixture
from experiments import discrete_flow_text
from experiments import estimator_vae
from experiments import evaluate
from experiments import finished_runs
from experiments import flow_text_report
from experiments import full_rank
from experiments import gumbel_softmax_semisupervised
from experiments import gumbel_softmax_structured
from experiments import gumbel_softmax_vae
from experiments import report_measures
from experiments import text
from tests.experiments import binary
from tests.experiments import flow_binary


def _discrete(num_latents=3, num_classes=4):
  keras.utils.set_random_seed(0)
  model = gumbel_softmax_vae.build_model(
      (8, 8, 1), [], [8], num_latents=num_latents, num_classes=num_classes
  )
  model.encoder.layers[-1].kernel.assign(
      4 * model.encoder.layers[-1].kernel.value
  )
  return model


def _codes(model, images):
  return report_measures.codes(
      model.encode(images).numpy(), report_measures.prior_logits(model), 0
  )


def _log_prob(codes, logits):
  """Of codes `[M, 1, N, K]` by logits `[batch, N, K]`: `[M, batch]`."""
  return tf.reduce_sum(dlvm.ops.one_hot_log_prob(codes, logits), axis=-1)


class EvaluateTestCase(binary.BinaryTestCase):

  tiny = {
      'annealing_steps': 3,
      'annealing_chains': 2,
      'annealing_examples': 5,
      'batch_size': 20,
      'binarization': 'fixed',
      'checkpoint': None,
      'dataset': 'digits',
      'eval_every': 1,
      'learning_rate': '1e-2',
      'num_importance_samples': 20,
      'num_seeds': 1,
      'num_steps': 2,
      'seed': 0,
      'temperature_schedule': '0.5',
      'units': 8,
  }

  def report(self, leaf='.', **flag_values):
    """Evaluates a run below the output directory; returns evaluation.json."""
    run_dir = self.output_dir / leaf
    self.printed = self.run_main(
        evaluate, output_dir=str(run_dir), **flag_values
    )
    self.assertEqual(self.picture(f'{leaf}/evaluation.png').ndim, 3, 'the page')
    return self.read(leaf, 'evaluation.json')

  def write_text(self):
    return binary.write_text(pathlib.Path(self.create_tempfile().full_path))

  def read(self, leaf, name='results.json'):
    return json.loads((self.output_dir / leaf / name).read_text())


class EvaluateTest(EvaluateTestCase):

  def save(self, model, **config):
    self.output_dir.mkdir(parents=True)
    model.save(self.output_dir / 'model.keras')
    config = {'data': data.load('digits').description, **config}
    (self.output_dir / 'config.json').write_text(json.dumps(config))

  def test_reports_a_model_of_few_codes(self):
    model = _discrete()
    self.save(model)
    report = self.report()
    images = data.load('digits').test.images
    bounds = report['bounds']
    exact = model.log_marginal(images).numpy()
    self.assertAllClose(bounds['log_marginal'], exact.mean(), rtol=1e-5)
    self.assertBetween(
        bounds['importance_weighted_bound'], bounds['elbo'], exact.mean()
    )
    self.assertAllClose(
        bounds['bits_per_dim'],
        -bounds['importance_weighted_bound'] / 64 / np.log(2),
    )
    codes = report['codes']
    self.assertAllClose(
        codes['latent_rate'],
        codes['latent_mutual_information'] + codes['latent_marginal_kl'],
        atol=1e-5,
    )
    self.assertIn(f'{bounds["log_marginal"]:.4g}', self.printed)
    self.assertIn('bracket', self.printed)

  @pytest.mark.slow
  def test_checkpoints_of_images(self):
    self.run_main(gumbel_softmax_vae, num_latents=2, num_classes=3, num_steps=4)
    last = self.report(annealing_steps=0)
    model = keras.saving.load_model(self.output_dir / 'model.keras')
    exact = model.log_marginal(data.load('digits').test.images).numpy().mean()
    self.assertAllClose(last['bounds']['log_marginal'], exact, rtol=1e-5)
    again = self.report(checkpoint=4, annealing_steps=0)
    self.assertEqual(again['bounds'], last['bounds'])
    before = self.report(checkpoint=2, annealing_steps=0)
    self.assertLess(before['bounds']['log_marginal'], exact - 1)

  def test_says_what_it_needs(self):
    self.assertIn('model.keras', self.run_failing(evaluate))
    self.save(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    error = self.run_failing(evaluate)
    for name in ('DeltaVAE', 'DiscreteFlow', 'StructuredPrediction'):
      self.assertIn(name, error)
    self.assertIn('received Sequential', error)
    # The directory of a sweep.
    error = self.run_failing(evaluate, output_dir=str(self.output_dir.parent))
    self.assertIn(f'such as {self.output_dir}', error)
    config = {'data': data.load('digits', seed=1).description}
    config['data'] |= {'seed': 0}
    _discrete().save(self.output_dir / 'model.keras')
    (self.output_dir / 'config.json').write_text(json.dumps(config))
    self.assertIn('SHA-256', self.run_failing(evaluate))
    (self.output_dir / 'config.json').write_text('{"length": 3}')
    self.assertIn("Expected 'data'", self.run_failing(evaluate))

  def test_a_damaged_model_is_named(self):
    self.save(_discrete())
    path = self.output_dir / 'model.keras'
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[content.size // 2 :][:200] ^= 255
    path.write_bytes(content.tobytes())
    self.check_damaged(path)
    with zipfile.ZipFile(path, 'w') as other:
      other.writestr('name', 'text')
    self.check_damaged(path)

  def check_damaged(self, path):
    self.assertIn(
        f'{path}; received a file that is damaged (',
        self.run_failing(evaluate),
    )

  def test_says_how_to_name_the_text_of_a_run(self):
    directory = pathlib.Path(self.get_temp_dir())
    own, other = (
        binary.write_text(directory / name, classes)
        for name, classes in (('own', (1, 2)), ('other', (3, 4)))
    )
    config = {'data': text.load(own).description}
    run = finished_runs.FinishedRun(directory, _discrete(), config, {}, None)
    with flagsaver.flagsaver(text_file=other):
      with self.assertRaisesRegex(
          ValueError, 'of own.*that of other.* Pass its --text_file'
      ):
        run.text()

  def test_refuses_a_precision(self):
    # The networks have that of the run.
    with flagsaver.as_parsed(precision='mixed_bfloat16'):
      self.assertIn(
          'Expected flags that this binary uses; received --precision',
          self.run_failing(evaluate),
      )


class EvaluateVAETest(EvaluateTestCase):

  def test_structured_prediction(self):
    self.run_main(
        gumbel_softmax_structured,
        num_latents=2,
        num_classes=2,
        # Enough to tell the halves apart.
        learning_rate='0.1',
        num_steps=20,
        eval_every=20,
    )
    report = self.report(num_importance_samples=500)
    model = keras.saving.load_model(self.output_dir / 'model.keras')
    x, y = data.halves(data.load('digits').test.images)
    # By enumeration of both layers.
    codes = dlvm.ops.all_codes(2, 2)
    log_p = _log_prob(codes[:, tf.newaxis], model.logits(0, x))
    between = _log_prob(codes[:, tf.newaxis], model.logits(1, codes))
    log_p = tf.reduce_logsumexp(
        log_p[tf.newaxis] + between[..., tf.newaxis], axis=1
    )
    log_y = model.decode(codes[:, tf.newaxis]).log_prob(y)
    exact = float(tf.reduce_mean(tf.reduce_logsumexp(log_p + log_y, axis=0)))
    bounds = report['bounds']
    # With 500 samples of 4 codes next to nothing is left of the gap.
    self.assertBetween(
        bounds['importance_weighted_bound'], exact - 0.05, exact + 0.02
    )
    self.assertLess(bounds['elbo'], exact)
    self.assertAllClose(
        bounds['bits_per_dim'],
        -bounds['importance_weighted_bound'] / 32 / np.log(2),
    )
    for layer in range(2):
      self.assertBetween(
          report['codes'][f'layer_{layer}_code_perplexity'], 1, 2
      )

  def test_semi_supervised(self):
    self.run_main(
        gumbel_softmax_semisupervised,
        network='mlp',
        alphas=['1'],
        style_dim=2,
        num_labels=20,
        labeled_batch_size=10,
        inferences=['gumbel_softmax'],
    )
    leaf = 'gumbel_softmax/alpha_1/seed_0'
    report, found = self.report(leaf), self.read(leaf)['test']
    self.assertAllClose(
        report['classification']['accuracy'], found['accuracy'], atol=1e-6
    )
    for name in ('elbo', 'importance_weighted_bound'):
      # Of the same images, so that only the samples differ.
      self.assertNear(
          report['bounds'][name], found[name], found[f'{name}_stderr']
      )
    self.assertBetween(
        report['codes']['latent_mutual_information'], 0, np.log(10)
    )

  @pytest.mark.slow
  def test_estimator(self):
    self.run_main(
        estimator_vae,
        networks=['3x2'],
        estimators=['reinmax'],
        max_evaluations=64,
        learning_rate=None,
        temperature_schedule=None,
    )
    leaf = '3x2/reinmax/seed_0'
    report = self.report(leaf, num_importance_samples=None, annealing_steps=0)
    found, bounds = self.read(leaf), report['bounds']
    # As many samples as the run itself took.
    self.assertEqual(report['num_importance_samples'], 20)
    self.assertNear(bounds['elbo'], found['test_elbo'], bounds['elbo_stderr'])
    self.assertLess(bounds['elbo'], bounds['log_marginal'])

  @pytest.mark.slow
  def test_delta_vae_of_grey_levels(self):
    self.check_images('categorical', 9)

  @pytest.mark.slow
  def test_delta_vae_of_binary_pixels(self):
    self.check_images('bernoulli', 2)

  def check_images(self, likelihood, most_bits):
    self.delta(
        delta_vae_image,
        likelihood=likelihood,
        methods=['delta:5'],
        first_kernel_size=3,
    )
    report = self.check_delta('delta_5/seed_0')
    bounds = report['bounds']
    self.assertAllClose(
        bounds['bits_per_dim'],
        -bounds['importance_weighted_bound'] / 64 / np.log(2),
    )
    # Little above what nothing known costs.
    self.assertBetween(bounds['bits_per_dim'], 0.1, most_bits)

  @pytest.mark.slow
  def test_delta_vae_of_logistics_and_without_latents(self):
    self.delta(
        delta_vae_image,
        likelihood='discretized_logistic_mixture',
        methods=['none', 'delta_categorical:1'],
        latent_dim=3,
        first_kernel_size=3,
    )
    self.check_delta('delta_categorical_1/seed_0')
    report = self.report('none/seed_0')
    found = self.read('none/seed_0')
    self.assertNotIn('latents', report)
    self.assertNotIn('auxiliary_bounds', report)
    self.assertAllClose(report['bounds']['elbo'], found['elbo'], rtol=1e-5)

  @pytest.mark.slow
  def test_delta_vae_of_text(self):
    flag_values = {'text_file': self.write_text()}
    self.delta(
        delta_vae_text,
        methods=['delta:2'],
        decoder='convolution',
        block_length=4,
        length=8,
        **flag_values,
    )
    report = self.check_delta('delta_2/seed_0', **flag_values)
    bounds = report['bounds']
    self.assertAllClose(
        bounds['bits_per_character'],
        -bounds['importance_weighted_bound'] / 8 / np.log(2),
    )
    self.assertNotIn('bits_per_dim', bounds)
    error = self.run_failing(
        evaluate, output_dir=str(self.output_dir / 'delta_2/seed_0')
    )
    self.assertIn('SHA-256', error)

  def delta(self, module, **flag_values):
    sizes = {'latent_dim': 2, 'num_components': 2, 'decoder_layers': 1}
    self.run_main(module, num_test=20, **{**sizes, **flag_values})

  def check_delta(self, leaf, **flag_values):
    report = self.report(leaf, **flag_values)
    found = self.read(leaf)
    self.assertEqual(report['num_examples'], 20)
    # In closed form.
    self.assertAllClose(report['latents']['rate'], found['rate'], rtol=1e-5)
    self.assertGreater(
        report['latents']['rate'], report['latents']['committed_rate']
    )
    for part, prefix in (('bounds', ''), ('auxiliary_bounds', 'auxiliary_')):
      # The rate of one is sampled, that of the other exact.
      self.assertNear(
          report[part]['elbo'],
          found[f'{prefix}elbo'],
          found[f'{prefix}elbo_stderr'] + 1,
      )
      self.assertBetween(report[part]['effective_sample_size'], 1, 20)
    return report


class EvaluateFlowTest(EvaluateTestCase, parameterized.TestCase):

  tiny = {
      **EvaluateTestCase.tiny,
      **flow_binary.FlowBinaryTestCase.tiny,
      'num_steps': 2,
      'text_file': None,
  }

  @parameterized.named_parameters(
      ('full_rank', discrete_flow_full_rank, {'length': 3, 'num_classes': 2}),
      (
          'addition',
          discrete_flow_addition,
          # Tables and dense layers take no context.
          {'length': 3, 'bipartite_network': 'convolution'},
      ),
      (
          'potts',
          discrete_flow_potts,
          {'side': 2, 'num_classes': 3, 'num_sweeps': 50, 'num_chains': 500},
      ),
      ('quantized_mixture', discrete_flow_quantized_mixture, {}),
  )
  def test_known_law(self, module, flag_values):
    name = 'factorized+bipartite'
    self.run_main(module, models=[name], **flag_values)
    leaf = f'{name}/seed_0'
    report, found = self.report(leaf), self.read(leaf)
    likelihood, truth = report['likelihood'], report['truth']
    self.assertAllClose(
        likelihood['negative_log_likelihood'], found['nats'], rtol=1e-6
    )
    for key in found.keys() & likelihood.keys():
      self.assertAllClose(likelihood[key], found[key], rtol=1e-6)
    self.assertAllClose(
        likelihood['negative_log_likelihood'],
        truth['entropy'] + likelihood['nats_above_entropy'],
    )
    self.assertLessEqual(truth['entropy'], truth['factorized_entropy'])
    self.assertIn('entropy', self.printed)

  def test_enumerated_law(self):
    flag_values = {'length': 3, 'num_classes': 2}
    name = 'autoregressive+autoregressive'
    self.run_main(discrete_flow_full_rank, models=[name], **flag_values)
    leaf = f'{name}/seed_0'
    report = self.report(leaf)
    model = keras.saving.load_model(self.output_dir / leaf / 'model.keras')
    codes = np.array(list(np.ndindex(2, 2, 2)))
    law = full_rank.full_rank(3, 2, seed=0)
    nats = -np.exp(law.log_prob(codes)) @ model.log_prob(codes).numpy()
    likelihood = report['likelihood']
    self.assertAllClose(likelihood['negative_log_likelihood'], nats, rtol=1e-5)
    self.assertAllClose(
        likelihood['bits_per_position'], nats / 3 / np.log(2), rtol=1e-5
    )
    self.assertAllClose(likelihood['total_probability'], 1, rtol=1e-5)

  def test_checkpoints_of_a_run(self):
    name = 'autoregressive'
    self.run_main(
        discrete_flow_full_rank,
        length=2,
        num_classes=3,
        models=[name],
        num_steps=5,
        eval_every=1,
    )
    leaf = f'{name}/seed_0'
    last = self.report(leaf)
    self.assertEqual(last['step'], 5)
    self.assertIn('step 5', last['title'])
    again = self.report(leaf, checkpoint=5)
    self.assertEqual(again['likelihood'], last['likelihood'])
    before = self.report(leaf, checkpoint=3)
    self.assertEqual(before['step'], 3)
    self.assertGreater(
        before['likelihood']['negative_log_likelihood'],
        last['likelihood']['negative_log_likelihood'] + 1e-3,
    )
    run_dir = self.output_dir / leaf
    error = self.run_failing(evaluate, output_dir=str(run_dir), checkpoint=2)
    self.assertIn('one of [3, 4, 5]; received 2', error)
    whole = run_dir / 'checkpoints/ckpt-4.data-00000-of-00001'
    whole.write_bytes(whole.read_bytes()[:100])
    error = self.run_failing(evaluate, output_dir=str(run_dir), checkpoint=4)
    self.assertIn('ckpt-4', error)

  def test_text(self):
    flag_values = {'text_file': self.write_text()}
    with (
        mock.patch.object(flow_text_report, '_FLOOR_ORDER', 2),
        mock.patch.object(flow_text_report, '_NGRAMS', ((1, 'unigram'),)),
    ):
      self.run_main(
          discrete_flow_text,
          length=8,
          num_generated=2,
          prefix='it is',
          models=['factorized'],
          **flag_values,
      )
    leaf = 'factorized/seed_0'
    report, found = self.report(leaf, **flag_values), self.read(leaf)
    likelihood = report['likelihood']
    self.assertAllClose(
        likelihood['bits_per_character'], found['bits'], rtol=1e-6
    )
    self.assertAllClose(
        likelihood['bits_per_character_stderr'], found['bits_stderr'], rtol=1e-6
    )
    self.assertAllClose(
        likelihood['negative_log_likelihood'],
        8 * np.log(2) * found['bits'],
        rtol=1e-6,
    )


class MeasuresTest(tf.test.TestCase):

  def test_curve_goes_through_the_prior_and_the_model(self):
    model = _discrete()
    images = data.load('digits').test.images
    points = report_measures.rate_distortion(model, images, [0.0, 1.0, 4.0], 0)
    prior, own, modes = points
    self.assertAllClose(prior['rate'], 0.0, atol=1e-5)
    terms = model.loss_terms(images, training=False, seed=0)
    self.assertAllClose(own['rate'], tf.reduce_mean(terms['rate']), rtol=1e-4)
    self.assertLess(own['rate'], modes['rate'])
    self.assertLess(modes['rate'], 3 * np.log(4))

  def test_sampled_information_is_near_the_exact(self):
    images = data.load('digits').test.images
    model = _discrete()
    exact, _ = _codes(model, images)
    self.assertNotIn('latent_mutual_information_stderr', exact)
    many = _discrete(num_latents=17, num_classes=2)
    sampled, _ = _codes(many, images)
    # At most the logarithm of the number of images, and what all latents say.
    self.assertBetween(
        sampled['latent_mutual_information'],
        0,
        min(np.log(250), sampled['latent_separate_mutual_information']),
    )
    self.assertGreater(sampled['latent_mutual_information_stderr'], 0)

  def test_traversal_holds_the_reconstruction(self):
    model = _discrete()
    image = data.load('digits').test.images[0]
    decoded = report_measures.traversals(model, image, [0, 2])
    self.assertEqual(decoded.shape, (2, 4, 8, 8, 1))
    modes = np.argmax(model.encode(image[np.newaxis])[0], -1)
    whole = model(image[np.newaxis])[0]
    self.assertAllClose(decoded[0, modes[0]], whole)
    self.assertAllClose(decoded[1, modes[2]], whole)
    self.assertNotAllClose(decoded[0, modes[0] - 1], whole)


if __name__ == '__main__':
  tf.test.main()
