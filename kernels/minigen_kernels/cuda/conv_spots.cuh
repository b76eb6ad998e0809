// What the sums of a convolution run over: for each of the three, its rows, places and terms, and where in the image a
// term and a place meet. conv.cu says what these are; read it first, and conv_tile.cuh, which takes the sums, next.

// Half of the way to a cell of the image; a term and a place together make the whole way. `weight`: see `row_start`.
struct Spot {
  long long cell;
  long long weight;
  int y, x;
};

// A spot far outside of any image, for a term or a place that does not exist. Two of them still fit an int.
__device__ __forceinline__ Spot nowhere() { return {0, 0, -(1 << 30), -(1 << 30)}; }

__device__ __forceinline__ bool inside(const Spot& a, const Spot& b, int height, int width) {
  return (unsigned int)(a.y + b.y) < (unsigned int)height && (unsigned int)(a.x + b.x) < (unsigned int)width;
}

__device__ __forceinline__ long long cell_of(const Spot& a, const Spot& b, int width) {
  return a.cell + b.cell + (long long)(a.y + b.y) * width + (a.x + b.x);
}

// conv2d in one group; and, for one phase, its adjoint in x. Both slide a window of taps over an image.
struct Window {
  int rows, terms, height, width;              // height, width: of the image that is read
  int taps_h, taps_w, tap_step_y, tap_step_x;  // taps in use, and how far apart in the image they read
  long long channel_cells, sample_cells, first_cell;
  long long weight_row, weight_channel, first_weight;  // steps in w from row to row, from summed channel to channel
  int weight_y, weight_x;                              // and from tap to tap
  int places_h, places_w, step_y, step_x, origin_y, origin_x;  // place (i, j) reads from origin + (i, j) * step on
  long long places;
  long long result_sample, result_row, first_result;  // steps in the result
  int result_y, result_x, first_channel, result_width;

  __device__ Spot term(long long t) const {
    if (t >= terms) return nowhere();
    const int taps = taps_h * taps_w, channel = (int)t / taps, tap = (int)t % taps, u = tap / taps_w, v = tap % taps_w;
    return {channel * channel_cells, channel * weight_channel + u * weight_y + v * weight_x, u * tap_step_y,
            v * tap_step_x};
  }
  __device__ Spot place(long long p) const {
    if (p >= places) return nowhere();
    const int plane = places_h * places_w, at = (int)(p % plane), i = at / places_w, j = at % places_w;
    return {first_cell + p / plane * sample_cells, 0, origin_y + i * step_y, origin_x + j * step_x};
  }
  __device__ long long row_start(int row) const { return first_weight + row * weight_row; }
  __device__ long long result_at(long long p) const {
    const int plane = places_h * places_w, at = (int)(p % plane), i = at / places_w, j = at % places_w;
    return first_result + p / plane * result_sample + (long long)i * result_y + j * result_x;
  }
};

__device__ Window convolution(int group, int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh,
                              int sw, int ph, int pw, int dh, int dw, int groups) {
  const int Cg = C / groups, Kg = K / groups;
  const long long image = (long long)H * W, result = (long long)oh * ow;
  Window s;
  s.rows = Kg, s.terms = Cg * kh * kw, s.height = H, s.width = W;
  s.taps_h = kh, s.taps_w = kw, s.tap_step_y = dh, s.tap_step_x = dw;
  s.channel_cells = image, s.sample_cells = C * image, s.first_cell = group * Cg * image;
  s.weight_row = s.terms, s.weight_channel = kh * kw, s.first_weight = (long long)group * Kg * s.terms;
  s.weight_y = kw, s.weight_x = 1;
  s.places_h = oh, s.places_w = ow, s.step_y = sh, s.step_x = sw, s.origin_y = -ph, s.origin_x = -pw;
  s.places = N * result;
  s.result_sample = K * result, s.result_row = result, s.first_result = group * Kg * result;
  s.result_y = ow, s.result_x = 1, s.first_channel = group * Kg, s.result_width = ow;
  return s;
}

