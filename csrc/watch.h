/* Stepping under watch: see watch.abi.h. */
#ifndef WATCH_H
#define WATCH_H

#include "engine.h"
#include "watch.abi.h"

#endif
