/* Atomic operations by load-and-reserve and store-conditional, Power ISA v3.0B Book II 1.7. */

#include "guest.h"

uint64_t atomic_add(uint64_t *counter, uint64_t amount)
{
    uint64_t value;
    __asm__ volatile("1: ldarx %0,0,%2\n"
                     "   add   %0,%0,%3\n"
                     "   stdcx. %0,0,%2\n"
                     "   bne-  1b"
                     : "=&r"(value), "+m"(*counter) : "r"(counter), "r"(amount) : "cr0");
    return value;
}

bool compare_and_set(uint64_t *place, uint64_t expected, uint64_t desired)
{
    uint64_t found;
    __asm__ volatile("   sync\n"
                     "1: ldarx %0,0,%2\n"
                     "   cmpd  %0,%3\n"
                     "   bne-  2f\n"
                     "   stdcx. %4,0,%2\n"
                     "   bne-  1b\n"
                     "2: sync"
                     : "=&r"(found), "+m"(*place) : "r"(place), "r"(expected), "r"(desired)
                     : "cr0", "memory");
    return found == expected;
}

void spin_lock(spinlock *lock)
{
    uint32_t found;
    __asm__ volatile("1: lwarx %0,0,%1,1\n"     /* EH = 1: this is a lock */
                     "   cmpwi %0,0\n"
                     "   bne-  2f\n"
                     "   stwcx. %2,0,%1\n"
                     "   bne-  1b\n"
                     "   isync\n"               /* nothing below is done before the lock is held */
                     "   b     3f\n"
                     "2: or    31,31,31\n"      /* priority low while it is taken */
                     "   lwz   %0,0(%1)\n"
                     "   cmpwi %0,0\n"
                     "   bne   2b\n"
                     "   or    2,2,2\n"
                     "   b     1b\n"
                     "3:"
                     : "=&r"(found) : "b"(&lock->held), "r"(1) : "cr0", "memory");
}

void spin_unlock(spinlock *lock)
{
    lwsync();
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELAXED);
}
