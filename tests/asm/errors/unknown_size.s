# A size that depends on itself.
from:   .space to - from + 1
to:
