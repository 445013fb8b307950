"""The specs of the assignment poem, in the order of the notebook.

You may read all of them: they say how your answers are checked, not how to write them.
"""

from checks_training import (
    Decode,
    Encode,
    FitOne,
    LearnPoems,
    MakeBatch,
    MakeVocabulary,
    Perplexity,
    PoemLoss,
    PoemLSTM,
    TrainingStep,
)
from checks_writing import (
    Acrostic,
    ContinuePoem,
    FormMask,
    Nearest,
    SampleNext,
    TopK,
    TopP,
    WithTemperature,
    Write,
)

# isort: split
from checks_checkpoint import Checkpoint

__all__ = [
    "Acrostic",
    "Checkpoint",
    "ContinuePoem",
    "Decode",
    "Encode",
    "FitOne",
    "FormMask",
    "LearnPoems",
    "MakeBatch",
    "MakeVocabulary",
    "Nearest",
    "Perplexity",
    "PoemLSTM",
    "PoemLoss",
    "SampleNext",
    "TopK",
    "TopP",
    "TrainingStep",
    "WithTemperature",
    "Write",
]
