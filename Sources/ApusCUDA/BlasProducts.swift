internal import ApusTensor
internal import CCUDA

/// A product of the library: y = x w or y += x w, with x [rows][depth] and w [depth][columns] in bf16 and y in fp32. All lie on
/// multiples of `alignment` bytes, and so do their rows.
struct BlasProduct: Hashable, CustomStringConvertible {
    let rows, columns, depth: Int
    /// Values from one row to the next, of what is multiplied and of what comes out.
    let xStride, weightStride, yStride: Int
    /// Whether w lies in memory as [columns][depth].
    let isWeightTransposed: Bool

    /// What every algorithm for tensor cores is content with.
    static let alignment = 16

    /// Values in a row of operands that has to hold so many.
    static func padded(_ count: Int) -> Int { (count + 7) / 8 * 8 }

    /// Whether rows begin where they may.
    var isAligned: Bool { xStride % 8 == 0 && weightStride % 8 == 0 && yStride % 4 == 0 }

    var description: String { "product of \(rows) x \(depth) by \(depth) x \(columns)" }
}

/// How the library computes a product.
struct BlasPlan {
    let product: BlasProduct
    fileprivate let description: BlasDescription
    fileprivate let x, weight, y: BlasLayout
    fileprivate let algorithm: cublasLtMatmulAlgo_t
    /// What it works in.
    let workspaceBytes: Int
}

private typealias BlasLayout = BlasObject<cublasLtMatrixLayout_t>
private typealias BlasDescription = BlasObject<cublasLtMatmulDesc_t>

/// The library's products and the plans for them.
///
/// It is asked for an algorithm once for each product, and its first answer is taken: the same product has the same bits on the
/// same kind of card with the same version of the library, by NVIDIA's word on reproducibility, as no algorithm is let in that
/// adds up in place.
///
/// `@unchecked Sendable`: as `BlasLibrary`.
final class BlasProducts: @unchecked Sendable {
    let library: BlasLibrary
    private let preference: BlasObject<cublasLtMatmulPreference_t>
    private let descriptions: [Bool: BlasDescription]
    /// By product; nil where the library has no algorithm.
    private var plans: [BlasProduct: BlasPlan?] = [:]
    /// Plans that are kept. A training step has a few dozen; where many steps with rows of their own have passed, all go.
    private let capacity: Int

    /// - Parameter workspaceBytes: the most that an algorithm may work in.
    init(_ library: BlasLibrary, workspaceBytes: Int, capacity: Int = 1024) throws(TensorError) {
        self.library = library
        self.capacity = capacity
        preference = try Self.makePreference(library, workspaceBytes: workspaceBytes)
        descriptions = [
            false: try Self.makeDescription(library, isWeightTransposed: false),
            true: try Self.makeDescription(library, isWeightTransposed: true),
        ]
    }

    // MARK: Plans

    /// How to compute a product; nil where the library cannot.
    func plan(_ product: BlasProduct) throws(TensorError) -> BlasPlan? {
        if let plan = plans[product] { return plan }
        let plan = try find(product)
        if plans.count >= capacity { plans = [:] }
        plans[product] = .some(plan)
        return plan
    }

    private func find(_ product: BlasProduct) throws(TensorError) -> BlasPlan? {
        guard let description = descriptions[product.isWeightTransposed] else { preconditionFailure("there are two") }
        // The library's matrices are stored column after column: to it all of ours are transposed, and yᵀ = wᵀ xᵀ.
        let (inner, outer) =
            product.isWeightTransposed ? (product.depth, product.columns) : (product.columns, product.depth)
        let weight = try layout(CUDA_R_16BF, inner, outer, stride: product.weightStride)
        let x = try layout(CUDA_R_16BF, product.depth, product.rows, stride: product.xStride)
        let y = try layout(CUDA_R_32F, product.columns, product.rows, stride: product.yStride)
        var result = cublasLtMatmulHeuristicResult_t()
        var found: Int32 = 0
        let code = library.functions.cublasLtMatmulAlgoGetHeuristic(
            library.handle, description.handle, weight.handle, x.handle, y.handle, y.handle, preference.handle, 1,
            &result, &found)
        guard code != CUBLAS_STATUS_NOT_SUPPORTED else { return nil }
        try library.check(code, "algorithm for a \(product)")
        guard found > 0, result.state == CUBLAS_STATUS_SUCCESS else { return nil }
        return BlasPlan(
            product: product, description: description, x: x, weight: weight, y: y, algorithm: result.algo,
            workspaceBytes: result.workspaceSize)
    }

