// Kernels that are no part of the program: the environment's APUS_EMULATED_KERNELS names a library that has all of them.
// Scripts/check_ptx.py makes one from the PTX that NVRTC makes of the kernels' sources.
#pragma once
#include "emulation.h"

namespace emulation {

/// What such a library has under the name `apus_kernel_library`: it is told the process's machine, with its size, and
/// gives its kernels; nothing where it was made for another machine.
using KernelLibrary = const std::map<std::string, Kernel> *(Machine *, size_t);

/// Why there are no kernels, or nullptr. Opens the library that the environment names, if any.
const char *kernelLibraryFault();

/// The library's kernel where there is a library, or else the program's; nullptr where it has none of the name.
const Kernel *findKernel(const std::string &name);

}  // namespace emulation
