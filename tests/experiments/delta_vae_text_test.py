import os
from unittest import mock

import pytest
import tensorflow as tf

from experiments import delta_vae_text
from experiments import runs
from tests.experiments import binary


class DeltaVAETextTest(binary.BinaryTestCase):

  tiny = {
      'decoder': 'transformer',
      'methods': ['delta:2'],
      'batch_size': 4,
      'block_length': 4,
      'eval_every': 2,
      'latent_dim': 2,
      'length': 16,
      'learning_rate': '1e-3',
      'num_components': 2,
      'num_importance_samples': 2,
      'decoder_layers': 1,
      'num_seeds': 1,
      'num_steps': 4,
      'num_test': 20,
      'units': 8,
  }

  def setUp(self):
    super().setUp()
    self.output_dir.mkdir(parents=True)
    self.text_file = binary.write_text(
        self.output_dir / 'text', range(27), 8000
    )

  def test_compares_methods_and_writes_samples(self):
    printed = self.run_main(delta_vae_text, text_file=self.text_file)
    self.assertIn('delta:2', printed)
    found = self.results('delta_2')
    self.assertGreaterEqual(found['rate'], found['committed_rate'] * 0.99999)
    self.assertNotIn('probe_samples', found)
    lines = (self.output_dir / 'delta_2/seed_0/samples.txt').read_text()
    samples = [line for line in lines.split('\n') if len(line) == 16]
    self.assertGreaterEqual(len(samples), 20)

  @pytest.mark.slow
  def test_convolution(self):
    self.run_main(
        delta_vae_text,
        text_file=self.text_file,
        decoder='convolution',
        methods=['none'],
    )
    self.assertEqual(self.results('none')['rate'], 0)

  @pytest.mark.slow
  def test_text_that_vanishes(self):
    fit = runs.fit
    flags = {
        'text_file': self.text_file,
        'decoder': 'convolution',
        'methods': ['vae'],
    }

    def vanish_then_fit(*args, **kwargs):
      os.unlink(self.text_file)
      return fit(*args, **kwargs)

    # The text is in memory, so a run that has begun comes to its end.
    with mock.patch.object(runs, 'fit', vanish_then_fit):
      self.run_main(delta_vae_text, **flags)
    self.assertEqual(self.results('vae')['step'], 4)
    line = self.run_failing(delta_vae_text, **flags, num_steps=8)
    self.assertIn(f'Expected a text file at {self.text_file}', line)
    self.assertIn('goes on from its last checkpoint', line)

  def test_bad_flags(self):
    line = self.run_failing(
        delta_vae_text, text_file=self.text_file, block_length=5
    )
    self.assertIn('received 16 and 5', line)
    line = self.run_failing(delta_vae_text, text_file='/none')
    self.assertIn('/none', line)


if __name__ == '__main__':
  tf.test.main()
