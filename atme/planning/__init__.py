"""What to train on some pairs, for how long, and what to expect: a fingerprint, rules, and a preset of them.

`fingerprint` looks at pairs, `speed` at the machine, `rules` decide, one a file, and `preset` writes what they decided.
"""
