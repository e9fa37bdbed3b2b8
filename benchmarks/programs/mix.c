/* A mixture in the manner of CoreMark: a linked list that is sorted, reversed and searched, a
 * small matrix of 16-bit integers, a state machine that reads numbers, and a CRC over all of it.
 * Our own program; its figures are not CoreMark's. */
#include "bench.h"

enum { NODES = 96, SIZE = 10 };

const char name[] = "mix";
const uint64_t expected = 0x5acc;

struct node {
    struct node *next;
    int16_t value, index;
};

static struct node nodes[NODES];
static int16_t a[SIZE][SIZE], b[SIZE][SIZE];
static int32_t c[SIZE][SIZE];

/* CRC-16 with the polynomial x^16 + x^15 + x^2 + 1, a bit at a time. */
static uint16_t crc16(uint16_t crc, uint32_t value, int nbits)
{
    for (int i = 0; i < nbits; i++, value >>= 1) {
        const int carry = (crc ^ value) & 1;
        crc = (uint16_t)(crc >> 1);
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

/* ---- list */

static int by_value(const struct node *x, const struct node *y) { return x->value - y->value; }
static int by_index(const struct node *x, const struct node *y) { return x->index - y->index; }

/* Merge sort from the bottom up, in place. */
static struct node *sort(struct node *list, int (*order)(const struct node *, const struct node *))
{
    for (int width = 1;; width *= 2) {
        struct node *p = list;
        struct node **tail = &list;
        int merges = 0;
        while (p) {
            struct node *q = p;
            int np = 0;
            int nq = width;
            merges++;
            while (q && np < width) {
                np++;
                q = q->next;
            }
            while (np > 0 || (nq > 0 && q)) {
                struct node *taken;
                if (np > 0 && (nq == 0 || q == NULL || order(p, q) <= 0)) {
                    taken = p;
                    p = p->next;
                    np--;
                } else {
                    taken = q;
                    q = q->next;
                    nq--;
                }
                *tail = taken;
                tail = &taken->next;
            }
            p = q;
        }
        *tail = NULL;
        if (merges <= 1)
            return list;
    }
}

static struct node *reverse(struct node *list)
{
    struct node *done = NULL;
    while (list) {
        struct node *const next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static uint16_t list_part(uint16_t crc, uint64_t *state)
{
    for (int i = 0; i < NODES; i++) {
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        nodes[i].value = (int16_t)next_random(state);
        nodes[i].index = (int16_t)i;
    }
    struct node *list = sort(nodes, by_value);
    for (int wanted = 0; wanted < NODES; wanted += 9) {
        int steps = 0;
        for (struct node *n = list; n && n->index != wanted; n = n->next)
            steps++;
        crc = crc16(crc, (uint32_t)steps, 8);
        list = reverse(list);
    }
    list = sort(list, by_index);
    for (struct node *n = list; n; n = n->next)
        crc = crc16(crc, (uint16_t)n->value, 16);
    return crc;
}

/* ---- matrix */

static uint16_t matrix_part(uint16_t crc, uint64_t *state)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (int16_t)next_random(state);
            b[i][j] = (int16_t)(a[i][j] >> 4 & 0xff);
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIZE; k++) {
                const int32_t product = a[i][k] * b[k][j];
                sum += (product >> 2 & 15) * (product >> 5 & 127);
            }
            c[i][j] = sum;
        }
    int32_t total = 0;
    int32_t last = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            total += c[i][j] > last ? 10 : 0;
            last = c[i][j];
        }
    return crc16(crc, (uint32_t)total, 16);
}

/* ---- state machine */

enum state { START, SIGN, DIGITS, FRACTION, EXPONENT, EXPONENT_SIGN, SCALE_DIGITS, INVALID, STATES };

static int is_digit(char ch) { return ch >= '0' && ch <= '9'; }

static enum state step(enum state state, char ch)
{
    switch (state) {
    case START:
        return is_digit(ch) ? DIGITS : ch == '+' || ch == '-' ? SIGN : ch == '.' ? FRACTION : INVALID;
    case SIGN:
        return is_digit(ch) ? DIGITS : ch == '.' ? FRACTION : INVALID;
    case DIGITS:
        return is_digit(ch) ? DIGITS : ch == '.' ? FRACTION : ch == 'e' ? EXPONENT : INVALID;
    case FRACTION:
        return is_digit(ch) ? FRACTION : ch == 'e' ? EXPONENT : INVALID;
    case EXPONENT:
        return ch == '+' || ch == '-' ? EXPONENT_SIGN : is_digit(ch) ? SCALE_DIGITS : INVALID;
    case EXPONENT_SIGN:
    case SCALE_DIGITS:
        return is_digit(ch) ? SCALE_DIGITS : INVALID;
    default:
        return INVALID;
    }
}

static uint16_t state_part(uint16_t crc, uint64_t *random)
{
    static const char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,"
                               "-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,";
    uint32_t visits[STATES] = {0};
    uint32_t ends[STATES] = {0};
    const uint32_t spoilt = (uint32_t)(next_random(random) % (sizeof text - 1));
    enum state state = START;
    for (uint32_t i = 0; i < sizeof text - 1; i++) {
        const char ch = i == spoilt && text[i] != ',' ? 'x' : text[i];
        if (ch == ',') {
            ends[state]++;
            state = START;
        } else {
            visits[state]++;
            state = step(state, ch);
        }
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc16(crc, visits[i], 16), ends[i], 8);
    return crc;
}

uint64_t work(uint64_t round)
{
    uint64_t state = round;
    uint16_t crc = 0;
    for (int i = 0; i < 8; i++) {
        crc = list_part(crc, &state);
        crc = matrix_part(crc, &state);
        crc = state_part(crc, &state);
    }
    return crc;
}
