/* All bodies. Every loop includes them; what a loop does not use costs nothing. */
#ifndef EMU_EXEC_H
#define EMU_EXEC_H

#include "body.h"

#include "exec_branch.h"
#include "exec_fixed.h"
#include "exec_storage.h"
#include "exec_system.h"

/* EMU_NEXT, or why the state the vcpu is in may not execute a row at all. */
INLINE emu_outcome refused(emu_cpu *c, const emu_vcpu *v, int privilege, int ic)
{
    if (privilege == 2 || (privilege == 1 && v->msr & MSR_PR))
        return EMU_PRIVILEGED;
    return ic < 0 ? EMU_NEXT : emu_facility(c, v, (unsigned)ic);
}

/* Bytes of records between a branch and its target. */
INLINE int64_t op_distance(const emu_op *op)
{
    return (int64_t)op->imm * (int64_t)(sizeof *op / 4);
}

#endif
