// The binary interface of NVIDIA's libraries, as far as Apus uses it: the driver (libcuda), cuBLASLt and NVRTC. They
// are opened when a program runs, so that it builds and starts without them, and the declarations are Apus' own, so
// that no header of NVIDIA's is needed; Scripts/check_cuda_abi.py compares them with those headers.
//
// Functions have the names that the libraries export, "_v2" included. Each library's are the fields of a struct.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Driver

// Where cuda.h was included before, its types and constants stand, to be compared.
#ifndef CUDA_VERSION
/// CUDA_SUCCESS (0) or what went wrong.
typedef int CUresult;
typedef int CUdevice;
/// An address in the memory of a device; 0 is none.
typedef unsigned long long CUdeviceptr;
typedef unsigned CUdevice_attribute;
typedef unsigned CUfunction_attribute;
typedef unsigned CUstreamCaptureMode;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUgraphExecUpdateResultInfo_st CUgraphExecUpdateResultInfo;
/// Memory of a device that has no address of its own.
typedef unsigned long long CUmemGenericAllocationHandle;
typedef unsigned CUmemAllocationGranularity_flags;
/// Whose memory it is.
typedef struct CUmemLocation {
    unsigned type;
    int id;
} CUmemLocation;
typedef struct CUmemAllocationProp {
    unsigned type;
    unsigned requestedHandleTypes;
    CUmemLocation location;
    void *win32HandleMetaData;
    struct {
        unsigned char compressionType;
        unsigned char gpuDirectRDMACapable;
        unsigned short usage;
        unsigned char reserved[4];
    } allocFlags;
} CUmemAllocationProp;
/// Who may touch it.
typedef struct CUmemAccessDesc {
    CUmemLocation location;
    unsigned flags;
} CUmemAccessDesc;
#endif

/// X(name, value) for every constant of the driver that is used.
#define CUDA_DRIVER_CONSTANTS(X) \
    X(CUDA_SUCCESS, 0) \
    X(CUDA_ERROR_INVALID_VALUE, 1) \
    X(CUDA_ERROR_OUT_OF_MEMORY, 2) \
    X(CUDA_ERROR_NOT_INITIALIZED, 3) \
    X(CUDA_ERROR_DEINITIALIZED, 4) \
    X(CUDA_ERROR_NO_DEVICE, 100) \
    X(CUDA_ERROR_INVALID_DEVICE, 101) \
    X(CUDA_ERROR_INVALID_IMAGE, 200) \
    X(CUDA_ERROR_INVALID_CONTEXT, 201) \
    X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209) \
    X(CUDA_ERROR_INVALID_PTX, 218) \
    X(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221) \
    X(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222) \
    X(CUDA_ERROR_JIT_COMPILATION_DISABLED, 223) \
    X(CUDA_ERROR_INVALID_HANDLE, 400) \
    X(CUDA_ERROR_NOT_FOUND, 500) \
    X(CUDA_ERROR_NOT_READY, 600) \
    X(CUDA_ERROR_ILLEGAL_ADDRESS, 700) \
    X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701) \
    X(CUDA_ERROR_LAUNCH_TIMEOUT, 702) \
    X(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, 712) \
    X(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, 713) \
    X(CUDA_ERROR_LAUNCH_FAILED, 719) \
    X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900) \
    X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901) \
    X(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, 910) \
    X(CUDA_ERROR_UNKNOWN, 999) \
    X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16) \
    X(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38) \
    X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75) \
    X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76) \
    X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 81) \
    X(CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 91) \
    X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97) \
    X(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 102) \
    X(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 0) \
    X(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1) \
    X(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, 3) \
    X(CU_FUNC_ATTRIBUTE_NUM_REGS, 4) \
    X(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8) \
    X(CU_STREAM_NON_BLOCKING, 1) \
    X(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1) \
    X(CU_EVENT_DEFAULT, 0) \
    X(CU_EVENT_DISABLE_TIMING, 2) \
    X(CU_MEM_ALLOCATION_TYPE_PINNED, 1) \
    X(CU_MEM_LOCATION_TYPE_DEVICE, 1) \
    X(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 3) \
    X(CU_MEM_ALLOC_GRANULARITY_MINIMUM, 0) \
    X(CU_MEMHOSTREGISTER_PORTABLE, 1) \
    X(CU_MEMHOSTREGISTER_DEVICEMAP, 2)

