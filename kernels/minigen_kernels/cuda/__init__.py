"""Every kernel for a CUDA device, under the names of ``reference``: Python wrappers, each family beside its CUDA C++.

Compiled on first use, through CuPy. Read ``elementwise.cu`` first, then ``launch.py``, then ``conv.cu``.
"""

from minigen_kernels.cuda.activation import bias_act, bias_act_backward
from minigen_kernels.cuda.conv import conv2d, conv2d_upsample, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.cuda.elementwise import (
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
from minigen_kernels.cuda.gemm import matmul
from minigen_kernels.cuda.interpolate import (
    interpolate_bilinear2d,
    interpolate_bilinear2d_adjoint,
    interpolate_nearest2d,
    interpolate_nearest2d_adjoint,
)
from minigen_kernels.cuda.linear_unit import (
    elu,
    elu_backward,
    linear_unit,
    linear_unit_backward,
    prelu,
    prelu_backward,
)
from minigen_kernels.cuda.loss import (
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
from minigen_kernels.cuda.norm import batch_norm, batch_norm_backward, group_norm, group_norm_backward
from minigen_kernels.cuda.optim import adam_update, clip_norm, rmsprop_update, sgd_update
from minigen_kernels.cuda.pool import (
    avg_pool2d,
    avg_pool2d_adjoint,
    bias_act_max_pool2d,
    bias_act_max_pool2d_backward,
    max_pool2d,
    plane_gather,
    plane_scatter,
)
from minigen_kernels.cuda.posterior import posterior_sample, posterior_sample_backward
from minigen_kernels.cuda.random import bernoulli, normal, permutation, philox, uniform
from minigen_kernels.cuda.reduce import sum_axes
from minigen_kernels.cuda.running import average_update, total_update
from minigen_kernels.cuda.score import (
    mean_difference,
    mean_difference_backward,
    score_statistics,
    unit_norm_penalty,
    unit_norm_penalty_backward,
)
from minigen_kernels.cuda.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from minigen_kernels.cuda.upsample import (
    bias_act_upsample_backward,
    block_sum2d,
    upsample_bilinear2d,
    upsample_bilinear2d_adjoint,
    upsample_nearest2d,
)
