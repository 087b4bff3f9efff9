"""Which activation function should I use here, and can I trust the difference?"""

import time

STARTED = time.time()  # the process's start, but for the interpreter's own: imports follow
