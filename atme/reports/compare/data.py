"""Whether runs were scored on the same pictures: only then can their scores be compared."""

import hashlib
from collections.abc import Mapping

import numpy as np

from atme.data import PairedImages
from atme.images import to_array


def differences(tests: Mapping[str, PairedImages]) -> list[str]:
    """What differs between the test data of runs, in words; nothing if all were tested on the same pictures.

    Pictures that lie in several places count as the same if their names and all their pixels are.

    Args:
        tests: Name of a run -> its test pairs.

    Raises:
        ValueError: If a pair cannot be read.
    """
    told: dict[str, dict[str, str]] = {
        "direction": {name: test.direction for name, test in tests.items()},
        "view": {name: test.view_in_words for name, test in tests.items()},
        "split": {name: test.split for name, test in tests.items()},
        "folder": {name: str(test.root) for name, test in tests.items()},
        "pairs": {name: f"{len(test)}" for name, test in tests.items()},
        "classes of the target": {name: _classes(test) for name, test in tests.items()},
        "bits of the target": {name: f"{test.target_bits}" for name, test in tests.items()},
    }
    differ = {what: values for what, values in told.items() if len(set(values.values())) > 1}
    if differ and set(differ) <= {"split", "folder"} and len({_digest(test) for test in _one_a_place(tests)}) == 1:
        return []
    return [f"{what}: {by_value(values)}" for what, values in differ.items()]


def _classes(test: PairedImages) -> str:
    """Of which the pixels of targets are, which of them count, and how these were resized; "none" of pictures."""
    labels = test.kinds.target
    if labels is None:
        return "none"
    ignored = f", without {', '.join(sorted(set(labels.ignored)))}" if labels.ignored else ""
    resized = f", resized by {test.kinds.resizing}" if test.augment.sizes.load_size else ""
    return f"{labels.as_dict()['classes']}{ignored}{resized}"


def _one_a_place(tests: Mapping[str, PairedImages]) -> list[PairedImages]:
    return list({(test.root, test.split): test for test in tests.values()}.values())


def _digest(test: PairedImages) -> str:
    """Of names and pixels of all pairs."""
    digest = hashlib.sha256()
    for index in range(len(test)):
        pair = test[index]
        digest.update(pair.name[0].encode("utf-8", "surrogatepass"))
        for image, bits in ((pair.source, test.source_bits), (pair.target, test.target_bits)):
            assert image is not None
            pixels = to_array(image, bits=bits)
            digest.update(repr((pixels.shape, pixels.dtype)).encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def by_value(values: Mapping[str, str]) -> str:
    """Who has which value, in words: "AtoB (a, b), BtoA (c)"."""
    runs: dict[str, list[str]] = {}
    for name, value in values.items():
        runs.setdefault(value, []).append(name)
    return ", ".join(f"{value} ({', '.join(names)})" for value, names in runs.items())
