"""Runs a binary of discrete flows inside the process of a test."""

from unittest import mock

from experiments import flow_text_report
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


class FlowTextTestCase(FlowBinaryTestCase):
  """A test of the binary of text, whose n-grams would take seconds."""

  tiny = {
      **FlowBinaryTestCase.tiny,
      'length': 8,
      'num_generated': 2,
      'prefix': 'it is',
      'models': ['factorized'],
  }

  def setUp(self):
    super().setUp()
    self.output_dir.mkdir(parents=True)
    self.text_file = binary.write_text(self.output_dir / 'text')
    self.enter_context(mock.patch.object(flow_text_report, '_FLOOR_ORDER', 2))
    self.enter_context(
        mock.patch.object(flow_text_report, '_NGRAMS', ((1, 'unigram'),))
    )
