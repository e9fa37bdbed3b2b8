/* A small first-fit heap with coalescing. */
#include "freestanding.h"

struct chunk {
    u64 size;
    struct chunk *next;
};

static u8 arena[8192] __attribute__((aligned(16)));
static struct chunk *free_list;

static void *allocate(u64 size)
{
    size = (size + sizeof(struct chunk) + 15) & ~15UL;
    for (struct chunk **link = &free_list; *link; link = &(*link)->next) {
        struct chunk *chunk = *link;
        if (chunk->size < size)
            continue;
        if (chunk->size - size >= 2 * sizeof *chunk) {
            struct chunk *rest = (struct chunk *)((u8 *)chunk + size);
            rest->size = chunk->size - size;
            rest->next = chunk->next;
            chunk->size = size;
            *link = rest;
        } else {
            *link = chunk->next;
        }
        return chunk + 1;
    }
    return 0;
}

static void release(void *memory)
{
    struct chunk *chunk = (struct chunk *)memory - 1, **link = &free_list;
    while (*link && *link < chunk)
        link = &(*link)->next;
    chunk->next = *link;
    *link = chunk;
    for (struct chunk *c = free_list; c && c->next;) {
        if ((u8 *)c + c->size == (u8 *)c->next) {
            c->size += c->next->size;
            c->next = c->next->next;
        } else {
            c = c->next;
        }
    }
}

int main(void)
{
    void *held[16];
    free_list = (struct chunk *)arena;
    free_list->size = sizeof arena;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 16; i++) {
            held[i] = allocate((u64)(i * 17 + round));
            if (!held[i])
                return 1;
            memset(held[i], i, (u64)(i * 17 + round));
        }
        for (int i = 0; i < 16; i++)
            release(held[i * 7 % 16]);
    }
    return !(free_list->size == sizeof arena && !free_list->next);
}