#ifndef CUDA_VERSION
#define CCUDA_CONSTANT(name, value) name = value,
enum { CUDA_DRIVER_CONSTANTS(CCUDA_CONSTANT) };
#undef CCUDA_CONSTANT
#endif

/// X(result, name, (parameters)) for every function of the driver that is about memory.
#define CUDA_MEMORY_FUNCTIONS(X) \
    X(CUresult, cuMemGetInfo_v2, (size_t *free, size_t *total)) \
    X(CUresult, cuMemGetAllocationGranularity, \
      (size_t *granularity, const CUmemAllocationProp *properties, CUmemAllocationGranularity_flags option)) \
    X(CUresult, cuMemAddressReserve, \
      (CUdeviceptr *pointer, size_t bytes, size_t alignment, CUdeviceptr wanted, unsigned long long flags)) \
    X(CUresult, cuMemAddressFree, (CUdeviceptr pointer, size_t bytes)) \
    X(CUresult, cuMemCreate, \
      (CUmemGenericAllocationHandle *handle, size_t bytes, const CUmemAllocationProp *properties, \
       unsigned long long flags)) \
    X(CUresult, cuMemRelease, (CUmemGenericAllocationHandle handle)) \
    X(CUresult, cuMemMap, \
      (CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle, \
       unsigned long long flags)) \
    X(CUresult, cuMemUnmap, (CUdeviceptr pointer, size_t bytes)) \
    X(CUresult, cuMemSetAccess, \
      (CUdeviceptr pointer, size_t bytes, const CUmemAccessDesc *descriptions, size_t count)) \
    X(CUresult, cuMemHostAlloc, (void **pointer, size_t bytes, unsigned flags)) \
    X(CUresult, cuMemFreeHost, (void *pointer)) \
    X(CUresult, cuMemHostRegister_v2, (void *pointer, size_t bytes, unsigned flags)) \
    X(CUresult, cuMemHostUnregister, (void *pointer)) \
    X(CUresult, cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream)) \
    X(CUresult, cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream)) \
    X(CUresult, cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)) \
    X(CUresult, cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream)) \
    X(CUresult, cuMemsetD32Async, (CUdeviceptr to, unsigned value, size_t count, CUstream stream))

/// X(result, name, (parameters)) for every function of the driver that is used.
#define CUDA_DRIVER_FUNCTIONS(X) \
    X(CUresult, cuInit, (unsigned flags)) \
    X(CUresult, cuDriverGetVersion, (int *version)) \
    X(CUresult, cuGetErrorName, (CUresult error, const char **name)) \
    X(CUresult, cuGetErrorString, (CUresult error, const char **text)) \
    X(CUresult, cuDeviceGetCount, (int *count)) \
    X(CUresult, cuDeviceGet, (CUdevice *device, int ordinal)) \
    X(CUresult, cuDeviceGetName, (char *name, int capacity, CUdevice device)) \
    X(CUresult, cuDeviceGetAttribute, (int *value, CUdevice_attribute attribute, CUdevice device)) \
    X(CUresult, cuDeviceTotalMem_v2, (size_t *bytes, CUdevice device)) \
    X(CUresult, cuDevicePrimaryCtxRetain, (CUcontext *context, CUdevice device)) \
    X(CUresult, cuDevicePrimaryCtxRelease_v2, (CUdevice device)) \
    X(CUresult, cuCtxSetCurrent, (CUcontext context)) \
    X(CUresult, cuCtxSynchronize, (void)) \
    X(CUresult, cuModuleLoadData, (CUmodule *module, const void *image)) \
    X(CUresult, cuModuleUnload, (CUmodule module)) \
    X(CUresult, cuModuleGetFunction, (CUfunction *function, CUmodule module, const char *name)) \
    X(CUresult, cuFuncSetAttribute, (CUfunction function, CUfunction_attribute attribute, int value)) \
    X(CUresult, cuFuncGetAttribute, (int *value, CUfunction_attribute attribute, CUfunction function)) \
    CUDA_MEMORY_FUNCTIONS(X) \
    X(CUresult, cuStreamCreate, (CUstream *stream, unsigned flags)) \
    X(CUresult, cuStreamDestroy_v2, (CUstream stream)) \
    X(CUresult, cuStreamSynchronize, (CUstream stream)) \
    X(CUresult, cuStreamQuery, (CUstream stream)) \
    X(CUresult, cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags)) \
    X(CUresult, cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode)) \
    X(CUresult, cuStreamEndCapture, (CUstream stream, CUgraph *graph)) \
    X(CUresult, cuGraphInstantiateWithFlags, (CUgraphExec *executable, CUgraph graph, unsigned long long flags)) \
    X(CUresult, cuGraphExecUpdate_v2, (CUgraphExec executable, CUgraph graph, CUgraphExecUpdateResultInfo *info)) \
    X(CUresult, cuGraphLaunch, (CUgraphExec executable, CUstream stream)) \
    X(CUresult, cuGraphExecDestroy, (CUgraphExec executable)) \
    X(CUresult, cuGraphDestroy, (CUgraph graph)) \
    X(CUresult, cuEventCreate, (CUevent *event, unsigned flags)) \
    X(CUresult, cuEventDestroy_v2, (CUevent event)) \
    X(CUresult, cuEventRecord, (CUevent event, CUstream stream)) \
    X(CUresult, cuEventQuery, (CUevent event)) \
    X(CUresult, cuEventSynchronize, (CUevent event)) \
    X(CUresult, cuEventElapsedTime, (float *milliseconds, CUevent start, CUevent end)) \
    X(CUresult, cuLaunchKernel, \
      (CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, \
       unsigned blockZ, unsigned sharedBytes, CUstream stream, void **parameters, void **extra))

