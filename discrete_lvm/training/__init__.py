"""The training loop, its data, its callbacks and its optimizer."""

from discrete_lvm.training.batches import ShuffledBatches
from discrete_lvm.training.fused_adam import FusedAdam
from discrete_lvm.training.image_grid import ImageGrid
from discrete_lvm.training.image_grid import tile_images
from discrete_lvm.training.json_lines import JsonLines
from discrete_lvm.training.non_finite_loss_error import NonFiniteLossError
from discrete_lvm.training.output_dir import claim_output_dir
from discrete_lvm.training.progress_bar import ProgressBar
from discrete_lvm.training.tensorboard_scalars import TensorBoardScalars
from discrete_lvm.training.trainer import Trainer
from discrete_lvm.training.weight_schedule import WeightSchedule

__all__ = [
    'FusedAdam',
    'ImageGrid',
    'JsonLines',
    'NonFiniteLossError',
    'ProgressBar',
    'ShuffledBatches',
    'TensorBoardScalars',
    'Trainer',
    'WeightSchedule',
    'claim_output_dir',
    'tile_images',
]
