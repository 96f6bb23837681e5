internal import ApusTensor
internal import CCUDA

/// What a call does in the rooms of products, in order. Whether the library has all of its products, and the rooms hold what
/// they multiply, is known before anything is done.
struct ProductSchedule {
    /// Where rows are in their room.
    struct Place {
        let column: Int
        /// Values from one row to the next.
        let stride: Int

        /// Some columns on.
        func after(_ columns: Int) -> Place { Place(column: column + columns, stride: stride) }
    }

    /// What rows are multiplied by.
    struct Operand {
        let address: CUdeviceptr
        /// Values from one row to the next.
        let stride: Int
        /// Whether its rows are the columns of the product.
        let isTransposed: Bool
    }

    private let backend: CUDABackend
    private let blas: BlasProducts
    private let room: ProductRoom
    private var steps: [() -> Void] = []
    private var isComplete = true

    /// The limits that everything is cut by.
    var limits: ProductLimits { backend.productLimits }

    init(on backend: CUDABackend, _ blas: BlasProducts, _ room: ProductRoom) {
        self.backend = backend
        self.blas = blas
        self.room = room
    }

    /// Does it all.
    ///
    /// - Returns: false, with nothing done, where something cannot be.
    func run() -> Bool {
        guard isComplete else { return false }
        for step in steps { step() }
        return true
    }

    /// Something of our own kernels.
    mutating func append(_ step: @escaping () -> Void) { steps.append(step) }

    /// The pieces of something, which has no room if there are none.
    mutating func pieces(_ ranges: [Range<Int>]?) -> [Range<Int>] {
        if ranges == nil { isComplete = false }
        return ranges ?? []
    }

    // MARK: Operands

    /// Rounds rows to bf16, to a place of their room that is `width` wide; what they do not have is zero.
    mutating func round(_ x: Matrix, to place: Place, width: Int) {
        let (backend, address) = (backend, room.rows + CUdeviceptr(2 * place.column))
        append { backend.roundRows(x, to: address, stride: place.stride, width: width) }
    }

    /// Unpacks rows of a weight to the weight's room, from a row and a column on; what the weight does not have is zero.
    mutating func unpack(
        _ weight: Weight, _ rows: Range<Int>, row: Int = 0, column: Int = 0, stride: Int, width: Int
    ) {
        let (backend, address) = (backend, room.weight + CUdeviceptr(2 * (row * stride + column)))
        append { backend.unpack(weight.cuda, rows, to: address, stride: stride, width: width) }
    }

    /// The weight's room, filled with rows of that length.
    func unpacked(stride: Int, isTransposed: Bool) -> Operand {
        Operand(address: room.weight, stride: stride, isTransposed: isTransposed)
    }

    /// All of a weight, unpacked.
    mutating func whole(_ weight: Weight, isTransposed: Bool) -> Operand {
        let width = BlasProduct.padded(weight.inputs)
        if !limits.holds(weightRows: weight.outputs, width: width) { isComplete = false }
        unpack(weight, 0..<weight.outputs, stride: width, width: width)
        return unpacked(stride: width, isTransposed: isTransposed)
    }

    // MARK: Products

    /// y (+)= `depth` columns of the rows' room, times a weight; y is some columns of a matrix, all of them if none are named.
    mutating func multiply(
        _ place: Place, depth: Int, _ weight: Operand, into y: Matrix, columns: Range<Int>? = nil, accumulates: Bool
    ) {
        let columns = columns ?? 0..<y.columns
        let product = BlasProduct(
            rows: y.rows, columns: columns.count, depth: depth, xStride: place.stride, weightStride: weight.stride,
            yStride: y.columns, isWeightTransposed: weight.isTransposed)
        let addresses = BlasProducts.Addresses(
            x: room.rows + CUdeviceptr(2 * place.column), weight: weight.address,
            y: y.address + CUdeviceptr(4 * columns.lowerBound), workspace: room.workspace)
        let (backend, blas) = (backend, blas)
        guard addresses.areAligned, product.isAligned, let plan = backend.plan(product, of: blas) else {
            isComplete = false
            return
        }
        append { backend.multiply(plan, addresses, of: blas, accumulates: accumulates) }
    }
}
