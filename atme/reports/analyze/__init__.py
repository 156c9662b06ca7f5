"""Is W a Brownian motion? A run's history examined, and the page that tells."""
