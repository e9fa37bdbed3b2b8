"""Programs outside this project that judge it."""
