// The kernels as they are embedded in the program: images for the architectures that Scripts/build_kernels.py compiled.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// The image that runs on an architecture, such as 89: its own, or that of the latest one before it with the same first digit.
/// NULL where there is none.
const void *ccuda_image(int architecture);

#ifdef __cplusplus
}
#endif