// The first offset u of a kernel line that cells a with a mod stride == phase meet: stride divides phase + padding -
// u * dilation. The next ones are `step` = stride / gcd(stride, dilation) apart. `step` if there is none.
__device__ __forceinline__ int first_tap(int phase, int padding, int stride, int dilation, int step) {
  int u = 0;
  while (u < step && (phase + padding - u * dilation) % stride != 0) u++;
  return u;
}

__device__ __forceinline__ int ceil_div(int a, int b) { return a > 0 ? (a + b - 1) / b : 0; }

// z counts the phases of all groups. Cell a of gx meets offset u in line i of g where i * sh = a + ph - u * dh; in a
// phase, one cell further (a + sh) is one line further, and one tap further (u + step) is step * dh / sh lines back.
__device__ Window transposed(int z, int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh, int sw,
                             int ph, int pw, int dh, int dw, int step_h, int step_w, int groups) {
  const int group = z / (sh * sw), a = z / sw % sh, b = z % sw, Cg = C / groups, Kg = K / groups;
  const long long image = (long long)oh * ow, result = (long long)H * W;
  const int u = first_tap(a, ph, sh, dh, step_h), v = first_tap(b, pw, sw, dw, step_w);
  Window s;
  s.taps_h = u < step_h ? ceil_div(kh - u, step_h) : 0, s.taps_w = v < step_w ? ceil_div(kw - v, step_w) : 0;
  s.rows = Cg, s.terms = Kg * s.taps_h * s.taps_w, s.height = oh, s.width = ow;
  s.tap_step_y = -(step_h * dh / sh), s.tap_step_x = -(step_w * dw / sw);
  s.channel_cells = image, s.sample_cells = K * image, s.first_cell = group * Kg * image;
  s.weight_row = kh * kw, s.weight_channel = (long long)Cg * kh * kw;
  s.first_weight = group * Kg * s.weight_channel + u * kw + v;
  s.weight_y = step_h * kw, s.weight_x = step_w;
  s.places_h = ceil_div(H - a, sh), s.places_w = ceil_div(W - b, sw), s.step_y = s.step_x = 1;
  s.origin_y = (a + ph - u * dh) / sh, s.origin_x = (b + pw - v * dw) / sw;
  s.places = (long long)N * s.places_h * s.places_w;
  s.result_sample = C * result, s.result_row = result, s.first_result = group * Cg * result + (long long)a * W + b;
  s.result_y = sh * W, s.result_x = sw, s.first_channel = group * Cg, s.result_width = W;
  return s;
}

// The adjoint in w, in one group. The roles of taps and places are exchanged.
struct WeightGrad {
  int rows, C, H, W, K, kh, kw, ow, sh, sw, ph, pw, dh, dw;
  int height, width;  // H and W, under the names of Window
  int plane;          // oh * ow
  int first_channel, first_row;
  long long places, terms;

  __device__ Spot term(long long t) const {
    if (t >= terms) return nowhere();
    const long long n = t / plane;
    const int at = (int)(t % plane), i = at / ow, j = at % ow;
    return {(n * C + first_channel) * H * W, n * K * plane + at, i * sh - ph, j * sw - pw};
  }
  __device__ Spot place(long long p) const {
    if (p >= places) return nowhere();
    const int c = (int)p / (kh * kw), tap = (int)p % (kh * kw);
    return {(long long)c * H * W, 0, tap / kw * dh, tap % kw * dw};
  }
  __device__ long long row_start(int row) const { return (long long)(first_row + row) * plane; }
};

__device__ WeightGrad weight_grad(int group, int N, int C, int H, int W, int K, int kh, int kw, int oh, int ow, int sh,
                                  int sw, int ph, int pw, int dh, int dw, int groups) {
  const int Cg = C / groups, Kg = K / groups, plane = oh * ow;
  return {Kg, C, H, W, K, kh, kw, ow, sh, sw, ph, pw, dh, dw, H, W, plane, group * Cg, group * Kg,
          (long long)Cg * kh * kw, (long long)N * plane};
}
