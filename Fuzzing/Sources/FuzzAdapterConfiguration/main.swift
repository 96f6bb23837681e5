import Foundation
import FuzzDriver

@testable import ApusFormats

fuzz { start, count in
    let bytes = Data(UnsafeRawBufferPointer(start: start, count: count))
    expectOneLine { () throws(FormatError) in
        let file = try LoRAConfigurationFile(bytes, path: "input")
        let again = try? LoRAConfigurationFile(file.encoded(), path: "output")
        precondition(again?.rank == file.rank && again?.alpha == file.alpha, "read back as another")
    }
    return 0
}
