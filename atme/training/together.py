"""Several processes of this machine that train one run: what makes each of them one of a group."""

import os
import socket

from atme.machine import cores


def environments(count: int, *, gpus: int) -> list[dict[str, str]]:
    """The variables of each process of a group, by its number; what the user set stays.

    They are those of torch's launcher. On a CPU each has its part of the cores.

    Args:
        count: of the processes.
        gpus: that this machine trains on; 0: it trains on its cores.
    """
    alone = {} if gpus else {"OMP_NUM_THREADS": str(max(1, cores() // count))}
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())} | alone | os.environ
    each = ({"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count} for rank in range(count))
    return [shared | {name: str(value) for name, value in own.items()} for own in each]


def _free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
