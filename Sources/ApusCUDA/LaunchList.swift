internal import ApusTensor
internal import CCUDA

/// Kernels to be launched one after another, with everything that the driver is told of them.
///
/// Two equal lists do the same: a graph that was made of the one is a graph of the other.
struct LaunchList: Hashable {
    /// A kernel with its grid; its arguments are the next ones of the list.
    struct Launch: Hashable {
        let function: CUfunction
        let blocks: (x: UInt32, y: UInt32, z: UInt32)
        let threads: UInt32
        let sharedBytes: UInt32
        let argumentCount: Int
        /// For errors.
        let name: KernelName

        static func == (a: Launch, b: Launch) -> Bool {
            a.function == b.function && a.blocks == b.blocks && a.threads == b.threads
                && a.sharedBytes == b.sharedBytes && a.argumentCount == b.argumentCount
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(function)
            hasher.combine(blocks.x)
            hasher.combine(blocks.y)
            hasher.combine(blocks.z)
            hasher.combine(sharedBytes)
        }
    }

    private(set) var launches: [Launch] = []
    /// The arguments of all launches in cells of eight bytes, and where each argument begins.
    private(set) var cells: [UInt64] = []
    private var firstCells: [Int] = []

    var count: Int { launches.count }

    mutating func append(_ launch: Launch, _ arguments: [KernelArgument]) {
        launches.append(launch)
        for argument in arguments {
            firstCells.append(cells.count)
            argument.append(to: &cells)
        }
    }

    mutating func removeAll() {
        launches.removeAll(keepingCapacity: true)
        cells.removeAll(keepingCapacity: true)
        firstCells.removeAll(keepingCapacity: true)
    }

    /// Launches them all on a stream.
    func launch(on stream: CUstream, _ driver: CUDADriver) throws(TensorError) {
        var arguments = firstCells[...]
        var cells = cells
        for launch in launches {
            // The driver reads the cells during the call.
            let code = cells.withUnsafeMutableBufferPointer { cells in
                var addresses = arguments.prefix(launch.argumentCount).map { index in
                    cells.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
                }
                return driver.functions.cuLaunchKernel(
                    launch.function, launch.blocks.x, launch.blocks.y, launch.blocks.z, launch.threads, 1, 1,
                    launch.sharedBytes, stream, &addresses, nil)
            }
            try driver.check(code, "kernel \(launch.name.symbol)")
            arguments = arguments.dropFirst(launch.argumentCount)
        }
    }
}
