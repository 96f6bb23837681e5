import FuzzDriver

@testable import ApusText

fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    exercise(nastyText) { () throws(TextError) in try SentencePieceFile(bytes, name: "input").definition() }
    return 0
}
