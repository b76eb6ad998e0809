"""A simple NumPy version of every kernel: the specification. Read ``conv.py`` first.

It is slow; the tests compare the other versions with it.
"""

from minigen_kernels.reference.activation import bias_act, bias_act_backward
from minigen_kernels.reference.conv import conv2d, conv2d_upsample, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.reference.elementwise import (
    add,
    erf,
    erfc,
    exp_excess,
    leaky_relu,
    leaky_relu_backward,
    log_deficit,
    mix,
    reparameterize,
    reparameterize_backward,
    scale_where,
    sigmoid,
    sigmoid_backward,
    softplus,
    tanh_backward,
)
from minigen_kernels.reference.gemm import matmul
from minigen_kernels.reference.interpolate import (
    interpolate_bilinear2d,
    interpolate_bilinear2d_adjoint,
    interpolate_nearest2d,
    interpolate_nearest2d_adjoint,
)
from minigen_kernels.reference.linear_unit import (
    elu,
    elu_backward,
    linear_unit,
    linear_unit_backward,
    prelu,
    prelu_backward,
)
from minigen_kernels.reference.loss import (
    bce_with_logits,
    bce_with_logits_sum,
    bce_with_logits_sum_backward,
    gaussian_kl_sum,
    gaussian_kl_sum_backward,
    huber_sum,
    huber_sum_backward,
    mse_act_sum,
    mse_act_sum_backward,
    mse_sum,
    mse_sum_backward,
)
from minigen_kernels.reference.norm import batch_norm, batch_norm_backward, group_norm, group_norm_backward
from minigen_kernels.reference.optim import adam_update, clip_norm, rmsprop_update, sgd_update
from minigen_kernels.reference.pool import (
    avg_pool2d,
    avg_pool2d_adjoint,
    bias_act_max_pool2d,
    bias_act_max_pool2d_backward,
    max_pool2d,
    plane_gather,
    plane_scatter,
)
from minigen_kernels.reference.posterior import posterior_sample, posterior_sample_backward
from minigen_kernels.reference.random import bernoulli, normal, permutation, philox, uniform
from minigen_kernels.reference.reduce import sum_axes
from minigen_kernels.reference.running import average_update, total_update
from minigen_kernels.reference.score import (
    mean_difference,
    mean_difference_backward,
    score_statistics,
    unit_norm_penalty,
    unit_norm_penalty_backward,
)
from minigen_kernels.reference.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from minigen_kernels.reference.upsample import (
    bias_act_upsample_backward,
    block_sum2d,
    upsample_bilinear2d,
    upsample_bilinear2d_adjoint,
    upsample_nearest2d,
)