// MARK: cuBLASLt

#ifndef CUBLAS_VERSION
typedef unsigned cublasStatus_t;
typedef unsigned cublasComputeType_t;
typedef unsigned cudaDataType_t;
typedef unsigned cublasLtMatmulDescAttributes_t;
typedef unsigned cublasLtMatrixLayoutAttribute_t;
typedef unsigned cublasLtMatmulPreferenceAttributes_t;
typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublasLtMatmulDescOpaque *cublasLtMatmulDesc_t;
typedef struct cublasLtMatrixLayoutOpaque *cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulPreferenceOpaque *cublasLtMatmulPreference_t;
typedef struct {
    uint64_t data[8];
} cublasLtMatmulAlgo_t;
typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;
/// The stream type of the CUDA runtime, which is the driver's.
typedef struct CUstream_st *cudaStream_t;
#endif

/// X(name, value) for every constant of cuBLASLt that is used.
#define CUBLAS_LT_CONSTANTS(X) \
    X(CUBLAS_STATUS_SUCCESS, 0) \
    X(CUBLAS_STATUS_NOT_INITIALIZED, 1) \
    X(CUBLAS_STATUS_ALLOC_FAILED, 3) \
    X(CUBLAS_STATUS_INVALID_VALUE, 7) \
    X(CUBLAS_STATUS_EXECUTION_FAILED, 13) \
    X(CUBLAS_STATUS_NOT_SUPPORTED, 15) \
    X(CUDA_R_32F, 0) \
    X(CUDA_R_16BF, 14) \
    X(CUBLAS_COMPUTE_32F, 68) \
    X(CUBLAS_OP_N, 0) \
    X(CUBLAS_OP_T, 1) \
    X(CUBLASLT_MATMUL_DESC_TRANSA, 3) \
    X(CUBLASLT_MATMUL_DESC_TRANSB, 4) \
    X(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5) \
    X(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6) \
    X(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1) \
    X(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3) \
    X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5) \
    X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6) \
    X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7) \
    X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8) \
    X(CUBLASLT_REDUCTION_SCHEME_INPLACE, 1) \
    X(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2) \
    X(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4)

#ifndef CUBLAS_VERSION
#define CCUDA_CONSTANT(name, value) name = value,
enum { CUBLAS_LT_CONSTANTS(CCUDA_CONSTANT) };
#undef CCUDA_CONSTANT
#endif

