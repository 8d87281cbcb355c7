"""What the flows that are conditioned by a network have in common."""

import itertools

from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm import ops
from discrete_lvm.ops import placement
from tests.bijectors import networks

tfb = tfp.bijectors
tfd = tfp.distributions

# The first three have shifts and scales, and a gradient to their networks.
_AFFINE_FLOWS = ('bipartite', 'autoregressive', 'cached')
_SORTING_FLOWS = (
    'sorting',
    'sorting positions',
    'autoregressive sorting',
    'placing',
    'cached placing',
)
_FLOWS = (*_AFFINE_FLOWS, *_SORTING_FLOWS)


def _flow(
    kind,
    length,
    num_classes,
    location_scale=True,
    seed=0,
    on_codes=False,
    **kwargs,
):
  """Returns a flow and its network, of one-hot vectors."""
  network = _network(kind, length, num_classes, location_scale, seed)
  conditioner = network
  if on_codes:
    conditioner = networks.OnCodes(network, num_classes)
    kwargs['num_classes'] = num_classes
  if kind in ('autoregressive', 'cached'):
    return bijectors.DiscreteAutoregressive(conditioner, **kwargs), network
  if kind in ('autoregressive sorting', 'placing', 'cached placing'):
    thresholds = None
    if kind != 'autoregressive sorting':
      thresholds = placement.even_thresholds(length, num_classes)
    flow = bijectors.DiscreteAutoregressiveSorting(
        conditioner, thresholds=thresholds, **kwargs
    )
    return flow, network
  mask = ops.alternating_mask(length)
  if kind in ('sorting', 'sorting positions'):
    kwargs['sorts_positions'] = kind == 'sorting positions'
    return bijectors.DiscreteSorting(conditioner, mask, **kwargs), network
  return bijectors.DiscreteBipartite(conditioner, mask, **kwargs), network


def _network(kind, length, num_classes, location_scale, seed):
  has_scale = location_scale and kind not in _SORTING_FLOWS
  channels = num_classes * (2 if has_scale else 1)
  if kind in ('bipartite', 'sorting', 'sorting positions'):
    return networks.dense_network(length, num_classes, channels, seed)
  network_class = networks.CausalNetwork
  if kind in ('cached', 'cached placing'):
    network_class = networks.CachedCausalNetwork
  order = np.random.default_rng(seed).permutation(length)
  network = network_class(channels, order, seed)
  network.build((None, length, num_classes))
  return network


def _all_events(length, num_classes, dtype=np.float32):
  codes = list(itertools.product(range(num_classes), repeat=length))
  return np.eye(num_classes, dtype=dtype)[np.array(codes)]


def _base(length, num_classes):
  logits = np.random.default_rng(1).normal(size=[length, num_classes])
  logits = tf.Variable(logits.astype(np.float32))
  return tfd.Independent(distributions.OneHotCategorical(logits), 1)


