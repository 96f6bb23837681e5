internal import CFuzzer
internal import Foundation

@testable package import ApusFormats

/// Feeds a reader with inputs until it fails, or as often as the command line says.
package func fuzz(_ reader: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt) -> Never {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(LLVMFuzzerRunDriver(&count, &arguments, reader))
}

/// Runs a reader that may refuse its input, in one line and no longer than a person reads.
package func expectOneLine(_ body: () throws(FormatError) -> Void) {
    do throws(FormatError) {
        try body()
    } catch {
        precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
    }
}

/// The tensors of a file that lies in memory.
package final class MemorySource: TensorSource, @unchecked Sendable {
    package let path = "memory"
    package let files: [MappedFile] = []
    package let entries: [String: TensorEntry]
    private let bytes: UnsafeRawBufferPointer

    /// The bytes must outlive the object.
    package init(_ entries: [String: TensorEntry], in bytes: UnsafeRawBufferPointer) {
        self.entries = entries
        self.bytes = bytes
    }

    package func read(
        _ name: String, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        bytes.decode(try entry(name), rows: rows, into: destination)
    }

    package func readBytes(_ name: String) throws(FormatError) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(rebasing: bytes[try entry(name).byteRange]))
    }

    package func discardPages(of name: String) {}

    /// Reads every tensor whole and its last row, and every weight that bitsandbytes packed.
    package func readAll() throws(FormatError) {
        for (name, entry) in entries {
            let values = try readFloats(name)
            precondition(values.count == entry.elementCount)
            if entry.rowCount > 0 {
                let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: entry.rowLength)
                defer { row.deallocate() }
                try read(name, rows: entry.rowCount - 1..<entry.rowCount, into: row)
            }
            if BitsAndBytesTensor.isQuantized(name, in: self) { expectOneLine(reading(name)) }
        }
    }

    private func reading(_ name: String) -> () throws(FormatError) -> Void {
        { () throws(FormatError) in
            let tensor = try BitsAndBytesTensor(name, in: self)
            let weights = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.shape.reduce(1, *))
            defer { weights.deallocate() }
            tensor.read(rows: 0..<tensor.shape[0], into: weights)
        }
    }
}
