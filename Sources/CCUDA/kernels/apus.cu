// All kernels, one translation unit: NVRTC compiles it for the card, a compiler of C++ for the emulator of the tests.
#include "attention.cuh"
#include "gradients.cuh"
#include "head.cuh"
#include "kept.cuh"
#include "linear.cuh"
#include "packing.cuh"
#include "rows.cuh"
#include "sampling.cuh"
