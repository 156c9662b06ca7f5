"""Reports: what runs and presets have to say, for people to read."""
