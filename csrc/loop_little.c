/* The loop for little-endian guests. */
#define LOOP emu_loop_little
#define ORDER EMU_LITTLE
#include "loop.h"
