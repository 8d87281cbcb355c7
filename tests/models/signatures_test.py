import json
import pathlib
import subprocess
import sys
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm.models import batching

LENGTH, DIM, NUM_CLASSES, SIZE = 3, 2, 4, 5
RNG = np.random.default_rng(0)
X = (RNG.uniform(size=[6, SIZE]) < 0.4).astype('float32')
Y = (RNG.uniform(size=[6, 2]) < 0.4).astype('float32')
Z = RNG.normal(size=[6, LENGTH, DIM]).astype('float32')
CODES = RNG.integers(NUM_CLASSES, size=[6, LENGTH]).astype('int32')
ONE_HOT = np.eye(NUM_CLASSES, dtype='float32')[CODES]
TOKENS = RNG.integers(NUM_CLASSES, size=[6, 2 * LENGTH]).astype('int32')
CONTEXT = RNG.normal(size=[6, LENGTH, 2]).astype('float32')
SEED = {'seed': np.int32([1, 2])}
ONE, MANY = ({'num_samples': np.int32(n), **SEED} for n in (1, 9))

# Loads every SavedModel with TensorFlow alone (which imports Keras by itself),
# and compares what its signatures return with what the models did.
_SERVE = """
import pathlib, sys
BLOCKED = ('discrete_lvm', 'tensorflow_probability')
class Blocker:
  def find_spec(self, name, path=None, target=None):
    if name.partition('.')[0] in BLOCKED:
      raise ImportError(f'Expected no import of {name}.')
sys.meta_path.insert(0, Blocker())
import numpy as np
import tensorflow as tf
num_compared = 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
  loaded = tf.saved_model.load(str(path / 'saved_model'))
  for case in sorted(path.glob('*.npz')):
    arrays = dict(np.load(case))
    name = case.stem.partition('-')[0]
    key = arrays.pop('output_name').item()
    expected = arrays.pop('output')
    inputs = {name: tf.constant(value) for name, value in arrays.items()}
    outputs = loaded.signatures[name](**inputs)
    assert list(outputs) == [key], (case, list(outputs))
    assert outputs[key].dtype == expected.dtype, (case, outputs[key].dtype)
    np.testing.assert_allclose(
        outputs[key], expected, rtol=1e-6, atol=1e-6, err_msg=str(case))
    num_compared += 1
assert not any(name.partition('.')[0] in BLOCKED for name in sys.modules)
print(num_compared)
"""


def _dense(*shape):
  return keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(int(np.prod(shape))),
          keras.layers.Reshape(shape),
      ]
  )


# Each of these returns a model and, for some signatures, the inputs, the name
# of the output, and what the model itself makes of the inputs.


def _discrete_vae():
  model = models.DiscreteVAE(
      _dense(LENGTH, NUM_CLASSES), _dense(SIZE), LENGTH, NUM_CLASSES, 'learned'
  )
  model.build((None, SIZE))

  def bound(x, **draws):
    return model.importance_weighted_bound(x, **draws)

  return model, [
      ('encode', {'x': X}, 'logits', model.encode),
      (
          'decode',
          {'codes': ONE_HOT},
          'x',
          lambda codes: model.decode(codes).mean(),
      ),
      ('sample', MANY, 'x', model.sample),
      # More samples than fit into a chunk; and another size of the batch.
      ('log_prob', {'x': X, **MANY}, 'log_prob', bound),
      ('log_prob', {'x': X[:1], **ONE}, 'log_prob', bound),
  ]


