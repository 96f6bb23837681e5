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

/// d = alpha a b + beta c, sums in order.
void multiply(float alpha, const Operand &a, const Operand &b, float beta, const Operand &c, const Operand &d) {
    uint64_t rows = d.rows(), inner = a.columns();
    std::vector<float> columns(rows * inner), sums(rows);
    for (int batch = 0; batch < d.layout.batchCount; batch++) {
        for (uint64_t k = 0; k < inner; k++) {
            for (uint64_t row = 0; row < rows; row++) columns[k * rows + row] = a.read(batch, row, k);
        }
        for (uint64_t column = 0; column < d.columns(); column++) {
            std::fill(sums.begin(), sums.end(), 0.0f);
            for (uint64_t k = 0; k < inner; k++) {
                float factor = b.read(batch, k, column);
                for (uint64_t row = 0; row < rows; row++) sums[row] += columns[k * rows + row] * factor;
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
Handles<cublasLtMatmulPreference_t, int> preferences;

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

}  // namespace

#define ENTER(needs)                                          \
    Call call(__func__, needs);                               \
    if (call.error) return status(call)

EXPORT size_t cublasLtGetVersion(void) { return 130100; }

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
    *preference = preferences.add(0);
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
    size_t workspaceBytes;
    if (attribute != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!preferences.find(preference) || !read(workspaceBytes, value, bytes)) return invalid(call, "not a preference");
    return CUBLAS_STATUS_SUCCESS;
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
    if (!call.device.libraries.find(handle) || !preferences.find(preference) || wanted < 1 || !results || !found ||
        !findOperands(description, {a, b, c, d}, {}, operands)) {
        return invalid(call, "not what it has to be given");
    }
    if (const char *reason = mismatch(operands[0], operands[1], operands[2], operands[3])) return invalid(call, reason);
    memset(results, 0, sizeof *results);
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha,
                                     const void *a, cublasLtMatrixLayout_t aLayout, const void *b,
                                     cublasLtMatrixLayout_t bLayout, const void *beta, const void *c,
                                     cublasLtMatrixLayout_t cLayout, void *d, cublasLtMatrixLayout_t dLayout,
                                     const cublasLtMatmulAlgo_t *, void *workspace, size_t workspaceBytes,
                                     cudaStream_t streamHandle) {
    ENTER(Needs::context);
    Stream *stream = call.device.streams.find(streamHandle);
    Operand operands[4];
    if (!call.device.libraries.find(handle) || !stream || !alpha || !beta ||
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
    float factor = *(const float *)alpha, oldFactor = *(const float *)beta;
    call.device.push(*stream, {"product",
                               [=, a = operands[0], b = operands[1], c = operands[2], d = operands[3]] {
                                   multiply(factor, a, b, oldFactor, c, d);
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
