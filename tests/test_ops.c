/* test_ops.c: the definitions against PyTorch's float64, in both precisions and one process (cases: ops_cases.c). */
#include "tests/ops_cases.c"

void ops64_cases(const char *ops_file, const char *stylegan_file);

int main(void)
{
    ops_cases("tests/golden/ops.safetensors", "tests/golden/stylegan_ops.safetensors");
    ops64_cases("tests/golden/ops.safetensors", "tests/golden/stylegan_ops.safetensors");
    return t_done();
}
