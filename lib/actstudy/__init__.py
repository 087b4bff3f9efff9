"""Which activation function should I use here, and can I trust the difference?"""

import time

__version__ = "0.1.0"  # setuptools reads it here
STARTED = time.time()  # seconds since the epoch: the process's start, before all other imports
