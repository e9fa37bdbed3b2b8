/* The loop for big-endian guests. */
#define LOOP emu_loop_big
#define ORDER EMU_BIG
#include "loop.h"
