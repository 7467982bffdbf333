/* Operations of a network; a C file that tsdistill writes has those that its network needs.
 *
 * KIND is f for weights of float32 and q for whole numbers, whose type is WEIGHT; scale, if it is not
 * null, has the factor of each output. Values are maps, one channel after another. */

/* section: affine */
static void affine(const float *x, float *y, int n_channels, int length, const float *shift,
                   const float *scale, const float *offset, int relu)
{
    int c, t;
    for (c = 0; c < n_channels; c++) {
        for (t = 0; t < length; t++) {
            const float value = (x[c * length + t] - shift[c]) * scale[c] + offset[c];
            y[c * length + t] = relu && value < 0.0f ? 0.0f : value;
        }
    }
}

/* section: fill */
static void fill(const float *x, float *y, int n_channels, int length, const float *heed)
{
    int c, t, i;
    for (c = 0; c < n_channels; c++) {
        const float *from = x + c * length;
        float *to = y + c * length, *gaps = y + (n_channels + c) * length;
        int known = -1; /* the last timestep that has a value */
        for (t = 0; t < length; t++) {
            const int missing = from[t] != from[t];
            gaps[t] = missing ? heed[c] : 0.0f;
            if (missing) {
                continue;
            }
            to[t] = from[t];
            for (i = known + 1; i < t; i++) {
                const float share = (float)(i - known) / (float)(t - known);
                to[i] = known < 0 ? from[t] : from[known] + share * (from[t] - from[known]);
            }
            known = t;
        }
        for (i = known + 1; i < length; i++) {
            to[i] = known < 0 ? 0.0f : from[known];
        }
    }
}

/* section: conv */
static void conv_KIND(const float *x, float *y, int n_in, int length, int n_out, int n_places,
                      int width, int stride, int dilation, int padding, int groups,
                      const WEIGHT *weight, const float *scale, const float *bias, int relu)
{
    int o, i, k, t;
    const int per_group = n_in / groups;
    for (o = 0; o < n_out; o++) {
        float *row = y + o * n_places;
        const int first_in = o / (n_out / groups) * per_group;
        for (t = 0; t < n_places; t++) {
            row[t] = 0.0f;
        }
        for (i = 0; i < per_group; i++) {
            const float *from = x + (first_in + i) * length;
            for (k = 0; k < width; k++) {
                const float w = weight[(o * per_group + i) * width + k];
                const int shift = k * dilation - padding;
                int first = shift < 0 ? (-shift + stride - 1) / stride : 0;
                int last = (length - 1 - shift) / stride;
                if (length - 1 - shift < 0) {
                    last = -1;
                }
                if (last > n_places - 1) {
                    last = n_places - 1;
                }
                for (t = first; t <= last; t++) {
                    row[t] += w * from[t * stride + shift];
                }
            }
        }
        for (t = 0; t < n_places; t++) {
            const float value = row[t] * (scale ? scale[o] : 1.0f) + bias[o];
            row[t] = relu && value < 0.0f ? 0.0f : value;
        }
    }
}

/* section: relu */
static void relu(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) {
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
    }
}

/* section: add */
static void add(const float *x, const float *z, float *y, int n, int relu)
{
    int i;
    for (i = 0; i < n; i++) {
        const float value = x[i] + z[i];
        y[i] = relu && value < 0.0f ? 0.0f : value;
    }
}

/* section: max_pool */
static void max_pool(const float *x, float *y, int n_channels, int length, int n_places, int width,
                     int stride, int padding)
{
    int c, t, k;
    for (c = 0; c < n_channels; c++) {
        for (t = 0; t < n_places; t++) {
            float highest = -INFINITY;
            for (k = 0; k < width; k++) {
                const int place = t * stride + k - padding;
                if (place >= 0 && place < length && x[c * length + place] > highest) {
                    highest = x[c * length + place];
                }
            }
            y[c * n_places + t] = highest;
        }
    }
}

/* section: mean */
static void mean(const float *x, float *y, int n_channels, int length)
{
    int c, t;
    for (c = 0; c < n_channels; c++) {
        float sum = 0.0f;
        for (t = 0; t < length; t++) {
            sum += x[c * length + t];
        }
        y[c] = sum / (float)length;
    }
}

/* section: last */
static void last(const float *x, float *y, int n_channels, int length)
{
    int c;
    for (c = 0; c < n_channels; c++) {
        y[c] = x[c * length + length - 1];
    }
}

/* section: join */
static void join(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) {
        y[i] = x[i];
    }
}

/* section: linear */
static void linear_KIND(const float *x, float *y, int n_in, int n_out, const WEIGHT *weight,
                        const float *scale, const float *bias)
{
    int o, i;
    for (o = 0; o < n_out; o++) {
        float sum = 0.0f;
        for (i = 0; i < n_in; i++) {
            sum += weight[o * n_in + i] * x[i];
        }
        y[o] = sum * (scale ? scale[o] : 1.0f) + bias[o];
    }
}

/* section: sigmoid */
static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* section: gru */
static float gate_KIND(const float *x, int n, int step, const WEIGHT *weight, const float *scale,
                       const float *bias, int row)
{
    int i;
    float sum = 0.0f;
    for (i = 0; i < n; i++) {
        sum += weight[row * n + i] * x[i * step];
    }
    return sum * (scale ? scale[row] : 1.0f) + bias[row];
}

static void gru_KIND(const float *x, float *y, int n_in, int n_states, int length, int backwards,
                     const WEIGHT *w_in, const float *s_in, const WEIGHT *w_own,
                     const float *s_own, const float *b_in, const float *b_own)
{
    static TSDISTILL_STORAGE float state[MOST_STATES], next[MOST_STATES];
    int t, h;
    for (h = 0; h < n_states; h++) {
        state[h] = 0.0f;
    }
    for (t = 0; t < length; t++) {
        const int place = backwards ? length - 1 - t : t;
        const float *now = x + place;
        for (h = 0; h < n_states; h++) {
            const int u = n_states + h, f = 2 * n_states + h;
            const float reset = sigmoid(gate_KIND(now, n_in, length, w_in, s_in, b_in, h)
                                        + gate_KIND(state, n_states, 1, w_own, s_own, b_own, h));
            const float update = sigmoid(gate_KIND(now, n_in, length, w_in, s_in, b_in, u)
                                         + gate_KIND(state, n_states, 1, w_own, s_own, b_own, u));
            const float memory_of = gate_KIND(state, n_states, 1, w_own, s_own, b_own, f);
            const float fresh = tanhf(gate_KIND(now, n_in, length, w_in, s_in, b_in, f)
                                      + reset * memory_of);
            next[h] = (1.0f - update) * fresh + update * state[h];
        }
        for (h = 0; h < n_states; h++) {
            state[h] = next[h];
            y[h * length + place] = next[h];
        }
    }
}