/// X(result, name, (parameters)) for every function of cuBLASLt that is used. Matrices are stored column after column.
#define CUBLAS_LT_FUNCTIONS(X) \
    X(size_t, cublasLtGetVersion, (void)) \
    X(const char *, cublasLtGetStatusString, (cublasStatus_t status)) \
    X(cublasStatus_t, cublasLtCreate, (cublasLtHandle_t *handle)) \
    X(cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t handle)) \
    X(cublasStatus_t, cublasLtMatmulDescCreate, \
      (cublasLtMatmulDesc_t *description, cublasComputeType_t computeType, cudaDataType_t scaleType)) \
    X(cublasStatus_t, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t description)) \
    X(cublasStatus_t, cublasLtMatmulDescSetAttribute, \
      (cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)) \
    X(cublasStatus_t, cublasLtMatrixLayoutCreate, \
      (cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows, uint64_t columns, int64_t stride)) \
    X(cublasStatus_t, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout)) \
    X(cublasStatus_t, cublasLtMatrixLayoutSetAttribute, \
      (cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, const void *value, size_t bytes)) \
    X(cublasStatus_t, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t *preference)) \
    X(cublasStatus_t, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference)) \
    X(cublasStatus_t, cublasLtMatmulPreferenceSetAttribute, \
      (cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, const void *value, \
       size_t bytes)) \
    X(cublasStatus_t, cublasLtMatmulAlgoGetHeuristic, \
      (cublasLtHandle_t handle, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, \
       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted, \
       cublasLtMatmulHeuristicResult_t *results, int *found)) \
    X(cublasStatus_t, cublasLtMatmul, \
      (cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha, const void *a, \
       cublasLtMatrixLayout_t aLayout, const void *b, cublasLtMatrixLayout_t bLayout, const void *beta, const void *c, \
       cublasLtMatrixLayout_t cLayout, void *d, cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t *algorithm, \
       void *workspace, size_t workspaceBytes, cudaStream_t stream))

// MARK: NVRTC

#ifndef __NVRTC_H__
/// NVRTC_SUCCESS (0) or what went wrong; 6 is an error in the source, which the program's log explains.
typedef unsigned nvrtcResult;
typedef struct _nvrtcProgram *nvrtcProgram;
#endif

/// X(result, name, (parameters)) for every function of NVRTC, the compiler of kernels, that is used.
#define NVRTC_FUNCTIONS(X) \
    X(nvrtcResult, nvrtcVersion, (int *major, int *minor)) \
    X(nvrtcResult, nvrtcGetNumSupportedArchs, (int *count)) \
    X(nvrtcResult, nvrtcGetSupportedArchs, (int *architectures)) \
    X(const char *, nvrtcGetErrorString, (nvrtcResult error)) \
    X(nvrtcResult, nvrtcCreateProgram, \
      (nvrtcProgram *program, const char *source, const char *name, int headerCount, const char *const *headers, \
       const char *const *headerNames)) \
    X(nvrtcResult, nvrtcDestroyProgram, (nvrtcProgram *program)) \
    X(nvrtcResult, nvrtcCompileProgram, (nvrtcProgram program, int optionCount, const char *const *options)) \
    X(nvrtcResult, nvrtcGetPTXSize, (nvrtcProgram program, size_t *bytes)) \
    X(nvrtcResult, nvrtcGetPTX, (nvrtcProgram program, char *ptx)) \
    X(nvrtcResult, nvrtcGetCUBINSize, (nvrtcProgram program, size_t *bytes)) \
    X(nvrtcResult, nvrtcGetCUBIN, (nvrtcProgram program, char *cubin)) \
    X(nvrtcResult, nvrtcGetProgramLogSize, (nvrtcProgram program, size_t *bytes)) \
    X(nvrtcResult, nvrtcGetProgramLog, (nvrtcProgram program, char *log))

// MARK: Libraries

#define CCUDA_FIELD(result, name, parameters) result(*name) parameters;

/// The functions of libcuda.
struct cuda_driver {
    CUDA_DRIVER_FUNCTIONS(CCUDA_FIELD)
};

/// The functions of libcublasLt.
struct cublas_lt {
    CUBLAS_LT_FUNCTIONS(CCUDA_FIELD)
};

/// The functions of libnvrtc.
struct nvrtc {
    NVRTC_FUNCTIONS(CCUDA_FIELD)
};

#undef CCUDA_FIELD

/// Finds the functions of a library that dlopen opened. Returns NULL, or the name of the first that it does not have.
const char *cuda_driver_load(struct cuda_driver *driver, void *library);
/// The same for cuBLASLt.
const char *cublas_lt_load(struct cublas_lt *blas, void *library);
/// The same for NVRTC.
const char *nvrtc_load(struct nvrtc *compiler, void *library);

#ifdef __cplusplus
}
#endif