    // MARK: Products

    /// Where a product's matrices lie.
    struct Addresses {
        let x, weight, y, workspace: CUdeviceptr

        var areAligned: Bool { (x | weight | y | workspace) % CUdeviceptr(BlasProduct.alignment) == 0 }
    }

    /// Enqueues a product.
    func multiply(
        _ plan: BlasPlan, _ addresses: Addresses, accumulates: Bool, on stream: CUstream
    ) throws(TensorError) {
        precondition(addresses.areAligned, "a product of matrices that lie where they may not")
        func pointer(_ address: CUdeviceptr) -> UnsafeMutableRawPointer? {
            UnsafeMutableRawPointer(bitPattern: UInt(address))
        }
        var (one, beta, algorithm): (Float, Float, _) = (1, accumulates ? 1 : 0, plan.algorithm)
        let (x, weight, y) = (pointer(addresses.x), pointer(addresses.weight), pointer(addresses.y))
        // The library reads factors and algorithm during the call; the addresses are the card's and only passed on.
        let code = library.functions.cublasLtMatmul(
            library.handle, plan.description.handle, &one, weight, plan.weight.handle, x, plan.x.handle, &beta, y,
            plan.y.handle, y, plan.y.handle, &algorithm, pointer(addresses.workspace), plan.workspaceBytes, stream)
        try library.check(code, plan.product.description)
    }

    // MARK: Handles

    private func layout(
        _ type: Int, _ rows: Int, _ columns: Int, stride: Int
    ) throws(TensorError) -> BlasLayout {
        let functions = library.functions
        return try BlasObject(library, "describing a matrix") {
            functions.cublasLtMatrixLayoutCreate(
                &$0, cudaDataType_t(type), UInt64(rows), UInt64(columns), Int64(stride))
        } destroy: {
            functions.cublasLtMatrixLayoutDestroy($0)
        }
    }

    private static func makeDescription(
        _ library: BlasLibrary, isWeightTransposed: Bool
    ) throws(TensorError) -> BlasDescription {
        let functions = library.functions
        let description = try BlasObject(library, "describing a product") {
            functions.cublasLtMatmulDescCreate(
                &$0, cublasComputeType_t(CUBLAS_COMPUTE_32F), cudaDataType_t(CUDA_R_32F))
        } destroy: {
            functions.cublasLtMatmulDescDestroy($0)
        }
        var operation = Int32(isWeightTransposed ? CUBLAS_OP_T : CUBLAS_OP_N)
        try library.check(
            functions.cublasLtMatmulDescSetAttribute(
                description.handle, cublasLtMatmulDescAttributes_t(CUBLASLT_MATMUL_DESC_TRANSA), &operation,
                MemoryLayout<Int32>.size), "describing a product")
        return description
    }

    private static func makePreference(
        _ library: BlasLibrary, workspaceBytes: Int
    ) throws(TensorError) -> BlasObject<cublasLtMatmulPreference_t> {
        let functions = library.functions
        let preference = try BlasObject(library, "asking for algorithms") {
            functions.cublasLtMatmulPreferenceCreate(&$0)
        } destroy: {
            functions.cublasLtMatmulPreferenceDestroy($0)
        }
        func set(_ attribute: Int, to value: some FixedWidthInteger) throws(TensorError) {
            let code = withUnsafeBytes(of: value) { bytes in
                functions.cublasLtMatmulPreferenceSetAttribute(
                    preference.handle, cublasLtMatmulPreferenceAttributes_t(attribute), bytes.baseAddress, bytes.count)
            }
            try library.check(code, "asking for algorithms")
        }
        try set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, to: UInt64(workspaceBytes))
        try set(
            CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
            to: UInt32(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE))
        for attribute in [
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ] { try set(attribute, to: UInt32(BlasProduct.alignment)) }
        return preference
    }
}