class FlowsTest(tf.test.TestCase, parameterized.TestCase):

  # At K = 2 every shift is its own inverse, so it cannot stand alone here.
  @parameterized.product(
      kind=_FLOWS,
      num_classes=(2, 3, 6),
      location_scale=(False, True),
  )
  def test_permutes_the_event_space(self, kind, num_classes, location_scale):
    flow, _ = _flow(kind, 3, num_classes, location_scale)
    x = _all_events(3, num_classes)
    y = flow.forward(x).numpy()
    self.assertNotAllEqual(y, x)
    self.assertLen(np.unique(y, axis=0), num_classes**3)
    self.assertAllEqual(y.sum(-1), np.ones(y.shape[:-1]))
    # A NumPy array misses TFP's cache; the tensor itself would return `x`.
    self.assertAllEqual(flow.inverse(y), x)
    self.assertAllEqual(flow.forward(flow.inverse(x).numpy()), x)
    on_codes, _ = _flow(kind, 3, num_classes, location_scale, on_codes=True)
    codes, y_codes = x.argmax(-1).astype(np.int32), y.argmax(-1)
    self.assertAllEqual(on_codes.forward(codes), y_codes)
    self.assertAllEqual(on_codes.inverse(y_codes), codes)

  @parameterized.product(
      kind=_FLOWS, dtype_and_xla=(('float16', False), ('int32', False))
  )
  def test_stack_inverts_in_any_dtype(self, kind, dtype_and_xla):
    self.check_stack_inverts_in_any_dtype(kind, dtype_and_xla)

  @parameterized.product(
      kind=_FLOWS, dtype_and_xla=(('float64', False), ('bfloat16', True))
  )
  @pytest.mark.slow
  def test_stack_inverts_in_any_dtype_slow(self, kind, dtype_and_xla):
    self.check_stack_inverts_in_any_dtype(kind, dtype_and_xla)

  def check_stack_inverts_in_any_dtype(self, kind, dtype_and_xla):
    dtype, jit_compile = dtype_and_xla
    length, num_classes = 5, 6
    flow = tfb.Chain(
        [
            _flow(kind, length, num_classes, seed=0)[0],
            _flow(kind, length, num_classes, seed=1)[0],
        ]
    )
    codes = np.random.default_rng(0).integers(num_classes, size=[40, length])
    x = tf.one_hot(codes, num_classes, dtype=dtype)
    y = tf.function(flow.forward, jit_compile=jit_compile)(x)
    self.assertEqual(y.dtype, dtype)
    again = tf.function(flow.inverse, jit_compile=jit_compile)(y)
    self.assertAllEqual(tf.cast(again, 'int32'), tf.cast(x, 'int32'))
    log_det = flow.forward_log_det_jacobian(x, event_ndims=2)
    self.assertTrue(log_det.dtype.is_floating)
    self.assertAllEqual(log_det, tf.zeros_like(log_det))

  @parameterized.product(kind=_FLOWS, num_classes=(2, 5))
  def test_pmf_sums_to_one_and_moves_the_base(self, kind, num_classes):
    flow, _ = _flow(kind, 3, num_classes)
    base = _base(3, num_classes)
    d = tfd.TransformedDistribution(base, flow)
    events = _all_events(3, num_classes)
    self.assertEqual(d.event_shape, [3, num_classes])
    log_prob = d.log_prob(events)
    self.assertEqual(log_prob.shape, [num_classes**3])
    self.assertAllClose(tf.reduce_sum(tf.exp(log_prob)), 1.0)
    self.assertAllClose(log_prob, base.log_prob(flow.inverse(events).numpy()))
    inverted = tfd.TransformedDistribution(base, tfb.Invert(flow))
    self.assertAllClose(tf.reduce_sum(inverted.prob(events)), 1.0)
    on_codes, _ = _flow(kind, 3, num_classes, on_codes=True)
    codes = events.argmax(-1).astype(np.int32)
    base = tfd.Independent(
        tfd.Categorical(base.distribution.logits, dtype=tf.int32), 1
    )
    d = tfd.TransformedDistribution(base, on_codes)
    self.assertAllClose(d.log_prob(codes), log_prob, atol=1e-5)

  @parameterized.parameters(*_AFFINE_FLOWS)
  def test_gradient_of_log_prob_reaches_every_weight(self, kind):
    flow, network = _flow(kind, 3, 5)
    other, other_network = _flow(kind, 3, 5, seed=1)
    base = _base(3, 5)
    d = tfd.TransformedDistribution(base, tfb.Chain([flow, other]))
    events = tf.constant(_all_events(3, 5))

    @tf.function
    def gradients():
      with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.square(d.log_prob(events)))
      return tape.gradient(loss, d.trainable_variables)

    self.assertLen(d.trainable_variables, 5)
    self.assertLen(flow.trainable_variables, 2)
    self.assertLen(tfb.Invert(flow).trainable_variables, 2)
    expected = network.trainable_variables + other_network.trainable_variables
    self.assertSetEqual(
        {v.ref() for v in d.trainable_variables},
        {v.value.ref() for v in expected}
        | {v.ref() for v in base.trainable_variables},
    )
    for gradient in gradients():
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-4)

  @parameterized.parameters(*_FLOWS)
  def test_log_prob_has_the_batch_shape(self, kind):
    flow, _ = _flow(kind, 3, 5)
    d = tfd.TransformedDistribution(_base(3, 5), flow)
    x = tf.one_hot(np.random.default_rng(0).integers(5, size=[4, 2, 3]), 5)
    function = tf.function(
        d.log_prob, input_signature=[tf.TensorSpec([None, None, 3, 5])]
    )
    log_prob = function(x)
    self.assertEqual(log_prob.shape, [4, 2])
    self.assertAllClose(log_prob[1, 1], d.log_prob(x[1, 1].numpy()))
    sample = tf.function(lambda: d.sample([4, 2], seed=[0, 1]))()
    self.assertEqual(sample.shape, [4, 2, 3, 5])
    forward = tf.function(
        flow.forward, input_signature=[tf.TensorSpec([None, 3, 5])]
    )
    self.assertAllEqual(forward(x[0]), flow.forward(x[0].numpy()))

  @parameterized.parameters(*_FLOWS)
  def test_composes(self, kind):
    flow, network = _flow(kind, 3, 5)
    permute = tfb.Permute([2, 0, 1], axis=-2)
    base = _base(3, 5)
    d = tfd.TransformedDistribution(base, tfb.Chain([flow, permute]))
    events = _all_events(3, 5)
    self.assertAllClose(tf.reduce_sum(d.prob(events)), 1.0)
    x = tfd.Sample(d, 4).sample(2, seed=[0, 1]).numpy()
    self.assertEqual(x.shape, (2, 4, 3, 5))
    self.assertAllClose(
        tfd.Sample(d, 4).log_prob(x), tf.reduce_sum(d.log_prob(x), -1)
    )
    batch = tfd.TransformedDistribution(
        tfd.Independent(
            distributions.OneHotCategorical(
                tf.random.stateless_normal([2, 3, 5], [0, 1])
            ),
            1,
        ),
        flow,
    )
    pair = tfd.Independent(batch, 1)
    self.assertEqual(pair.sample(4, seed=[0, 1]).shape, [4, 2, 3, 5])
    self.assertAllClose(
        pair.log_prob(x[0, :2]), tf.reduce_sum(batch.log_prob(x[0, :2].copy()))
    )
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.3, 0.7]), batch)
    self.assertAllClose(tf.reduce_sum(mixture.prob(events)), 1.0)
    joints = (
        tfd.JointDistributionNamed({'x': d, 'y': base}),
        tfd.JointDistributionSequential([d, base]),
    )
    for joint in joints:
      draw = joint.sample(seed=[0, 1])
      first, second = tf.nest.flatten(draw)
      total = d.log_prob(first.numpy()) + base.log_prob(second)
      self.assertAllClose(joint.log_prob(draw), total)
    network_variables = {v.value.ref() for v in network.variables}
    for part in (tfd.Sample(d, 4), pair, mixture, *joints):
      found = {v.ref() for v in part.trainable_variables}
      self.assertContainsSubset(network_variables, found)

  @parameterized.parameters(*_FLOWS)
  def test_codes_are_transformed_through_one_hot(self, kind):
    flow, _ = _flow(kind, 3, 5)
    one_hot = bijectors.OneHot(5)
    on_codes = tfb.Chain([tfb.Invert(one_hot), flow, one_hot])
    x = _all_events(3, 5)
    codes = x.argmax(-1).astype(np.int32)
    y = on_codes.forward(codes).numpy()
    self.assertEqual(y.dtype, np.int32)
    self.assertAllEqual(y, flow.forward(x).numpy().argmax(-1))
    self.assertAllEqual(on_codes.inverse(y), codes)

  @parameterized.product(
      kind=_AFFINE_FLOWS,
      argmax=(
          lambda logits: ops.softmax_argmax(logits, 0.5),
          lambda logits: ops.gumbel_argmax(logits, 0.5, seed=[0, 1]),
          ops.reinmax_argmax,
      ),
  )
  def test_gradient_estimator_is_a_choice(self, kind, argmax):
    flow, network = _flow(kind, 2, 5, argmax=argmax)
    default, _ = _flow(kind, 2, 5)
    x = _all_events(2, 5)
    self.assertAllEqual(flow.inverse(x), default.inverse(x.copy()))
    weights = np.random.default_rng(0).normal(size=x.shape)

    @tf.function
    def gradient(bijector, variable):
      with tf.GradientTape() as tape:
        value = tf.reduce_sum(weights * bijector.inverse(x))
      return tape.gradient(value, variable)

    variable = network.trainable_variables[-1].value
    default_variable = default.trainable_variables[-1]
    self.assertNotAllClose(
        gradient(flow, variable), gradient(default, default_variable)
    )

  @parameterized.parameters(*_FLOWS)
  def test_log_det_of_codes_is_zero(self, kind):
    flow, _ = _flow(kind, 3, 5, on_codes=True)
    codes = np.zeros([2, 3], np.int32)
    for log_det in (
        flow.forward_log_det_jacobian(codes, event_ndims=1),
        flow.inverse_log_det_jacobian(codes, event_ndims=1),
    ):
      self.assertEqual(log_det.dtype, tf.float32)
      self.assertAllEqual(log_det, tf.zeros_like(log_det))

  @parameterized.product(kind=_FLOWS, dtype=('int64', 'uint8'))
  def test_codes_keep_their_type(self, kind, dtype):
    flow, _ = _flow(kind, 3, 5, on_codes=True)
    x = _all_events(3, 5).argmax(-1)
    y = flow.forward(x.astype(dtype))
    self.assertEqual(y.dtype, dtype)
    self.assertAllEqual(y, flow.forward(x.astype('int32')))
    z = flow.inverse(y.numpy())
    self.assertEqual(z.dtype, dtype)
    self.assertAllEqual(z, x)

  def test_distribution_of_codes_has_the_type_it_declares(self):
    flow, _ = _flow('autoregressive', 3, 5, on_codes=True)
    base = tfd.Categorical(tf.zeros([3, 5]), dtype=tf.int64)
    d = tfd.TransformedDistribution(tfd.Independent(base, 1), flow)
    sample = d.sample(4, seed=[0, 1])
    self.assertEqual(d.dtype, tf.int64)
    self.assertEqual(sample.dtype, tf.int64)
    self.assertAllClose(d.log_prob(sample.numpy()), [-3 * np.log(5)] * 4)

  @parameterized.parameters(*_FLOWS)
  def test_rejects_an_event(self, kind):
    flow, _ = _flow(kind, 3, 5, validate_args=True)
    for direction in (flow.forward, flow.inverse):
      with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'one-hot'):
        direction(np.full([3, 5], 0.2, np.float32))
      with self.assertRaisesRegex(ValueError, r'\[..., length, K\]'):
        direction(tf.one_hot(2, 5))
      with self.assertRaisesRegex(ValueError, 'static K; received'):
        tf.function(direction).get_concrete_function(
            tf.TensorSpec([2, 3, None])
        )

  @parameterized.parameters(*_FLOWS)
  def test_rejects_codes(self, kind):
    flow, _ = _flow(kind, 3, 5, on_codes=True, validate_args=True)
    for direction in (flow.forward, flow.inverse):
      for codes in ([0, 5, 1], [0, -1, 1], np.array([2**32, 1, 2])):
        with self.assertRaisesRegex(
            tf.errors.InvalidArgumentError, r'codes in \[0, 5\); received'
        ):
          direction(codes)
      for event in (tf.one_hot([0, 1, 2], 5), tf.constant(1)):
        with self.assertRaisesRegex(ValueError, 'integer codes, .* received'):
          direction(event)
    with self.assertRaisesRegex(ValueError, '`num_classes` of at least 2'):
      _flow(kind, 3, 1, on_codes=True)
    flow, _ = _flow(kind, 3, 300, on_codes=True)
    with self.assertRaisesRegex(ValueError, 'holds 299; received uint8'):
      flow.forward(tf.zeros([3], tf.uint8))


if __name__ == '__main__':
  tf.test.main()
