"""Which activation function should I use here, and can I trust the difference?"""

import time

STARTED = time.time()  # seconds since the epoch: the process's start, before all other imports
