"""Types of the native module; compared with the built one by ``make check``."""
