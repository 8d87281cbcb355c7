import contextlib
import json
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import delta_vae_image
from experiments import delta_vae_text
from experiments import discrete_flow_potts
from experiments import evaluation
from experiments import gumbel_softmax_structured
from experiments import gumbel_softmax_vae
from experiments import runs
from tests.experiments import binary

PIXELS = np.zeros([2, 8, 8, 1], 'float32')
HALVES = np.zeros([2, 4, 8, 1], 'float32')

# Name to the binary, its flags, and a batch.
BINARIES = {
    'gumbel_softmax_vae': (
        gumbel_softmax_vae,
        {'decoder_units': ['8'], 'estimator': 'gumbel_softmax'},
        PIXELS,
    ),
    'gumbel_softmax_structured': (
        gumbel_softmax_structured,
        {'estimator': 'gumbel_softmax'},
        (HALVES, HALVES),
    ),
    'delta_vae_image': (
        delta_vae_image,
        {
            'decoder_layers': 2,
            'likelihood': 'bernoulli',
            'methods': ['delta:5'],
            # The auxiliary prior begins far off: in float16 its gradients
            # overflow until the scale of the loss has been halved 14 times.
            'num_steps': 16,
        },
        PIXELS,
    ),
    'delta_vae_text': (
        delta_vae_text,
        {
            'block_length': 4,
            'decoder': 'transformer',
            'decoder_layers': 1,
            'length': 8,
            'methods': ['delta_categorical:0.5'],
        },
        np.zeros([2, 8], 'int32'),
    ),
    # The networks of the others of its kind are the same.
    'discrete_flow': (
        discrete_flow_potts,
        {
            'bipartite_network': 'dense',
            'causal_network': 'made',
            'gradient': 'softmax',
            'masks': 'alternating',
            'models': ['autoregressive+bipartite'],
            'num_chains': 500,
            'num_sweeps': 20,
            'side': 2,
        },
        np.zeros([2, 4], 'int32'),
    ),
}


class _Trained(Exception):
  """Ends a binary when its model is trained."""

  def __init__(self, model):
    super().__init__()
    self.model = model


def _stop(trained):
  raise _Trained(getattr(trained, 'model', trained))


class PrecisionTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'batch_size': 8,
      'dataset': 'digits',
      'eval_every': 100,
      'latent_dim': 3,
      'learning_rate': '1e-3',
      'num_classes': 3,
      'num_components': 2,
      'num_importance_samples': 2,
      'num_latents': 4,
      'num_seeds': 1,
      'num_steps': 4,
      'seed': 0,
      'temperature_schedule': '0.5',
      'units': 8,
  }

  def train(self, name, precision):
    """Trains; returns the model and its loss in training."""
    module, flags, _ = BINARIES[name]
    self.output_dir = self.output_dir / precision
    self.output_dir.mkdir(parents=True)
    text_file = binary.write_text(self.output_dir / 'text', range(27), 8000)
    with contextlib.ExitStack() as stack:
      for target, function in (
          (runs, 'resume'),
          (evaluation, 'test'),
          (gumbel_softmax_vae, 'draw_pictures'),
          (gumbel_softmax_structured, 'draw_predictions'),
      ):
        effect = {
            'resume': lambda *args: _stop(args[3]()),
            'test': lambda trainer, *_: _stop(trainer),
        }
        stack.enter_context(
            mock.patch.object(
                target, function, side_effect=effect.get(function)
            )
        )
      trained = stack.enter_context(self.assertRaises(_Trained))
      self.run_main(
          module, precision=precision, text_file=str(text_file), **flags
      )
    model = trained.exception.model
    (metrics,) = self.output_dir.rglob('metrics.jsonl')
    loss = json.loads(metrics.read_text().splitlines()[-1])['loss']
    self.output_dir = self.output_dir.parent
    return model, loss

  def check(self, name, precisions):
    reference, expected = self.train(name, 'float32')
    for precision in precisions:
      model, loss = self.train(name, precision)
      self.assertEqual(keras.config.dtype_policy().name, 'float32')
      policies = {
          layer.dtype_policy.name
          for layer in model._flatten_layers()
          if isinstance(layer, keras.layers.Dense)
          or 'transformer' in layer.name
      }
      self.assertContainsSubset([precision], policies)
      optimizer = model.optimizer
      is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
      self.assertEqual(is_scaled, precision == 'mixed_float16')
      if is_scaled:
        # Steps whose gradients overflow are left out, until the scale is right.
        optimizer = optimizer.inner_optimizer
      num_steps = BINARIES[name][1].get('num_steps', self.tiny['num_steps'])
      self.assertBetween(int(optimizer.iterations), 1, num_steps)
      for variable in model.trainable_variables:
        self.assertEqual(variable.dtype, 'float32')
        self.assertTrue(np.isfinite(variable.numpy()).all(), variable.path)
      self.assertTrue(np.isfinite(loss))
      self.assertNotEqual(loss, expected)
      # Of the same weights; those that were trained grow apart.
      model.set_weights(reference.get_weights())
      batch = tf.nest.map_structure(tf.constant, BINARIES[name][2])
      expected_terms = reference.loss_terms(batch, seed=[0, 1])
      for key, term in model.loss_terms(batch, seed=[0, 1]).items():
        self.assertEqual(term.dtype, tf.float32)
        # An auxiliary prior of an AR(1) law sees what the encoder's rounding
        # does to differences between steps.
        self.assertAllClose(
            term, expected_terms[key], rtol=5e-2, atol=0.05, msg=key
        )

  def test_trains_near_float32(self):
    self.check('discrete_flow', ['mixed_bfloat16'])

  @parameterized.parameters(
      ('gumbel_softmax_vae', ('mixed_bfloat16', 'mixed_float16')),
      ('gumbel_softmax_structured', ('mixed_bfloat16', 'mixed_float16')),
      ('delta_vae_image', ('mixed_bfloat16', 'mixed_float16')),
      ('delta_vae_text', ('mixed_bfloat16', 'mixed_float16')),
      ('discrete_flow', ('mixed_float16',)),
  )
  @pytest.mark.slow
  def test_trains_near_float32_slow(self, name, precisions):
    self.check(name, precisions)

  def test_is_part_of_the_config(self):
    module, flags, _ = BINARIES['gumbel_softmax_vae']
    with mock.patch.object(
        module.dlvm.training, 'Trainer', side_effect=KeyboardInterrupt
    ):
      with self.assertRaises(SystemExit):
        self.run_main(module, precision='mixed_bfloat16', **flags)
    error = self.run_failing(module, precision='float32', **flags)
    self.assertIn('precision: expected "mixed_bfloat16"', error)


if __name__ == '__main__':
  absltest.main()
