"""atme's command line by another clock: processor time of its thread, to which other work adds little.

    OMP_NUM_THREADS=1 python analysis/processor_time.py train --config maps_quick --training.max_time 10m

trains as many updates as ten minutes of one core hold, and the `seconds` of its log are those of one core. For
comparisons of what a setting gives for its price; not for what one waits.
"""

import sys
import time

# Before atme is imported, which asks this clock and no other how long its training takes.
time.perf_counter = time.process_time

from atme.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
