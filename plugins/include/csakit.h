/* csakit.h - the C interface of libcsakit: coherent semantic attention on CUDA devices.
 *
 * Letters: B images, C channels, H W sides of the feature map, N = H * W positions.
 * csakit.plugins.reference defines the operator and is its test oracle.
 *
 * Conventions for every function below:
 *   - it returns a csakit_status, never throws, never prints, never exits; after a failure
 *     csakit_last_error() names the argument and both values;
 *   - pointers marked d_ are device memory; the caller owns and frees all memory;
 *   - work is enqueued on `stream` (a cudaStream_t; NULL is the default stream) of the current
 *     device, and the call returns before the GPU finishes: no allocation, no synchronisation, so
 *     that it can be captured in a CUDA graph and replayed with other values and another hole;
 *   - tensors are dense; device pointers are aligned to 16 bytes;
 *   - arithmetic is float32 for every type of the tensors.
 */
#ifndef CSAKIT_H_
#define CSAKIT_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define CSAKIT_API
#else
#define CSAKIT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define CSAKIT_ABI_VERSION 2 /* increased when a struct, a signature or a meaning changes */

#define CSAKIT_MAX_CHANNELS 1024
#define CSAKIT_MAX_POSITIONS 16384 /* the feature map of a 1024 x 1024 image */
#define CSAKIT_MAX_BATCH 65535     /* the second and third side of a CUDA grid */

typedef enum csakit_status {
  CSAKIT_OK = 0,
  CSAKIT_INVALID_ARGUMENT = 1,     /* null or misaligned pointer, unknown enumerator, size < 1 */
  CSAKIT_UNSUPPORTED_SIZE = 2,     /* a size above one of the limits above */
  CSAKIT_WORKSPACE_TOO_SMALL = 3,  /* ask csakit_attention_workspace_size */
  CSAKIT_NO_KERNEL_FOR_DEVICE = 4, /* the library holds no code for the current device */
  CSAKIT_CUDA_ERROR = 5            /* the launch failed; the text is CUDA's */
} csakit_status;

typedef enum csakit_dtype {
  CSAKIT_FLOAT32 = 0,
  CSAKIT_FLOAT16 = 1,
  CSAKIT_BFLOAT16 = 2
} csakit_dtype;

typedef enum csakit_similarity {
  CSAKIT_PROJECTION = 0, /* as the published code */
  CSAKIT_COSINE = 1      /* as the paper prints it */
} csakit_similarity;

/* How the holes of an image are computed, one from another. Both give the same bits. */
typedef enum csakit_chain {
  CSAKIT_AUTO = 0,      /* all chunks of 32 holes at once, in order if that is not proven */
  CSAKIT_SEQUENTIAL = 1 /* chunk after chunk, launch after launch: slower; for comparison */
} csakit_chain;

typedef enum csakit_layout {
  CSAKIT_NCHW = 0, /* (B, C, H, W) */
  CSAKIT_NHWC = 1  /* (B, H, W, C) */
} csakit_layout;

typedef enum csakit_direction {
  CSAKIT_FORWARD = 0,
  CSAKIT_BACKWARD = 1
} csakit_direction;

/* The description of one call. Enumerators are int32_t, so that the struct is the same for every
 * compiler; 40 bytes, no padding. */
typedef struct csakit_attention_desc {
  int32_t struct_bytes; /* sizeof(csakit_attention_desc), set by the caller */
  int32_t batch;        /* B */
  int32_t channels;     /* C, 1..CSAKIT_MAX_CHANNELS */
  int32_t height;       /* H */
  int32_t width;        /* W; H * W in 1..CSAKIT_MAX_POSITIONS */
  int32_t dtype;        /* csakit_dtype of the features, the output and the gradients */
  int32_t hole_dtype;   /* csakit_dtype of the hole */
  int32_t similarity;   /* csakit_similarity */
  int32_t layout;       /* csakit_layout of the features, the output and the gradients */
  int32_t chain;        /* csakit_chain; 0 except for comparisons */
} csakit_attention_desc;

/* CSAKIT_ABI_VERSION of the library, to compare with the header's. */
CSAKIT_API int32_t csakit_abi_version(void);

/* One JSON object: csakit version, source hash, compiler, the architectures it holds code for. */
CSAKIT_API const char* csakit_build_info(void);

/* The name of a status; never NULL. */
CSAKIT_API const char* csakit_status_string(int32_t status);

/* Why the last call on this thread failed; "" if it did not. Valid until the next call. */
CSAKIT_API const char* csakit_last_error(void);

/* The workspace size of a direction in bytes; depends on the desc only, grows with B, C, N.
 * A size that is enough for a large desc is enough for each that is smaller in B, C and N. */
CSAKIT_API int32_t csakit_attention_workspace_size(const csakit_attention_desc* desc,
                                                   int32_t direction, size_t* bytes);

/* Fill the hole positions of each feature map.
 *   d_features   (B, C, H, W) or (B, H, W, C)  dtype
 *   d_hole       (B, 1, H, W)                  hole_dtype; above 0.5 where missing
 *   d_output     as d_features                 may not overlap d_features
 *   d_matches    (B, N) int32 or NULL          the known position each position is copied from; a
 *                                              known position names itself. For parity checks.
 *   d_workspace  workspace_bytes               its contents need not be kept
 */
CSAKIT_API int32_t csakit_attention_forward(const csakit_attention_desc* desc,
                                            const void* d_features, const void* d_hole,
                                            void* d_output, int32_t* d_matches, void* d_workspace,
                                            size_t workspace_bytes, void* stream);

/* Compute dX = dY + A^T dY, with the attention A, recomputed from the features, held constant.
 *   d_features          as in the forward call
 *   d_hole              as in the forward call
 *   d_output_gradient   dY, as d_features
 *   d_input_gradient    dX, as d_features; may not overlap any input
 */
CSAKIT_API int32_t csakit_attention_backward(const csakit_attention_desc* desc,
                                             const void* d_features, const void* d_hole,
                                             const void* d_output_gradient, void* d_input_gradient,
                                             void* d_workspace, size_t workspace_bytes,
                                             void* stream);

#ifdef __cplusplus
}
#endif

#endif /* CSAKIT_H_ */
