/* test_maps.c: the operations of convolutional networks in float with every row of kernels and in double (cases: map_cases.c). */
#include "nn/kernels.h"
#include "tests/t.h"

void map_cases(const nn_kernels *k);
void map64_cases(const void *row);           /* NULL: the row `ref` in double */
void map64_differences(void);

int main(void)
{
    for (int i = 0; i < nn_kernels_count(); i++) {
        if (nn_kernels_at(i)->usable()) map_cases(nn_kernels_at(i));
        else t_skip("maps/%s: not on this CPU", nn_kernels_at(i)->name);
    }
    map64_cases(NULL);
    map64_differences();
    return t_done();
}
