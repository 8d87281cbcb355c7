from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from experiments import delta_vae_image
from tests.experiments import binary


class DeltaVAEImageTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'dataset': 'digits',
      'likelihood': 'bernoulli',
      'methods': ['none', 'delta:5'],
      'batch_size': 8,
      'eval_every': 2,
      'latent_dim': 2,
      'learning_rate': '1e-3',
      'num_components': 2,
      'num_importance_samples': 2,
      'decoder_layers': 2,
      'num_seeds': 1,
      'num_steps': 4,
      'num_test': 20,
      'units': 4,
  }

  def test_compares_methods_and_draws(self):
    printed = self.run_main(delta_vae_image)
    self.assertIn('delta:5', printed)
    found = self.results('delta_5')
    self.assertGreaterEqual(found['rate'], found['committed_rate'] * 0.99999)
    self.assertAllClose(found['committed_rate'], 5.0, rtol=1e-4)
    self.assertBetween(found['probe_samples'], 0, 100)
    self.assertLessEqual(found['information'], np.log(20) + 1e-5)
    alone = self.results('none')
    self.assertEqual(alone['rate'], 0)
    self.assertAllClose(alone['distortion'], -alone['elbo'], rtol=1e-6)
    for name in (
        'methods.png',
        'none/seed_0/samples.png',
        'delta_5/seed_0/samples_auxiliary.png',
        'delta_5/seed_0/interpolations.png',
    ):
      self.assertGreater(np.std(self.picture(name)), 0)
    table = (self.output_dir / 'results.md').read_text()
    self.assertIn(f'| {found["rate"]:.3f} |', table)

    # The same command again trains nothing.
    path = self.output_dir / 'delta_5' / 'seed_0' / 'results.json'
    before = path.stat().st_mtime_ns
    self.assertEqual(self.run_main(delta_vae_image), printed)
    self.assertEqual(path.stat().st_mtime_ns, before)

  @pytest.mark.slow
  def test_grey_levels_and_categorical_latents(self):
    self.run_main(
        delta_vae_image,
        likelihood='discretized_logistic_mixture',
        methods=['delta_categorical:2'],
        latent_dim=3,
        num_test=5,
    )
    found = self.results('delta_categorical_2')
    self.assertGreaterEqual(found['rate'], 2 * 0.99999)
    # Uniform grey levels would be 8 bits.
    self.assertBetween(found['bits_per_element'], 1, 12)

  @parameterized.parameters(
      ({'methods': ['delta']}, 'Expected a method, none'),
      ({'methods': ['vae:3']}, 'Expected a method, none'),
      ({'methods': ['delta_categorical:99']}, 'from 0 to'),
      ({'methods': ['none', 'target:0']}, 'positive'),
      (
          {'methods': ['categorical'], 'latent_dim': 1},
          'Expected --latent_dim of at least 2 for categorical latents',
      ),
      ({'methods': ['vae'], 'learning_rate': 'fast'}, 'Expected a schedule'),
      (
          {'learning_rate': 'cosine:initial=1,final=0,num_steps=1'},
          'Expected --num_steps of at most 1',
      ),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(delta_vae_image, **flag_values))
    self.assertFalse(self.output_dir.exists())


if __name__ == '__main__':
  tf.test.main()
