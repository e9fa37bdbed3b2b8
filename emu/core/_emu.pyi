# The extension module that emu/core/build.py makes from csrc/; its contents are csrc/*.abi.h.
from typing import Any

ffi: Any
lib: Any
