// What the functions of libcuda have in common.
#pragma once
#include "cuda_emulation.h"
#include "device.h"

#define ENTER(needs)                       \
    Call call(__func__, needs);            \
    if (call.error) return call.error;     \
    [[maybe_unused]] Device &device = call.device
/// Declares what a handle stands for.
#define FIND(type, name, table, handle)                                                    \
    type *name = device.table.find(handle);                                                \
    if (!name) return call.refuse(CUDA_ERROR_INVALID_HANDLE, "not a handle of this kind, or no longer")

namespace emulation {

#define DECLARE(result, name, parameters) EXPORT result name parameters;
CUDA_MEMORY_FUNCTIONS(DECLARE)
#undef DECLARE

}  // namespace emulation
