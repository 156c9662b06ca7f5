"""What ``atme presets`` does."""

import sys

from atme.cli.exits import DONE


def list_presets(name: str | None = None) -> int:
    """List the presets that come along, with cost and expected scores, or write one out.

    Args:
        name: of a preset, whose file is written to standard output; all are listed without it. The bare
            word does, too.

    Examples:
        atme presets
        atme presets earth_atme > mine.yaml
    """
    from atme.reports.presets import overview
    from atme.shipped.presets import find_preset, preset_paths, read_preset
    from atme.terminal import results

    if name is not None:
        sys.stdout.write(find_preset(name).read_text(encoding="utf-8"))
        return DONE
    beside = [each for each in preset_paths() if "/" in each]
    alone = {each: path for each, path in preset_paths().items() if each not in beside}
    results().print(overview(read_preset(each, path) for each, path in alone.items()))
    results().print(f"\nTo go beside one of these, with a second --config: {', '.join(beside)}")
    return DONE
