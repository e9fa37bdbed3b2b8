/* Adds up, so that there is something to watch. */
struct point { long x, y; };
struct point where = { 3, 4 };
char name[] = "emu";
long total;

__attribute__((noinline)) long twice(long n)
{
    long result = n + n;
    return result;
}

int main(void)
{
    for (long i = 0; i < 5; i++)
        total += twice(i);
    where.x = total;
    return 7;
}
