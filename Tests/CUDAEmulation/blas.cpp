// The functions of cuBLASLt, for tests: products of bf16 or fp32 matrices in fp32; see cuda_emulation.h.
#include "cuda_emulation.h"
#include "device.h"

using namespace emulation;

namespace {

struct Product {
    bool isATransposed = false, isBTransposed = false;
};

struct Layout {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t stride;
    int32_t batchCount = 1;
    int64_t batchStride = 0;

    size_t elementBytes() const { return type == CUDA_R_32F ? 4 : 2; }
    /// From the first element to the end of the last one.
    size_t bytes() const {
        if (!rows || !columns) return 0;
        return ((size_t)((batchCount - 1) * batchStride + (int64_t)(columns - 1) * stride) + rows) * elementBytes();
    }
};

/// A matrix in memory, and whether it is to be read transposed.
struct Operand {
    const char *start;
    Layout layout;
    bool isTransposed;

    uint64_t rows() const { return isTransposed ? layout.columns : layout.rows; }
    uint64_t columns() const { return isTransposed ? layout.rows : layout.columns; }
    size_t place(int batch, uint64_t row, uint64_t column) const {
        if (isTransposed) std::swap(row, column);
        return (size_t)(batch * layout.batchStride + (int64_t)column * layout.stride + (int64_t)row);
    }
    float read(int batch, uint64_t row, uint64_t column) const {
        size_t index = place(batch, row, column);
        if (layout.type == CUDA_R_32F) return ((const float *)start)[index];
        return __uint_as_float((unsigned)((const uint16_t *)start)[index] << 16);
    }
    void write(int batch, uint64_t row, uint64_t column, float value) const {
        size_t index = place(batch, row, column);
        if (layout.type == CUDA_R_32F) {
            ((float *)start)[index] = value;
            return;
        }
        unsigned bits = __float_as_uint(value);
        ((uint16_t *)start)[index] = (uint16_t)(std::isnan(value) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
};

/// How a product is computed. What the library gives a caller to keep is this, and it is held against what is multiplied.
struct Algorithm {
    uint64_t product;
    uint32_t alignments[4];
    /// Parts of the inner dimension that are summed apart, and whether whoever comes first adds first.
    uint32_t parts, isInPlace;
    uint64_t workspaceBytes;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t), "the caller keeps it");

/// What an algorithm has to be like.
struct Preference {
    uint64_t workspaceBytes = 0;
    uint32_t reductionMask = 7;
    uint32_t alignments[4] = {256, 256, 256, 256};
};

/// d = alpha a b + beta c. The inner dimension is cut into parts, each summed in order.
void multiply(const Algorithm &algorithm, float alpha, const Operand &a, const Operand &b, float beta, const Operand &c,
              const Operand &d) {
    // Of an algorithm that adds in place no two runs need have the same order.
    static uint64_t run = 0;
    const uint64_t first = algorithm.isInPlace ? run++ : 0;
    uint64_t rows = d.rows(), inner = a.columns(), parts = algorithm.parts;
    std::vector<float> columns(rows * inner), sums(rows), part(rows);
    for (int batch = 0; batch < d.layout.batchCount; batch++) {
        for (uint64_t k = 0; k < inner; k++) {
            for (uint64_t row = 0; row < rows; row++) columns[k * rows + row] = a.read(batch, row, k);
        }
        for (uint64_t column = 0; column < d.columns(); column++) {
            std::fill(sums.begin(), sums.end(), 0.0f);
            for (uint64_t number = 0; number < parts; number++) {
                uint64_t own = (first + number) % parts;
                std::fill(part.begin(), part.end(), 0.0f);
                for (uint64_t k = own * inner / parts; k < (own + 1) * inner / parts; k++) {
                    float factor = b.read(batch, k, column);
                    for (uint64_t row = 0; row < rows; row++) part[row] += columns[k * rows + row] * factor;
                }
                for (uint64_t row = 0; row < rows; row++) sums[row] += part[row];
            }
            for (uint64_t row = 0; row < rows; row++) {
                float old = beta != 0 ? beta * c.read(batch, row, column) : 0;
                d.write(batch, row, column, alpha * sums[row] + old);
            }
        }
    }
}

Handles<cublasLtMatmulDesc_t, Product> products;
Handles<cublasLtMatrixLayout_t, Layout> layouts;
Handles<cublasLtMatmulPreference_t, Preference> preferences;

/// What the library makes of an error of the driver.
cublasStatus_t status(const Call &call) {
    if (call.isInjected && call.error < 700) return (cublasStatus_t)call.error;
    return call.error == CUDA_ERROR_INVALID_CONTEXT ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t invalid(const Call &call, const char *reason) {
    call.refuse(CUDA_ERROR_INVALID_VALUE, reason);
    return CUBLAS_STATUS_INVALID_VALUE;
}

bool isKnown(cudaDataType_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

template <class Value> bool read(Value &value, const void *from, size_t bytes) {
    if (!from || bytes != sizeof value) return false;
    memcpy(&value, from, sizeof value);
    return true;
}

/// Why matrices cannot be multiplied, or nullptr.
const char *mismatch(const Operand &a, const Operand &b, const Operand &c, const Operand &d) {
    if (a.layout.type != b.layout.type || c.layout.type != d.layout.type) return "types that do not go together";
    if (a.rows() != d.rows() || b.columns() != d.columns() || a.columns() != b.rows()) return "shapes that do not fit";
    if (c.rows() != d.rows() || c.columns() != d.columns()) return "shapes that do not fit";
    for (const Operand *operand : {&a, &b, &c, &d}) {
        if (operand->layout.batchCount != d.layout.batchCount) return "batches of different sizes";
        if (operand->layout.stride < (int64_t)operand->layout.rows) return "a stride that is less than a column";
    }
    return nullptr;
}

/// A number for the product of such matrices.
uint64_t identify(const Operand (&operands)[4]) {
    uint64_t number = 0xcbf29ce484222325;
    auto mix = [&](uint64_t value) { number = (number ^ value) * 0x100000001b3; };
    for (const Operand &operand : operands) {
        const Layout &layout = operand.layout;
        for (uint64_t value : {(uint64_t)layout.type, layout.rows, layout.columns, (uint64_t)layout.stride,
                               (uint64_t)layout.batchCount, (uint64_t)layout.batchStride,
                               (uint64_t)operand.isTransposed}) {
            mix(value);
        }
    }
    return number;
}

/// An algorithm for a product. As the library's, the order of its sums depends on all sizes.
Algorithm choose(const Operand (&operands)[4], const Preference &preference) {
    Algorithm algorithm = {};
    algorithm.product = identify(operands);
    memcpy(algorithm.alignments, preference.alignments, sizeof algorithm.alignments);
    const Operand &d = operands[3];
    algorithm.parts = 1 + (uint32_t)(algorithm.product >> 32) % 4;
    algorithm.isInPlace = preference.reductionMask & CUBLASLT_REDUCTION_SCHEME_INPLACE;
    const uint64_t bytes = algorithm.parts * d.rows() * d.columns() * 4;
    if (bytes > preference.workspaceBytes) algorithm.parts = 1;
    algorithm.workspaceBytes = algorithm.parts > 1 ? bytes : 0;
    return algorithm;
}

/// Why an algorithm does not fit what is multiplied, or nullptr.
const char *mismatch(const Algorithm &algorithm, const Operand (&operands)[4], const void *workspace,
                     size_t workspaceBytes) {
    if (algorithm.product != identify(operands)) return "an algorithm for another product";
    for (int i = 0; i < 4; i++) {
        if ((uintptr_t)operands[i].start % algorithm.alignments[i]) return "a matrix that lies where it was not said to";
    }
    if (workspaceBytes < algorithm.workspaceBytes) return "a workspace that is too small";
    if ((uintptr_t)workspace % 16) return "a workspace that does not lie on 16 bytes";
    return nullptr;
}

}  // namespace

#define ENTER(needs)                                          \
    Call call(__func__, needs);                               \
    if (call.error) return status(call)

EXPORT size_t cublasLtGetVersion(void) { return 130100; }

EXPORT const char *cublasLtGetStatusString(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "success";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "not initialized";
        case CUBLAS_STATUS_ALLOC_FAILED: return "allocation failed";
        case CUBLAS_STATUS_INVALID_VALUE: return "invalid value";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "execution failed";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "not supported";
        default: return "unknown";
    }
}

EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    ENTER(Needs::context);
    *handle = call.device.libraries.add(0);
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    ENTER(Needs::nothing);
    return call.device.libraries.remove(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *description, cublasComputeType_t computeType,
                                               cudaDataType_t scaleType) {
    ENTER(Needs::nothing);
    if (computeType != CUBLAS_COMPUTE_32F || scaleType != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    *description = products.add({});
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
    ENTER(Needs::nothing);
    return products.remove(description) ? CUBLAS_STATUS_SUCCESS : invalid(call, "not a description");
}

EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                                     cublasLtMatmulDescAttributes_t attribute, const void *value,
                                                     size_t bytes) {
    ENTER(Needs::nothing);
    Product *product = products.find(description);
    int32_t operation;
    if (!product || !read(operation, value, bytes) || (operation != CUBLAS_OP_N && operation != CUBLAS_OP_T)) {
        return invalid(call, "not an attribute of a description");
    }
    switch (attribute) {
        case CUBLASLT_MATMUL_DESC_TRANSA: product->isATransposed = operation == CUBLAS_OP_T; break;
        case CUBLASLT_MATMUL_DESC_TRANSB: product->isBTransposed = operation == CUBLAS_OP_T; break;
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                                 uint64_t columns, int64_t stride) {
    ENTER(Needs::nothing);
    if (!isKnown(type)) return CUBLAS_STATUS_NOT_SUPPORTED;
    *layout = layouts.add({type, rows, columns, stride});
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    ENTER(Needs::nothing);
    return layouts.remove(layout) ? CUBLAS_STATUS_SUCCESS : invalid(call, "not a layout");
}

EXPORT cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                       cublasLtMatrixLayoutAttribute_t attribute, const void *value,
                                                       size_t bytes) {
    ENTER(Needs::nothing);
    Layout *layout = layouts.find(handle);
    if (!layout) return invalid(call, "not a layout");
    bool isRead = false;
    switch (attribute) {
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: isRead = read(layout->batchCount, value, bytes); break;
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: isRead = read(layout->batchStride, value, bytes); break;
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return isRead ? CUBLAS_STATUS_SUCCESS : invalid(call, "not an attribute of a layout");
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
    ENTER(Needs::nothing);
    *preference = preferences.add({});
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    ENTER(Needs::nothing);
    return preferences.remove(preference) ? CUBLAS_STATUS_SUCCESS : invalid(call, "not a preference");
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                           cublasLtMatmulPreferenceAttributes_t attribute,
                                                           const void *value, size_t bytes) {
    ENTER(Needs::nothing);
    Preference *found = preferences.find(preference);
    if (!found) return invalid(call, "not a preference");
    bool isRead = false;
    switch (attribute) {
        case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: isRead = read(found->workspaceBytes, value, bytes); break;
        case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: isRead = read(found->reductionMask, value, bytes); break;
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
            isRead = read(found->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
            break;
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return isRead ? CUBLAS_STATUS_SUCCESS : invalid(call, "not an attribute of a preference");
}

/// The operands of a product, of which the addresses may not be known yet; false where a handle is none.
static bool findOperands(cublasLtMatmulDesc_t description, const cublasLtMatrixLayout_t (&handles)[4],
                         const void *const (&starts)[4], Operand (&operands)[4]) {
    const Product *product = products.find(description);
    if (!product) return false;
    const bool isTransposed[4] = {product->isATransposed, product->isBTransposed, false, false};
    for (int i = 0; i < 4; i++) {
        const Layout *layout = layouts.find(handles[i]);
        if (!layout) return false;
        operands[i] = {(const char *)starts[i], *layout, isTransposed[i]};
    }
    return true;
}

EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int wanted,
                                                     cublasLtMatmulHeuristicResult_t *results, int *found) {
    ENTER(Needs::context);
    Operand operands[4];
    const Preference *preferred = preferences.find(preference);
    if (!call.device.libraries.find(handle) || !preferred || wanted < 1 || !results || !found ||
        !findOperands(description, {a, b, c, d}, {}, operands)) {
        return invalid(call, "not what it has to be given");
    }
    if (const char *reason = mismatch(operands[0], operands[1], operands[2], operands[3])) return invalid(call, reason);
    const Algorithm algorithm = choose(operands, *preferred);
    memset(results, 0, sizeof *results);
    memcpy(&results->algo, &algorithm, sizeof algorithm);
    results->workspaceSize = algorithm.workspaceBytes;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha,
                                     const void *a, cublasLtMatrixLayout_t aLayout, const void *b,
                                     cublasLtMatrixLayout_t bLayout, const void *beta, const void *c,
                                     cublasLtMatrixLayout_t cLayout, void *d, cublasLtMatrixLayout_t dLayout,
                                     const cublasLtMatmulAlgo_t *chosen, void *workspace, size_t workspaceBytes,
                                     cudaStream_t streamHandle) {
    ENTER(Needs::context);
    Stream *stream = call.device.streams.find(streamHandle);
    Operand operands[4];
    if (!call.device.libraries.find(handle) || !stream || !alpha || !beta || !chosen ||
        !findOperands(description, {aLayout, bLayout, cLayout, dLayout}, {a, b, c, d}, operands)) {
        return invalid(call, "not what it has to be given");
    }
    if (const char *reason = mismatch(operands[0], operands[1], operands[2], operands[3])) return invalid(call, reason);
    for (const Operand &operand : operands) {
        if (call.device.contains((CUdeviceptr)(uintptr_t)operand.start, operand.layout.bytes())) continue;
        return invalid(call, "a matrix outside what was allocated");
    }
    if (workspaceBytes && !call.device.contains((CUdeviceptr)(uintptr_t)workspace, workspaceBytes)) {
        return invalid(call, "a workspace outside what was allocated");
    }
    Algorithm algorithm;
    memcpy(&algorithm, chosen, sizeof algorithm);
    if (const char *reason = mismatch(algorithm, operands, workspace, workspaceBytes)) return invalid(call, reason);
    float factor = *(const float *)alpha, oldFactor = *(const float *)beta;
    call.device.push(*stream, {"product",
                               [=, a = operands[0], b = operands[1], c = operands[2], d = operands[3]] {
                                   // What was kept there is lost.
                                   if (workspaceBytes) memset(workspace, 0xFF, workspaceBytes);
                                   multiply(algorithm, factor, a, b, oldFactor, c, d);
                               },
                               nullptr});
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" const struct cublas_lt *cuda_emulated_blas(void) {
#define FIELD(result, name, parameters) name,
    static const struct cublas_lt table = {CUBLAS_LT_FUNCTIONS(FIELD)};
#undef FIELD
    return &table;
}
