"""The curves that TensorBoard shows: its event files, and how they are cut where a run goes on."""

from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = "tensorboard"


def cut(run: Path, *, step: int) -> None:
    """Drop all that was drawn after a step; files that hold nothing else go.

    Args:
        run: its folder.
        step: updates of the weights that belong to the run.
    """
    for path in sorted((run / FOLDER).glob("events.out.tfevents.*")):
        events = list(RawEventFileLoader(str(path)).Load())  # ends where a kill cut the file off
        kept = [event for event in events if _belongs(event, step)]
        if len(kept) < len(events):
            _write(path, kept)


def _belongs(content: bytes, step: int) -> bool:
    event = Event.FromString(content)
    return bool(event.step <= step or event.HasField("file_version"))


def _write(path: Path, events: list[bytes]) -> None:
    if len(events) <= 1:  # the first one is the format's version
        path.unlink()
        return
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event)
    unfinished.replace(path)
