"""Runs a binary of discrete flows inside the process of a test."""

from tests.experiments import binary


class FlowBinaryTestCase(binary.BinaryTestCase):
  """A test of a binary of discrete flows."""

  tiny = {
      'batch_size': 8,
      'causal_network': 'made',
      'bipartite_network': 'dense',
      'eval_every': 2,
      'gradient': 'softmax',
      'learning_rate': '1e-2',
      'masks': 'alternating',
      'num_events': 50,
      'num_seeds': 1,
      'num_steps': 4,
      'temperature_schedule': '0.5',
      'units': 16,
  }

  def picture(self, name='models.png'):
    """Returns the picture of all models, `[height, width, channels]`."""
    return super().picture(name)
