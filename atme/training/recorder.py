"""What a run leaves behind while it runs: log lines, curves, sample grids, checkpoints.

At the end of an epoch things happen in this order: a log line, the sample grid, a checkpoint; so that a
checkpoint never lies between two steps that one line of the log averages over.
"""

import math
import shutil
from types import TracebackType
from typing import Any, Self

from atme.models import Step
from atme.run_folder import checkpoints
from atme.training import checkpoint, samples
from atme.training.log import Log, Means, Stopwatch
from atme.training.progress import Display
from atme.training.samples import Samples
from atme.training.start import Start
from atme.training.tracking import Tracker


class Recorder:
    """Records one run; every process has one, and the main process's one writes.

    Args:
        start: the run.
        text: the run's options as YAML.
        steps_per_epoch: updates of the weights in an epoch.

    Raises:
        OSError: if the run's folder cannot be written.
    """

    def __init__(self, start: Start, *, text: str, steps_per_epoch: int) -> None:
        self._start, self._state = start, start.state
        self._steps_per_epoch = steps_per_epoch
        self._steps = start.options.rate.total * steps_per_epoch
        self._main = start.state.accelerator.is_main_process
        self._log = self._open(text) if self._main else None
        self._seconds = self._log.seconds if self._log else 0.0
        self._logged = self._saved = self._state.step
        self._samples = Samples(start.model, train=start.train, test=start.test) if self._main else None
        self._display = Display(steps=self._steps, step=self._state.step, shown=self._main)
        self._tracker = self._track() if start.tracked else None
        self.means, self.watch = Means(), Stopwatch()

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.__exit__(kind, error, trace)
        if self._log:
            self._log.close()
            if error is not None and not checkpoints(self._start.run):
                shutil.rmtree(self._start.run)  # nothing to go on from, and not to stand in a new run's way

    def after_step(self, done: Step) -> None:
        """Record what is due after an update.

        Raises:
            ValueError: if a logged value is not finite.
            OSError: if something cannot be written.
        """
        asked, step = self._start.options, self._state.step
        self._display.advance()
        epoch, into_epoch = divmod(step, self._steps_per_epoch)
        if self._tracker and not into_epoch:
            self._tracker.flush(epoch, ended=True)
            self.watch.lap("history")
        if step % asked.log_every == 0:
            self._write_line()
        if into_epoch:
            return
        if asked.sample_every and epoch % asked.sample_every == 0:
            self._draw(done, epoch=epoch)
        if epoch % asked.checkpoint_every == 0:
            self.save()

    def after_micro_batch(self, done: Step) -> None:
        """Take in what a micro-batch did."""
        self.means.add(done.losses)
        if self._tracker:
            self._tracker.visit(done)

    def save(self) -> None:
        """Write a checkpoint of this step, unless there is one."""
        if self._saved == self._state.step:
            return
        self._write_line()
        epoch, into_epoch = divmod(self._state.step, self._steps_per_epoch)
        if self._tracker and into_epoch:
            self._tracker.flush(epoch + 1, ended=False)
        if self._main:
            checkpoint.save(self._state, self._start.measured, self._start.run, keep=self._start.options.keep)
        self._saved = self._state.step
        self.watch.lap("checkpoint")

    def say(self, text: str) -> None:
        """Tell the user something."""
        self._display.say(text)

    def _open(self, text: str) -> Log:
        self._start.run.mkdir(parents=True, exist_ok=True)
        (self._start.run / "options.yaml").write_text(text)
        checkpoint.sweep(self._start.run)
        log = Log(self._start.run, step=self._state.step)
        log.text("options", text)
        return log

    def _track(self) -> Tracker:
        return Tracker(
            self._start.run,
            self._start.history,
            tracked=self._start.tracked,
            pairs=self._start.fixed,
            model=self._start.model,
            state=self._state,
        )

    def _write_line(self) -> None:
        """One line of the log: means over the steps since the last one."""
        if self._logged == self._state.step:
            return
        means = self.means.take(self._state.accelerator)
        _check_finite(means, step=self._state.step)
        line = self._line(means)
        self._logged = self._state.step
        if self._log:
            self._log.write(line)
            self._display.show(line)

    def _line(self, means: dict[str, float]) -> dict[str, Any]:
        spent = self.watch.take()
        self._seconds += sum(spent.values())
        working = spent.get("data", 0.0) + spent.get("step", 0.0)
        images = self._images(self._state.step)
        return {
            "step": self._state.step,
            "epoch": (self._state.step - 1) // self._steps_per_epoch + 1,
            "images": images,
            "seconds": round(self._seconds, 3),
            "images_per_second": round((images - self._images(self._logged)) / working, 3),
            "data_seconds": round(spent.get("data", 0.0), 4),
            "lr": self._state.optimizers["generator"].param_groups[0]["lr"],
            **{name: round(value, 6) for name, value in means.items()},
            **self._state.bare.scheme.readings(),
        }

    def _images(self, step: int) -> int:
        """Images seen after a number of updates."""
        return len(self._start.train) * step // self._steps_per_epoch

    def _draw(self, done: Step, *, epoch: int) -> None:
        if self._log and self._samples:
            picture = self._samples.draw(self._state)
            samples.write(picture, self._start.run, epoch=epoch)
            self._log.picture("samples", picture, step=self._state.step)
            self._log.histogram("verdicts/fake", done.verdicts.fake, step=self._state.step)
            self._log.histogram("verdicts/real", done.verdicts.real, step=self._state.step)
        self.watch.lap("samples")


def _check_finite(means: dict[str, float], *, step: int) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise ValueError(
                f"{name}: is {value} by step {step}: the training diverged; lower the learning rate "
                "(optimizers.generator.init_args.lr) or use another training.precision"
            )
