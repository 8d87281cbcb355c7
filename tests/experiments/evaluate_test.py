import json

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import evaluate
from experiments import gumbel_softmax_vae
from experiments import report_measures
from tests.experiments import binary


def _discrete(num_latents=3, num_classes=4):
  keras.utils.set_random_seed(0)
  model = gumbel_softmax_vae.build_model(
      (8, 8, 1), [], [8], num_latents=num_latents, num_classes=num_classes
  )
  model.encoder.layers[-1].kernel.assign(
      4 * model.encoder.layers[-1].kernel.value
  )
  return model


def _gaussian():
  encoder = keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(4 * 3),
          keras.layers.Reshape([4, 3]),
      ]
  )
  network = keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(64),
          keras.layers.Reshape([8, 8, 1]),
      ]
  )
  model = dlvm.models.DeltaVAE(
      encoder,
      dlvm.models.GaussianLatents(length=4, dim=2, alpha=0.9),
      dlvm.models.IndependentDecoder(network),
  )
  model.build((None, 8, 8, 1))
  return model


class EvaluateTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'num_importance_samples': 20,
      'annealing_steps': 3,
      'annealing_chains': 2,
      'annealing_examples': 5,
      'seed': 0,
  }

  def save(self, model, **config):
    self.output_dir.mkdir(parents=True)
    model.save(self.output_dir / 'model.keras')
    config = {'data': data.load('digits').description, **config}
    (self.output_dir / 'config.json').write_text(json.dumps(config))

  def test_reports_a_model_of_few_codes(self):
    model = _discrete()
    self.save(model)
    printed = self.run_main(evaluate)
    report = json.loads((self.output_dir / 'evaluation.json').read_text())
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
    self.assertIn(f'{bounds["log_marginal"]:.4g}', printed)
    self.assertIn('bracket', printed)
    self.assertEqual(self.picture('evaluation.png').ndim, 3)

  def test_reports_a_model_without_codes(self):
    self.save(_gaussian())
    self.run_main(evaluate)
    report = json.loads((self.output_dir / 'evaluation.json').read_text())
    self.assertNotIn('codes', report)
    self.assertBetween(report['bounds']['effective_sample_size'], 1, 20)
    self.assertEqual(self.picture('evaluation.png').ndim, 3)

  def test_says_what_it_needs(self):
    self.assertIn('model.keras', self.run_failing(evaluate))
    self.save(_discrete(), likelihood='categorical')
    self.assertIn("likelihood 'categorical'", self.run_failing(evaluate))


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
    exact, _ = report_measures.codes(model, images, 0)
    self.assertNotIn('latent_mutual_information_stderr', exact)
    many = _discrete(num_latents=17, num_classes=2)
    sampled, _ = report_measures.codes(many, images, 0)
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
