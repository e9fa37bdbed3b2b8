/* Every kind of data a compiler emits: common, weak, packed, sections, pointers to pointers. */
#include "freestanding.h"

int common;
static int zeroed[100];
u8 bytes[3] = {1, 2, 3};
const u16 halves[] = {0x1234, 0xabcd};
struct __attribute__((packed)) odd {
    u8 a;
    u64 b;
    u16 c;
} odd = {1, 0x1122334455667788UL, 0x99};
int *pointer = &common;
int **indirect = &pointer;
void *middle = &zeroed[50];
const char *strings[] = {"one", "two", "three", "one"};
__attribute__((section(".special"))) int special = 77;
__attribute__((weak)) int weak_value = 5;
__attribute__((aligned(256))) char aligned[10] = "aligned";
double real = 2.5;
float single = -1.5f;
static int local_function(int x) { return x + weak_value; }
int (*callback)(int) = local_function;
__attribute__((weak)) int absent(void);

int main(void)
{
    common = 3;
    zeroed[50] = 4;
    *(int *)middle += **indirect;
    if (absent)
        return 2;
    return !(zeroed[50] == 7 && callback(1) == 6 && special == 77 && odd.b >> 56 == 0x11 &&
             strings[2][0] == 't' && halves[1] == 0xabcd && bytes[2] == 3 && aligned[0] == 'a');
}
