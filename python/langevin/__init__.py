"""Client of Langevin, which serves samples of score models over gRPC.

    import langevin

    with langevin.Client("localhost:50051") as client:
        samples = client.sample("ring", n=1000, seed=1)

``samples.x`` is a numpy array with one row for each sample.
"""

from langevin.client import Client
from langevin.errors import LangevinError
from langevin.events import (
    Chunk,
    CollapsedWarning,
    Done,
    Event,
    Imputed,
    Model,
    Preview,
    Progress,
    Samples,
    Started,
)
from langevin.tables import Column

__all__ = [
    "Chunk",
    "Client",
    "CollapsedWarning",
    "Column",
    "Done",
    "Event",
    "Imputed",
    "LangevinError",
    "Model",
    "Preview",
    "Progress",
    "Samples",
    "Started",
]
