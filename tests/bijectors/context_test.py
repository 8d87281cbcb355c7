"""Flows whose conditioners are given a context."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions

tfb = tfp.bijectors
tfd = tfp.distributions

_LENGTH = 3
_NUM_CLASSES = 5
_KINDS = ('bipartite', 'sorting', 'autoregressive', 'cached')


def _network(inputs, context):
  """Adds logits of the context to those of the position before."""
  before = tf.pad(inputs, [[0, 0], [1, 0], [0, 0]])[:, :-1]
  return tf.roll(before, 1, axis=2) + tf.cast(context, inputs.dtype)


class _CachedNetwork:

  def __call__(self, inputs, context):
    return _network(inputs, context)

  def initial_state(self, batch_shape, length, context):
    del batch_shape, length
    return 0, context

  def step(self, token, state):
    index, context = state
    before = tf.where(index > 0, token, tf.zeros_like(token))
    outputs = tf.roll(before, 1, axis=1) + context[:, index]
    return outputs, (index + 1, context)


def _flow(kind, context):
  mask = [True, False, False]
  if kind == 'bipartite':
    return bijectors.DiscreteBipartite(_network, mask, context)
  if kind == 'sorting':
    return bijectors.DiscreteSorting(_network, mask, context)
  network = _CachedNetwork() if kind == 'cached' else _network
  return bijectors.DiscreteAutoregressive(network, context)


def _contexts(*batch_shape):
  shape = [*batch_shape, _LENGTH, _NUM_CLASSES]
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _events(*batch_shape):
  codes = np.random.default_rng(0).integers(
      _NUM_CLASSES, size=[*batch_shape, _LENGTH]
  )
  return np.eye(_NUM_CLASSES, dtype=np.float32)[codes]


def _base():
  logits = np.random.default_rng(2).normal(size=[_LENGTH, _NUM_CLASSES])
  logits = logits.astype(np.float32)
  return tfd.Independent(distributions.OneHotCategorical(logits), 1)


class ContextTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(kind=_KINDS, batch_shape=((), (2, 1), (3, 1, 4)))
  def test_each_event_has_its_own_context(self, kind, batch_shape):
    x, contexts = _events(*batch_shape), _contexts(4)
    flow = _flow(kind, contexts)
    self.assertEqual(flow.experimental_batch_shape(), [4])
    shape = np.broadcast_shapes(batch_shape, (4,))
    wide = np.broadcast_to(x, [*shape, _LENGTH, _NUM_CLASSES])
    results = []
    for direction in ('forward', 'inverse'):
      expected = np.stack(
          [
              getattr(_flow(kind, contexts[i]), direction)(
                  wide[..., i, :, :].copy()
              )
              for i in range(4)
          ],
          axis=-3,
      )
      results.append(getattr(flow, direction)(x).numpy())
      self.assertAllEqual(results[-1], expected)
    self.assertNotAllEqual(results[0], np.zeros_like(results[0]) + wide)
    self.assertAllEqual(flow.inverse(results[0]), wide)

  @parameterized.parameters(*_KINDS)
  def test_is_the_batch_of_a_distribution(self, kind):
    contexts = _contexts(2)
    d = tfd.TransformedDistribution(_base(), _flow(kind, contexts))
    self.assertEqual(d.batch_shape, [2])
    x = tf.function(lambda: d.sample(7, seed=[0, 1]))().numpy()
    self.assertEqual(x.shape, (7, 2, _LENGTH, _NUM_CLASSES))
    self.assertAllEqual(x.sum(-1), np.ones([7, 2, _LENGTH]))
    codes = np.indices([_NUM_CLASSES] * _LENGTH).reshape([_LENGTH, -1]).T
    events = np.eye(_NUM_CLASSES, dtype=np.float32)[codes]
    log_prob = d.log_prob(events[:, np.newaxis])
    self.assertAllClose(tf.reduce_logsumexp(log_prob, 0), [0.0, 0.0])
    for i in range(2):
      alone = tfd.TransformedDistribution(_base(), _flow(kind, contexts[i]))
      self.assertAllClose(log_prob[:, i], alone.log_prob(events.copy()))

  def test_may_be_a_draw_of_a_joint_distribution(self):
    joint = tfd.JointDistributionSequential(
        [
            _base(),
            lambda z: tfd.TransformedDistribution(_base(), _flow('cached', z)),
        ]
    )
    z, x = joint.sample(4, seed=[0, 1])
    self.assertEqual(x.shape, [4, _LENGTH, _NUM_CLASSES])
    d = tfd.TransformedDistribution(_base(), _flow('cached', z.numpy()))
    expected = _base().log_prob(z) + d.log_prob(x.numpy())
    self.assertAllClose(joint.log_prob([z, x.numpy()]), expected)

  @parameterized.parameters('bipartite', 'autoregressive')
  def test_variable_has_a_gradient(self, kind):
    context = tf.Variable(_contexts(2))
    flow = _flow(kind, context)
    self.assertIs(flow.trainable_variables[0], context)
    y, weights = _events(2), _events(2, 2)[0] + _contexts(2)
    with tf.GradientTape() as tape:
      value = tf.reduce_sum(weights * flow.inverse(y))
    self.assertAllGreater(
        tf.reduce_max(tf.abs(tape.gradient(value, context)), [1, 2]), 0.0
    )

  @parameterized.product(kind=_KINDS, jit_compile=(False, True))
  def test_compiles(self, kind, jit_compile):
    batch = 4 if jit_compile else None
    x, contexts = _events(4), _contexts(4)

    @tf.function(
        jit_compile=jit_compile,
        input_signature=[
            tf.TensorSpec([batch, _LENGTH, _NUM_CLASSES]),
            tf.TensorSpec([batch, _LENGTH, _NUM_CLASSES]),
        ],
    )
    def forward(x, context):
      return _flow(kind, context).forward(x)

    self.assertAllEqual(forward(x, contexts), _flow(kind, contexts).forward(x))

  @parameterized.product(
      kind=_KINDS,
      shape=((_NUM_CLASSES,), (2, _NUM_CLASSES), (2, _LENGTH, _NUM_CLASSES)),
  )
  def test_rejects_a_shape(self, kind, shape):
    flow = _flow(kind, np.zeros(shape, np.float32))
    for direction in (flow.forward, flow.inverse):
      with self.assertRaisesRegex(
          ValueError, 'Expected a `context` .*received'
      ):
        direction(_events(4))


if __name__ == '__main__':
  tf.test.main()