def _delta_vae():
  model = models.DeltaVAE(
      _dense(LENGTH, 4),
      models.GaussianLatents(LENGTH, DIM, alpha=0.8),
      models.IndependentDecoder(_dense(SIZE)),
      auxiliary_prior=layers.CausalConvolution(5, units=4, dilations=[1]),
  )
  model.build((None, SIZE))

  def bound(x, **draws):
    return model.importance_weighted_bound(x, **draws)

  def sample_auxiliary(**draws):
    return model.sample(**draws, auxiliary=True)

  def auxiliary_bound(x, **draws):
    return bound(x, **draws, auxiliary=True)

  return model, [
      ('decode', {'z': Z, **SEED}, 'x', model.sample_given),
      ('sample', MANY, 'x', model.sample),
      ('log_prob', {'x': X, **MANY}, 'log_prob', bound),
      ('sample_auxiliary', MANY, 'x', sample_auxiliary),
      ('log_prob_auxiliary', {'x': X, **MANY}, 'log_prob', auxiliary_bound),
  ]


def _text_vae():
  encoder = keras.Sequential(
      [
          keras.layers.Embedding(NUM_CLASSES, 4),
          keras.layers.AveragePooling1D(2),
      ]
  )
  decoder = models.TokenDecoder(
      keras.layers.UpSampling1D(2),
      layers.CausalTransformer(NUM_CLASSES, 1, 1, 4),
      NUM_CLASSES,
  )
  latents = models.CategoricalLatents(LENGTH, NUM_CLASSES, 0.3)
  model = models.DeltaVAE(encoder, latents, decoder)
  model.build((None, 2 * LENGTH))

  def bound(x, **draws):
    return model.importance_weighted_bound(x, **draws)

  return model, [
      ('encode', {'x': TOKENS}, 'logits', model.encode),
      ('decode', {'z': ONE_HOT, **SEED}, 'x', model.sample_given),
      ('sample', MANY, 'x', model.sample),
      ('log_prob', {'x': TOKENS, **MANY}, 'log_prob', bound),
  ]


def _structured_prediction():
  model = models.StructuredPrediction(
      [_dense(LENGTH, NUM_CLASSES) for _ in range(2)],
      _dense(2),
      LENGTH,
      NUM_CLASSES,
  )
  model.build((None, SIZE))

  def bound(x, y, **draws):
    return model.importance_weighted_bound((x, y), **draws)

  return model, [
      ('encode', {'x': X, **MANY}, 'codes', model.sample_codes),
      (
          'decode',
          {'codes': ONE_HOT},
          'y',
          lambda codes: model.decode(codes).mean(),
      ),
      ('sample', {'x': X, **MANY}, 'y', model.sample),
      ('log_prob', {'x': X, 'y': Y, **MANY}, 'log_prob', bound),
  ]


def _flow():
  mask = dlvm.ops.alternating_mask(LENGTH)
  model = models.DiscreteFlow(
      [
          layers.DiscreteBipartiteFlow(_dense(LENGTH, 2 * NUM_CLASSES), mask),
          layers.PermutePositions('reverse'),
          layers.DiscreteSortingFlow(_dense(LENGTH, NUM_CLASSES), mask),
      ],
      LENGTH,
      NUM_CLASSES,
  )
  model.base_logits.assign(RNG.normal(size=[LENGTH, NUM_CLASSES]))
  impossible = np.concatenate([CODES, np.full([1, LENGTH], NUM_CLASSES)])
  model.log_prob(CODES)
  return model, [
      ('encode', {'x': CODES}, 'z', model.encode),
      ('decode', {'z': CODES}, 'x', model.decode),
      ('sample', MANY, 'x', model.sample),
      ('log_prob', {'x': np.int32(impossible)}, 'log_prob', model.log_prob),
  ]


def _conditional_flow():
  model = models.DiscreteFlow(
      [layers.DiscreteAutoregressiveFlow(_Conditional(NUM_CLASSES))],
      LENGTH,
      NUM_CLASSES,
      base=_Conditional(NUM_CLASSES),
  )
  model.log_prob(CODES, CONTEXT)
  context = {'context': CONTEXT}
  return model, [
      ('encode', {'x': CODES, **context}, 'z', model.encode),
      ('decode', {'z': CODES, **context}, 'x', model.decode),
      ('sample', {**MANY, **context}, 'x', model.sample),
      ('log_prob', {'x': CODES, **context}, 'log_prob', model.log_prob),
  ]


