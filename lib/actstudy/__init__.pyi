from actstudy.judging.ranks import ranks as ranks
from actstudy.judging.results import load as load
from actstudy.judging.verdicts import verdicts as verdicts

__version__: str
STARTED: float
__all__ = ["load", "ranks", "verdicts"]
