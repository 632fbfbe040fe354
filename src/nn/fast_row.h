/* fast_row.h: the table row of the fast_*.h kernels of one instruction set. */
#define FAST_ROW(name, usable, gemm, ...) { \
    name, usable, NN_BLOCKED, \
    conv_packed, conv_pack, conv_scratch, conv_shared, conv_units, conv_unit, \
    to_rgb, upsample2, blur3, noise_act, square_dev, rescale, dense, gemm, mix, mix_rows, \
    relu_bwd, batchnorm_fwd, batchnorm_bwd, softmax_ce, adam, vote, \
    norm_stats, norm_apply, norm_mask, norm_dx, __VA_ARGS__, \
}
