// The whole C surface: one table of kernels for each instruction set, all with the same meaning.
//
// Common conventions. Matrices are row-major fp32 with a leading dimension in elements (`ld…`). A kernel works on a
// half-open range of rows, panels or heads so that the caller can split the work over threads; the bits of an output
// element depend on its own row and the weights alone, never on the range, the number of rows or the thread.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "apus_attention.h"
#include "apus_head.h"
#include "apus_layer.h"
#include "apus_linear.h"
#include "apus_optimizer.h"
#include "apus_peak.h"
#include "apus_processor.h"
#include "apus_sampling.h"
#include "apus_threads.h"

/// Every kernel of one instruction set.
typedef struct {
  const char *name;  // as apus_processor.h names them
  apus_linear_kernels linear;
  apus_layer_kernels layer;
  apus_attention_kernels attention;
  apus_head_kernels head;
  apus_optimizer_kernels optimizer;
  apus_peak_kernels peak;
} apus_kernels;

/// The kernels of the named instruction set, or NULL when this build or this processor lacks it.
const apus_kernels *apus_kernels_named(const char *name);

#endif
