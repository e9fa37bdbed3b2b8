/* Records and strings: copying structures, comparing and searching text, small functions through
 * pointers; what ordinary programs of the last century were thought to do. */
#include "bench.h"

enum { COUNT = 120, TEXT = 32 };

const char name[] = "records";
const uint64_t expected = 0xe9c09886229c6816u;

struct record {
    struct record *next;
    uint32_t kind;
    int32_t amount;
    char text[TEXT];
    int16_t history[6];
};

static struct record pool[COUNT], copies[COUNT];

static int compare(const char *x, const char *y)
{
    while (*x && *x == *y)
        x++, y++;
    return (uint8_t)*x - (uint8_t)*y;
}

static size_t write_number(char *at, uint32_t number)
{
    char digits[10];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while (number /= 10);
    for (size_t i = 0; i < n; i++)
        at[i] = digits[n - 1 - i];
    return n;
}

static void credit(struct record *r, int32_t by) { r->amount += by; }
static void debit(struct record *r, int32_t by) { r->amount -= by / 2; }
static void forget(struct record *r, int32_t by) { r->history[(uint32_t)by % 6] = (int16_t)by; }
static void (*const actions[])(struct record *, int32_t) = {credit, debit, forget};

static struct record *find(struct record *head, const char *text)
{
    for (; head; head = head->next)
        if (compare(head->text, text) == 0)
            return head;
    return NULL;
}

uint64_t work(uint64_t round)
{
    uint64_t state = round;
    struct record *head = NULL;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct record *const r = &pool[i];
        const char prefix[] = "account ";
        memset(r, 0, sizeof *r);
        memcpy(r->text, prefix, sizeof prefix - 1);
        (void)write_number(r->text + sizeof prefix - 1, (uint32_t)next_random(&state));
        r->kind = i % 3;
        r->amount = (int32_t)i * 7;
        r->next = head;
        head = r;
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        copies[i] = pool[i];
        struct record *const found = find(head, copies[(i * 37) % (i + 1)].text);
        if (found == NULL)
            return 0;
        actions[found->kind](found, (int32_t)(next_random(&state) & 1023));
        sum = fold(sum, (uint64_t)(int64_t)found->amount + (uint64_t)found->history[2]);
    }
    return sum;
}
