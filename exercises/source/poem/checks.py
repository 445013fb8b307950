"""The specs of the assignment poem, in the order of the notebook.

You may read all of them: they say how your answers are checked, not how to write them.
"""

from checks_checkpoint import Checkpoint
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

__all__ = [  # noqa: RUF022 - the order of the notebook
    "MakeVocabulary",
    "Encode",
    "Decode",
    "MakeBatch",
    "PoemLSTM",
    "PoemLoss",
    "Perplexity",
    "TrainingStep",
    "FitOne",
    "LearnPoems",
    "WithTemperature",
    "TopK",
    "TopP",
    "SampleNext",
    "FormMask",
    "Write",
    "ContinuePoem",
    "Acrostic",
    "Nearest",
    "Checkpoint",
]
