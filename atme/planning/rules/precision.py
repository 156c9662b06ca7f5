"""In which numbers networks compute."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

WORTH = 1.1
"""How many times as fast bf16 has to be."""
ALONE = {"model": {"class_path": "atme.Regression"}, "noise": {"class_path": "atme.Identity"}}
"""What makes a preset one of the generator alone."""


@rule(
    after=("generator", "batch", "classes", "turns"),
    measured="On this machine, each time: three updates of the generator in each. Whether bf16 costs any score was not "
    "measured.",
)
def precision(facts: Facts, chosen: Chosen) -> Decision:
    """bf16 is up to three times as fast on some machines, and slower on others: both are tried on a few updates."""
    took = {each: seconds_of(facts, chosen, precision=each) for each in ("float32", "bf16")}
    faster = took["float32"] / took["bf16"]
    known = f"bf16 {took['bf16']:.2g} s, float32 {took['float32']:.2g} s"
    if faster >= WORTH:
        words = f"bf16: {faster:.1f} times as fast here ({known} an update of the generator)"
        return Decision({"training.precision": Setting("bf16", f"{faster:.1f} times as fast here")}, words)
    words = f"float32: bf16 is not faster here by a tenth ({known} an update of the generator)"
    return Decision({"training.precision": Setting("float32", f"{known} an update")}, words)


def seconds_of(facts: Facts, chosen: Chosen, *, precision: str) -> float:
    """An update of the generator alone; of a precision that is not to be had here, endless."""
    preset = chosen.preset | ALONE
    training = preset["training"]
    try:
        return facts.clock.few(preset | {"training": training | {"precision": precision}})
    except ValueError:
        if precision == "float32":
            raise
        return float("inf")  # this device has no bf16, and says so
