internal import ApusTensor
internal import CCUDA

/// An image of the kernels that is part of the program, packed.
struct EmbeddedImage {
    /// Such as 89 for 8.9.
    let architecture: Int
    /// Whether the driver compiles it for the card.
    let isPTX: Bool
    /// They are constants of the program.
    private let packed: UnsafeBufferPointer<UInt8>

    init(architecture: Int, isPTX: Bool, packed: UnsafeBufferPointer<UInt8>) {
        (self.architecture, self.isPTX, self.packed) = (architecture, isPTX, packed)
    }

    /// All that the program has: code, later architectures first, then PTX.
    static var all: [EmbeddedImage] {
        var count = 0
        let images = UnsafeBufferPointer(start: ccuda_images(&count), count: count)
        return images.map { image in
            EmbeddedImage(
                architecture: Int(image.architecture), isPTX: image.is_ptx != 0,
                packed: UnsafeBufferPointer(start: image.packed, count: image.size))
        }
    }

    /// Whether cards of an architecture may take it: code runs on its own generation from its architecture on, PTX on all
    /// that came later.
    func fits(_ architecture: Int) -> Bool {
        self.architecture <= architecture && (isPTX || self.architecture / 10 == architecture / 10)
    }

    /// For people.
    var name: String { isPTX ? "PTX \(architecture)" : "sm_\(architecture)" }

    /// - Throws: `TensorError` when it is damaged.
    func unpacked() throws(TensorError) -> [UInt8] {
        let size = ccuda_unpacked_size(packed.baseAddress, packed.count)
        var isWhole = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            isWhole = ccuda_unpack(packed.baseAddress, packed.count, bytes.baseAddress, size) != 0
            count = isWhole ? size : 0
        }
        guard isWhole else { throw TensorError("CUDA: the kernels in this program are damaged; install it again") }
        return bytes
    }
}
