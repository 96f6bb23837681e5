// Apus' kernels, compiled for the emulator.

// Some loops are unrolled for the card alone.
#pragma clang diagnostic ignored "-Wpass-failed"
#include "../../Sources/CCUDA/kernels/apus.cu"
