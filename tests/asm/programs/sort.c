/* Quicksort, heapsort and merge sort through function pointers. */
#include "freestanding.h"

typedef void sorter(int *values, int count);

static int values[200], scratch[200];

static void swap(int *a, int *b)
{
    int t = *a;
    *a = *b;
    *b = t;
}

static void quick(int *v, int n)
{
    if (n < 2)
        return;
    int pivot = v[n / 2], i = 0, j = n - 1;
    for (;; i++, j--) {
        while (v[i] < pivot)
            i++;
        while (v[j] > pivot)
            j--;
        if (i >= j)
            break;
        swap(&v[i], &v[j]);
    }
    quick(v, i);
    quick(v + i, n - i);
}

static void heap(int *v, int n)
{
    for (int top = n / 2 - 1, end = n; end > 1;) {
        int root = top;
        if (top >= 0) {
            top--;
        } else {
            swap(&v[0], &v[--end]);
            root = 0;
        }
        for (int child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && v[child] < v[child + 1])
                child++;
            if (v[root] >= v[child])
                break;
            swap(&v[root], &v[child]);
        }
    }
}

static void merge(int *v, int n)
{
    if (n < 2)
        return;
    int half = n / 2;
    merge(v, half);
    merge(v + half, n - half);
    for (int i = 0; i < half; i++)
        scratch[i] = v[i];
    for (int i = 0, j = half, k = 0; i < half;)
        v[k++] = j < n && v[j] < scratch[i] ? v[j++] : scratch[i++];
}

static sorter *const sorters[] = {quick, heap, merge};

int main(void)
{
    for (unsigned s = 0; s < sizeof sorters / sizeof *sorters; s++) {
        u32 seed = 12345 + s;
        for (int i = 0; i < 200; i++) {
            seed = seed * 1103515245 + 12345;
            values[i] = (int)(seed >> 8) - 8000000;
        }
        sorters[s](values, 200);
        for (int i = 1; i < 200; i++)
            if (values[i - 1] > values[i])
                return 1;
    }
    return 0;
}
