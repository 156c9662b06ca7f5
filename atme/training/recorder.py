"""What a run leaves behind while it runs: log lines, curves, sample grids, checkpoints.

At the end of an epoch, and of the run, things happen in this order: a look at the validation split, a log line, the
sample grid, a checkpoint; so that a checkpoint never lies between two steps that one line of the log averages over, and
holds what was found of itself.
"""

import math
import shutil
from types import TracebackType
from typing import Any, Self

import torch
import yaml

from atme import history, outside
from atme.models import Step
from atme.run_folder import read_log
from atme.training import checkpoint, device, glance, samples
from atme.training.alone import Alone
from atme.training.changes import flatten, write_options
from atme.training.interruption import Interruption
from atme.training.log import Log, Means, Stopwatch
from atme.training.progress import Display
from atme.training.search import KEY, in_words
from atme.training.standing import Standing
from atme.training.start import Start
from atme.training.tracking import Tracker
from atme.training.watched import Moment, Watcher


class Recorder:
    """Records one run; every process has one, and the main process's one writes.

    Args:
        start: the run.
        watcher: told how it stands, by the main process.

    Raises:
        ValueError: if another training is at work in the run's folder.
        OSError: if it cannot be written.
    """

    def __init__(self, start: Start, watcher: Watcher | None = None) -> None:
        self._start, self._state = start, start.state
        self._steps_per_epoch = start.batches.steps_per_epoch
        self._main = start.state.accelerator.is_main_process
        self._logged = self._saved = self._begun = self._state.step
        self._machine = device.facts(start.state.accelerator)
        self._display = Display(steps=start.batches.steps, step=self._state.step, shown=self._main)
        self._alone = Alone(start.run, goes_on=start.goes_on) if self._main else None
        try:
            self._log = self._open() if self._main else None
            self._tracker = self._track() if start.tracked else None
        except (OSError, ValueError, RuntimeError):
            self._leave_nothing()
            self._let_go()
            raise
        self._seconds = self._log.seconds if self._log else 0.0
        self._standing = Standing(read_log(start.run) if self._log else [], flatten(yaml.safe_load(start.text)))
        self.means, self.watch = Means(), Stopwatch()
        self._scores: dict[str, float] = {}
        self._noted = self._state.search
        self._watcher = watcher if self._main else None

    def __enter__(self) -> Self:
        self._display.__enter__()
        # a run that goes on would, with other threads, go on to other bits
        crowded = [] if self._start.goes_on else device.crowded(self._state.accelerator)
        for line in (f"trains on {device.in_words(self._machine)}", *crowded, *self._start.told):
            self.say(line)
        self._show()
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
        self._show(ended=self._ending(error))
        if error is not None:
            self._leave_nothing()
        self._let_go()

    def look_again(self, interruption: Interruption) -> None:
        """Do the look that is owed to the step from which the run goes on: an interruption left it off.

        Raises:
            ValueError: if there is nothing to be seen.
            OSError: if something cannot be written.
        """
        if trouble := self._look(interruption):
            raise trouble
        if self._scores and self._log:
            self._log.add(_logged(self._scores), step=self._state.step)
        self._scores = {}
        self.save()

    def after_step(self, done: Step, interruption: Interruption) -> None:
        """Record what is due after an update.

        Raises:
            ValueError: if a logged value is not finite, or there is nothing to be seen of the validation split.
            OSError: if something cannot be written.
        """
        asked, step = self._start.options, self._state.step
        self._display.advance()
        epoch, into_epoch = divmod(step, self._steps_per_epoch)
        if self._tracker and not into_epoch:
            self._tracker.flush(epoch, ended=True)
            self.watch.lap("history")
        trouble = self._look(interruption)
        if step % asked.log_every == 0 or self._scores:
            self._write_line()
        ended = not self._start.left
        if into_epoch and not ended:
            self._show()
            return
        if asked.sample_every and (ended or epoch % asked.sample_every == 0):
            self._draw(done, epoch=epoch + bool(into_epoch))
        best = self._state.search.best
        if epoch % asked.checkpoint_every == 0 or trouble or (best and best.step == step):
            self.save()
        self._show()
        if trouble:
            raise trouble

    def after_micro_batch(self, done: Step) -> None:
        """Take in what a micro-batch did."""
        seen = {"g_spread": glance.spread(done.fake), "g_ends": glance.ends(done.fake)}
        self.means.add(done.losses | seen)
        if self._tracker:
            self._tracker.visit(done)

    def save(self) -> None:
        """Write a checkpoint of this step, or into the one that there is what a look found."""
        if self._saved == self._state.step:
            if self._main and self._noted != self._state.search:
                checkpoint.note(self._state, self._start.run)
            self._noted = self._state.search
            return
        self._write_line()
        epoch, into_epoch = divmod(self._state.step, self._steps_per_epoch)
        if self._tracker and into_epoch:
            self._tracker.flush(epoch + 1, ended=False)
        if self._main:
            start = self._start
            checkpoint.save(self._state, start.measured, start.run, keep=start.options.keep, pairs=start.pairs)
        self._saved, self._noted = self._state.step, self._state.search
        self.watch.lap("checkpoint")

    def say(self, text: str) -> None:
        """Tell the user something."""
        self._display.say(text)

    def _show(self, *, ended: str | None = None) -> None:
        """Tell who watches how the run stands, if there is something new in its log or it has ended."""
        step, start = self._state.step, self._start
        if self._watcher is None or (self._logged != step and ended is None):
            return
        steps, search = start.batches.steps, self._state.search
        self._watcher(Moment(start.run, step, steps, self._seconds, search, start.told, ended))
        self.watch.lap("page")

    def _ending(self, error: BaseException | None) -> str:
        """How the run ended, in words."""
        step = self._state.step
        if error is not None:
            return f"ended at step {step}: {error}"
        if self._start.left:
            return f"interrupted at step {step}; --training.resume auto goes on with it"
        return f"stopped early at step {step}" if self._start.stopped_early else f"trained to step {step}"

    def _look(self, interruption: Interruption) -> ValueError | None:
        """Look at the validation split, if that is due; what keeps it from being seen."""
        validation = self._start.validation
        if validation is None or not validation.owed(self._state):
            return None
        try:
            found = validation.look(self._state, given_up=lambda: interruption.signal is not None)
        except ValueError as trouble:
            return trouble
        self.watch.lap("validation")
        if found is not None:
            self._scores = {f"{KEY}{name}": value for name, value in found.items()}
            is_best = self._state.search.best and self._state.search.best.step == self._state.step
            self.say(f"step {self._state.step}  {in_words(self._scores)}{'  the best so far' if is_best else ''}")
        return None

    def _open(self) -> Log:
        """Begin the run's folder, or cut what is in it to the step from which the run goes on."""
        run, step = self._start.run, self._state.step
        write_options(run, self._start.text, earlier=self._start.earlier)
        outside.keep(self._start.own, run)
        checkpoint.sweep(run)
        seen = self._start.batches.seen(step)
        visited = {name for index, name in enumerate(self._start.train.names) if index in seen}
        history.cut(run, epochs=step // self._steps_per_epoch, visited=visited)
        samples.cut(run, epochs=step // self._steps_per_epoch)
        log = Log(run, step=step, machine=self._machine)
        log.text("options", self._start.text)
        return log

    def _leave_nothing(self) -> None:
        """Remove the folder of a run that failed before its first update: nobody's, and in a new run's way."""
        if self._main and not self._start.goes_on and self._state.step == self._begun:
            shutil.rmtree(self._start.run, ignore_errors=True)

    def _let_go(self) -> None:
        if self._alone:
            self._alone.let_go()

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
        self._logged, self._scores = self._state.step, {}
        if self._log:
            said = self._standing.after(line)
            self._log.write(line if said is None else line | {"status": said})
            self._display.show(line)
            if said is not None:
                self.say(f"status: {said}")

    def _line(self, means: dict[str, float]) -> dict[str, Any]:
        spent = self.watch.take()
        self._seconds += sum(spent.values())
        working = spent.get("data", 0.0) + spent.get("step", 0.0)
        images = self._images(self._state.step)
        return {
            "step": self._state.step,
            "steps": self._start.batches.steps,
            "epoch": (self._state.step - 1) // self._steps_per_epoch + 1,
            "images": images,
            "seconds": round(self._seconds, 3),
            "images_per_second": round((images - self._images(self._logged)) / working, 3),
            "data_seconds": round(spent.get("data", 0.0), 4),
            "lr": self._state.optimizers["generator"].param_groups[0]["lr"],
            **{name: round(value, 6) for name, value in means.items()},
            **self._state.bare.scheme.readings(),
            **(self._start.glance.as_readings() if self._start.glance else {}),
            **_logged(self._scores),
        }

    def _images(self, step: int) -> int:
        """Images seen after a number of updates."""
        return len(self._start.train) * step // self._steps_per_epoch

    def _draw(self, done: Step, *, epoch: int) -> None:
        if self._log:
            picture = self._start.samples.draw(self._state)
            samples.write(picture, self._start.run, epoch=epoch)
            self._log.picture("samples", picture, step=self._state.step)
            for side in ("fake", "real") if done.verdicts else ():
                logits = torch.cat([each.flatten() for each in getattr(done.verdicts, side)])
                self._log.histogram(f"verdicts/{side}", logits, step=self._state.step)
        self.watch.lap("samples")


def _logged(scores: dict[str, float]) -> dict[str, float | None]:
    """Scores as the log has them: JSON knows finite numbers alone."""
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in scores.items()}


def _check_finite(means: dict[str, float], *, step: int) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise ValueError(
                f"{name}: is {value} by step {step}: the training diverged; choose a new --run.dir, and lower the "
                "learning rate (optimizers.generator.init_args.lr) or use another training.precision"
            )