def _Conditional(num_outputs):
  return layers.CausalTransformer(num_outputs, 1, 1, 4)


CASES = {
    'discrete_vae': _discrete_vae,
    'delta_vae': _delta_vae,
    'text_vae': _text_vae,
    'structured_prediction': _structured_prediction,
    'flow': _flow,
    'conditional_flow': _conditional_flow,
}


class SignaturesTest(tf.test.TestCase, parameterized.TestCase):

  def test_tensorflow_alone_serves_what_the_model_says(self):
    self.check_served('discrete_vae', 'flow')

  @pytest.mark.slow
  def test_tensorflow_alone_serves_what_the_model_says_slow(self):
    self.check_served(*CASES)

  def check_served(self, *names):
    directory = pathlib.Path(self.get_temp_dir()) / 'models'
    num_cases = 0
    with mock.patch.object(batching, '_ROWS_PER_CHUNK', 12):
      for model_name in names:
        path = directory / model_name
        keras.utils.set_random_seed(1)
        model, cases = CASES[model_name]()
        model.save_signatures(path / 'saved_model')
        for i, (name, inputs, output_name, function) in enumerate(cases):
          np.savez(
              path / f'{name}-{i}.npz',
              output=function(**inputs),
              output_name=output_name,
              **inputs,
          )
          num_cases += 1
    process = subprocess.run(
        [sys.executable, '-c', _SERVE, str(directory)],
        cwd=self.get_temp_dir(),
        capture_output=True,
        text=True,
    )
    self.assertEqual(process.returncode, 0, process.stderr[-3000:])
    self.assertEqual(process.stdout.split(), [str(num_cases)])

  def test_says_what_it_is(self):
    path = pathlib.Path(self.get_temp_dir()) / 'described'
    model, _ = _flow()
    model.save_signatures(path)
    loaded = tf.saved_model.load(str(path))
    self.assertEqual(
        sorted(loaded.signatures), ['decode', 'encode', 'log_prob', 'sample']
    )
    text = pathlib.Path(loaded.description.asset_path.numpy().decode())
    self.assertEqual(text.name, 'discrete_lvm.json')
    description = json.loads(text.read_text())
    self.assertEqual(description['discrete_lvm'], dlvm.__version__)
    self.assertEqual(description['keras'], keras.__version__)
    again = keras.saving.deserialize_keras_object(description['model'])
    again.set_weights(model.get_weights())
    self.assertAllEqual(again.log_prob(CODES), model.log_prob(CODES))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      loaded.signatures['log_prob'](x=tf.zeros([1, LENGTH + 1], tf.int32))

  def test_other_data(self):
    path = pathlib.Path(self.get_temp_dir()) / 'one_hot'
    model, _ = _flow()
    model.save_signatures(
        path, tf.TensorSpec([None, LENGTH, NUM_CLASSES], tf.float32)
    )
    log_prob = tf.saved_model.load(str(path)).signatures['log_prob']
    self.assertAllClose(
        log_prob(x=tf.constant(ONE_HOT))['log_prob'], model.log_prob(CODES)
    )

  def test_refuses_no_samples_and_an_unbuilt_model(self):
    path = pathlib.Path(self.get_temp_dir()) / 'vae'
    model, _ = _discrete_vae()
    model.save_signatures(path)
    loaded = tf.saved_model.load(str(path))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      loaded.signatures['log_prob'](
          x=tf.constant(X), num_samples=tf.constant(0), seed=tf.constant([1, 2])
      )
    unbuilt = models.DiscreteVAE(_dense(6), _dense(SIZE), 2, 3)
    with self.assertRaisesRegex(ValueError, 'Expected a model that is built'):
      unbuilt.save_signatures(path)


if __name__ == '__main__':
  absltest.main()
