"""A laboratory for SMT virtualization on Power."""
