"""A laboratory for SMT virtualization on Power."""

__version__ = "0.1.0"
