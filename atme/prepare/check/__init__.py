"""Is a dataset sound? Every file decoded, every pair measured, what is suspicious set aside."""
