import ApusTensor
import CCUDA
import Foundation
import Testing

@testable import ApusCUDA

/// The images in this program. A checkout without them has none, and nothing to test.
@Suite(.enabled(if: !EmbeddedImage.all.isEmpty)) struct EmbeddedImageTests {
    @Test func thereIsOneForEveryCard() {
        func image(_ architecture: Int) -> String? { EmbeddedImage.all.first { $0.fits(architecture) }?.name }
        #expect(image(75) == nil)
        for (architecture, name) in [
            (80, "sm_80"), (86, "sm_80"), (87, "sm_80"), (89, "sm_89"), (90, "sm_90"), (100, "PTX 80"), (120, "PTX 80"),
        ] { #expect(image(architecture) == name) }
    }

    /// An ELF file for NVIDIA's machine (190) whose flags begin with the architecture; or text for a target.
    @Test(arguments: EmbeddedImage.all.map(\.name)) func isWhatItSays(name: String) throws {
        let image = try #require(EmbeddedImage.all.first { $0.name == name })
        let bytes = try image.unpacked()
        guard image.isPTX else {
            #expect(bytes.starts(with: [0x7F] + Array("ELF".utf8)))
            #expect(bytes[18] == 190 && bytes[19] == 0 && Int(bytes[48]) == image.architecture)
            return
        }
        #expect(bytes.last == 0, "the driver takes a text that ends with a 0")
        let text = String(decoding: bytes.dropLast(), as: UTF8.self)
        #expect(text.contains("\n.target sm_80\n") && text.contains(".visible .entry apus_linear_8("))
    }

    /// Whatever happens to a packed image, its damage is seen, and nothing outside it is touched.
    @Test func damageIsSeen() throws {
        var count = 0
        let image = try #require(ccuda_images(&count))[0]
        let packed = [UInt8](UnsafeBufferPointer(start: image.packed, count: image.size))
        let size = ccuda_unpacked_size(packed, packed.count)
        var target = [UInt8](repeating: 0, count: size)
        #expect(ccuda_unpack(packed, packed.count, &target, size) == 1)
        for round in 0..<60 {
            let place = 13 + round * 104_729 % (packed.count - 13)
            var damaged = packed
            if round % 2 == 0 { damaged[place] ^= 1 << UInt8(round / 2 % 8) } else { damaged.removeSubrange(place...) }
            #expect(ccuda_unpack(damaged, damaged.count, &target, size) == 0, "round \(round)")
        }
        // A header that promises more, or less, than comes, or another shape of numbers.
        for (place, value) in [(5, packed[5] &+ 1), (5, packed[5] &- 1), (0, packed[0] &- 9), (0, 0xE1)] {
            var damaged = packed
            damaged[place] = value
            let promised = ccuda_unpacked_size(damaged, damaged.count)
            var room = [UInt8](repeating: 0, count: promised)
            #expect(ccuda_unpack(damaged, damaged.count, &room, promised) == 0)
        }
        // The end: everything that came before is right.
        var last = packed
        last[packed.count - 1] ^= 1
        #expect(ccuda_unpack(last, last.count, &target, size) == 0)
        #expect(ccuda_unpack(packed + [0], packed.count + 1, &target, size) == 0)
        #expect(ccuda_unpack(packed, packed.count, &target, size - 1) == 0)
        for length in 0..<20 {
            let piece = Array(packed.prefix(length))
            #expect(ccuda_unpack(piece, length, &target, size) == 0)
            if length < 13 { #expect(ccuda_unpacked_size(piece, length) == 0) }
        }
    }
}
