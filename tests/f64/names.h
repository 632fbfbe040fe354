/* names.h: how one program holds the reference sources twice, in float and in double.
 *
 * A file of this folder is ordinary C: it includes this header first, then a reference source (or test cases) as a file:
 *
 *     #include "tests/f64/names.h"
 *     #include "nn/ops_ref.c"
 *
 * Here `real` becomes double, and every public name of the twin sources gets 64 after its prefix: nn_softmax_ref is
 * nn64_softmax_ref.  Code that handles no real (errors, memory, files, JSON, random numbers) is shared, not twinned.
 *
 * To twin another source: add its two-line file, add its public functions and variables below (types need no new name: a
 * translation unit is double throughout), and run tests/test_twin.sh, which names whatever is missing.
 *
 * To compare both precisions in one test: write the part that computes in double as a file here, with a function over plain
 * `double *` at its end, and call that from the float test.  tests/ops_cases.c shows the other way: one text of cases,
 * compiled in each precision. */
#ifndef F64_NAMES_H
#define F64_NAMES_H

#ifdef NN_BASE_H
#error "include tests/f64/names.h before anything else"
#endif
#define REAL double

/* src/nn/ops_ref.c */
#define nn_pixel_norm_ref nn64_pixel_norm_ref
#define nn_dense_ref nn64_dense_ref
#define nn_square_sum_ref nn64_square_sum_ref
#define nn_demod_ref nn64_demod_ref
#define nn_bias_act_ref nn64_bias_act_ref

/* src/nn/ops_conv_ref.c */
#define nn_conv2d_ref nn64_conv2d_ref
#define nn_conv2d_up2_ref nn64_conv2d_up2_ref
#define nn_upfirdn2d_ref nn64_upfirdn2d_ref
#define nn_bilinear_at nn64_bilinear_at
#define nn_bilinear_ref nn64_bilinear_ref

/* src/nn/ops_train_ref.c */
#define nn_linear_fwd_ref nn64_linear_fwd_ref
#define nn_linear_bwd_ref nn64_linear_bwd_ref
#define nn_relu_fwd_ref nn64_relu_fwd_ref
#define nn_relu_bwd_ref nn64_relu_bwd_ref
#define nn_batchnorm_fwd_ref nn64_batchnorm_fwd_ref
#define nn_batchnorm_bwd_ref nn64_batchnorm_bwd_ref
#define nn_batchnorm_infer_ref nn64_batchnorm_infer_ref
#define nn_softmax_ref nn64_softmax_ref
#define nn_softmax_ce_ref nn64_softmax_ce_ref
#define nn_adam_ref nn64_adam_ref

/* src/nn/kernels_ref.c */
#define nn_kernels_ref nn64_kernels_ref

/* src/nn/maps_*.c */
#define nn_conv2d_out nn64_conv2d_out
#define nn_conv2d_fwd_ref nn64_conv2d_fwd_ref
#define nn_conv2d_bwd_ref nn64_conv2d_bwd_ref
#define nn_conv2d_room nn64_conv2d_room
#define nn_conv2d_fwd nn64_conv2d_fwd
#define nn_conv2d_bwd_input nn64_conv2d_bwd_input
#define nn_conv2d_bwd_weight nn64_conv2d_bwd_weight
#define nn_conv2d_to_torch nn64_conv2d_to_torch
#define nn_conv2d_from_torch nn64_conv2d_from_torch
#define nn_norm_room nn64_norm_room
#define nn_norm_fwd nn64_norm_fwd
#define nn_norm_bwd nn64_norm_bwd
#define nn_norm_infer nn64_norm_infer
#define nn_maxpool_fwd nn64_maxpool_fwd
#define nn_maxpool_bwd nn64_maxpool_bwd
#define nn_avgpool_fwd nn64_avgpool_fwd
#define nn_avgpool_bwd nn64_avgpool_bwd
#define nn_resize_fwd nn64_resize_fwd
#define nn_resize_bwd nn64_resize_bwd
#define nn_dropout nn64_dropout
#define nn_soft_ce nn64_soft_ce

/* src/nn/layers.c */
#define nn_conv_scratch nn64_conv_scratch
#define nn_conv_run nn64_conv_run
#define nn_dense_run nn64_dense_run
#define nn_to_rgb_run nn64_to_rgb_run
#define nn_upsample2_run nn64_upsample2_run
#define nn_blur3_run nn64_blur3_run
#define nn_norm_scratch nn64_norm_scratch
#define nn_style_norm_run nn64_style_norm_run
#define nn_map_to_planar nn64_map_to_planar
#define nn_map_from_planar nn64_map_from_planar

