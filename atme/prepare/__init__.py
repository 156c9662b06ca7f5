"""What is done to data before a run reads it: fetched, paired, divided, checked."""
