import ApusTensor
import Foundation
import FuzzDriver

@testable import ApusFormats
@testable import ApusModel

fuzz { start, count in
    let bytes = Data(UnsafeRawBufferPointer(start: start, count: count))
    expectOneLine { () throws(FormatError) in
        let model = try ModelConfiguration(huggingFace: bytes, generation: bytes, file: "input")
        precondition(model.layers.count == model.layerCount && model.headCount % model.keyValueHeadCount == 0)
        for rotary in model.rotaryEmbeddings {
            precondition(rotary.inverseFrequencies.allSatisfy { $0.isFinite }, "an angle that is no number")
        }
        precondition(model.layers.allSatisfy { $0.matrixElements > 0 && $0.attention.scale.isFinite })
    }
    return 0
}