/* src/nn/safetensors.c: binding converts to real */
#define nn_dtype_name nn64_dtype_name
#define nn_dtype_bytes nn64_dtype_bytes
#define nn_st_open nn64_st_open
#define nn_st_parse nn64_st_parse
#define nn_st_close nn64_st_close
#define nn_st_find nn64_st_find
#define nn_st_meta nn64_st_meta
#define nn_st_meta_dim nn64_st_meta_dim
#define nn_st_bind nn64_st_bind
#define nn_st_write nn64_st_write
#define nn_st_write_locked nn64_st_write_locked
#define nn_st_identity nn64_st_identity

/* src/stylegan */
#define sg_open sg64_open
#define sg_load sg64_load
#define sg_close sg64_close
#define sg_get_config sg64_get_config
#define sg_get_kernels sg64_get_kernels
#define sg_identity sg64_identity
#define sg_tap_count sg64_tap_count
#define sg_tap_at sg64_tap_at
#define sg_tap_total sg64_tap_total
#define sg_tap_is sg64_tap_is
#define sg_table_add sg64_table_add
#define sg_add_tap sg64_add_tap
#define sg_describe1 sg64_describe1
#define sg_synthesis1 sg64_synthesis1
#define sg_layer_noise sg64_layer_noise
#define sg_model_bytes sg64_model_bytes
#define sg_config_read sg64_config_read
#define sg_z sg64_z
#define sg_mapping sg64_mapping
#define sg_truncate sg64_truncate
#define sg_check_options sg64_check_options
#define sg_work_open sg64_work_open
#define sg_work_close sg64_work_close
#define sg_work_bytes sg64_work_bytes
#define sg_picture sg64_picture
#define sg_tap sg64_tap
#define sg_synthesis sg64_synthesis
#define sg_draw sg64_draw

/* src/datasetgan/net.c */
#define dg_net_param_count dg64_net_param_count
#define dg_params_at dg64_params_at
#define dg_net_bytes dg64_net_bytes
#define dg_net_open dg64_net_open
#define dg_net_close dg64_net_close
#define dg_net_init dg64_net_init
#define dg_net_gradient dg64_net_gradient
#define dg_net_step dg64_net_step

/* src/deeplab */
#define dl_net_begin dl64_net_begin
#define dl_conv dl64_conv
#define dl_norm dl64_norm
#define dl_relu dl64_relu
#define dl_maxpool dl64_maxpool
#define dl_avgpool dl64_avgpool
#define dl_resize dl64_resize
#define dl_concat dl64_concat
#define dl_dropout dl64_dropout
#define dl_net_finish dl64_net_finish
#define dl_net_close dl64_net_close
#define dl_net_open dl64_net_open
#define dl_net_init dl64_net_init
#define dl_work_open dl64_work_open
#define dl_work_close dl64_work_close
#define dl_work_input dl64_work_input
#define dl_work_logits dl64_work_logits
#define dl_work_node dl64_work_node
#define dl_forward dl64_forward
#define dl_forward_adapted dl64_forward_adapted
#define dl_gradient dl64_gradient
#define dl_tensor_count dl64_tensor_count
#define dl_tensor_at dl64_tensor_at

/* tests/t_real.c */
#define t_units t64_units
#define t_close t64_close
#define t_guarded t64_guarded
#define t_guarded_free t64_guarded_free
#define t_all_nan t64_all_nan
#define t_randn t64_randn

/* tests/golden.c, tests/ops_cases.c, tests/row_cases.c */
#define golden_open golden64_open
#define golden_close golden64_close
#define golden golden64
#define golden_room golden64_room
#define ops_cases ops64_cases
#define row_cases row64_cases

/* tests/stylegan_cases.c */
#define sg_golden_open sg64_golden_open
#define sg_golden_close sg64_golden_close
#define sg_golden_worst sg64_golden_worst
#define sg_golden_cases sg64_golden_cases

/* tests/segnet_cases.c */
#define segnet_cases segnet64_cases

/* tests/torchvision_cases.c */
#define torchvision_cases torchvision64_cases

/* tests/map_cases.c, map_differences.c */
#define map_cases map64_cases
#define map_differences map64_differences

/* tests/net_cases.c */
#define net_cases net64_cases

#endif
