import ApusFormats

/// Makes values of a record batch's buffers, some rows at a time.
///
/// Every index that a file gives is compared with what it points into: offsets, views, places in a dictionary.
struct ArrowValues {
    /// The bytes in which the columns' buffers are.
    let bytes: UnsafeRawBufferPointer
    let dictionaries: [Int64: [JSONValue]]
    /// Values and bytes of text that may still be made.
    var valuesLeft: Int
    var textLeft: Int

    /// The values of some rows of a column. As deep as the schema.
    mutating func values(_ column: ArrowColumn, _ rows: Range<Int>) throws(TableFailure) -> [JSONValue] {
        guard rows.upperBound <= column.count else {
            throw .damaged(wanted: "a value at \(rows.upperBound - 1)", found: "\(column.count) values")
        }
        valuesLeft -= rows.count
        guard valuesLeft >= 0 else {
            throw .unsupported("found rows of very many values in lists", "split such rows")
        }
        var values: [JSONValue] = []
        values.reserveCapacity(rows.count)
        if column.field.dictionary != nil {
            try appendPlaces(column, rows, to: &values)
            return values
        }
        switch column.field.layout {
        case .null: values.append(contentsOf: repeatElement(.null, count: rows.count))
        case .bits:
            let buffer = column.buffers[0].lowerBound
            for row in rows {
                let bit = bytes[buffer + row >> 3] >> UInt8(row & 7) & 1
                values.append(isNull(column, row) ? .null : .bool(bit == 1))
            }
        case .words(let width): try appendWords(column, rows, width, to: &values)
        case .fixedBytes(let width): try appendFixed(column, rows, width, to: &values)
        case .bytes(let width): try appendTexts(column, rows, width, to: &values)
        case .views: try appendViews(column, rows, to: &values)
        case .list(let width): try appendLists(column, rows, width, to: &values)
        case .fixedList(let count): try appendFixedLists(column, rows, count, to: &values)
        case .object: try appendObjects(column, rows, to: &values)
        }
        return values
    }

    @inline(__always)
    private func isNull(_ column: ArrowColumn, _ row: Int) -> Bool {
        guard let validity = column.validity else { return false }
        return bytes[validity.lowerBound + row >> 3] >> UInt8(row & 7) & 1 == 0
    }

    private func appendPlaces(
        _ column: ArrowColumn, _ rows: Range<Int>, to values: inout [JSONValue]
    ) throws(TableFailure) {
        guard let dictionary = column.field.dictionary, let known = dictionaries[dictionary.id] else {
            throw .damaged(wanted: "the dictionary of a column before its values", found: "none")
        }
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            let place = word(column.buffers[0], row, dictionary.width, isSigned: dictionary.isSigned)
            guard place < UInt64(known.count) else {
                throw .damaged(wanted: "places in a dictionary of \(known.count) values", found: "place \(place)")
            }
            values.append(known[Int(place)])
        }
    }

    private func appendWords(
        _ column: ArrowColumn, _ rows: Range<Int>, _ width: Int, to values: inout [JSONValue]
    ) throws(TableFailure) {
        let type = column.field.type
        for row in rows {
            let word = word(column.buffers[0], row, width, isSigned: true)
            values.append(isNull(column, row) ? .null : try type.value(word: word))
        }
    }

    @inline(__always)
    private func word(_ buffer: Range<Int>, _ index: Int, _ width: Int, isSigned: Bool) -> UInt64 {
        let offset = buffer.lowerBound + index * width
        switch width {
        case 1:
            let value = bytes[offset]
            return isSigned ? UInt64(truncatingIfNeeded: Int8(bitPattern: value)) : UInt64(value)
        case 2:
            let value = bytes.littleEndian(at: offset, as: UInt16.self)
            return isSigned ? UInt64(truncatingIfNeeded: Int16(bitPattern: value)) : UInt64(value)
        case 4:
            let value = bytes.littleEndian(at: offset, as: UInt32.self)
            return isSigned ? UInt64(truncatingIfNeeded: Int32(bitPattern: value)) : UInt64(value)
        default: return bytes.littleEndian(at: offset, as: UInt64.self)
        }
    }

    private func appendFixed(
        _ column: ArrowColumn, _ rows: Range<Int>, _ width: Int, to values: inout [JSONValue]
    ) throws(TableFailure) {
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            let start = column.buffers[0].lowerBound + row * width
            let value = bytes.part(start..<start + width)
            if case .decimal(_, let scale) = column.field.type {
                values.append(.string(DecimalText.text(bigEndian: value.reversed(), scale: scale)))
            } else {
                values.append(try column.field.type.value(bytes: value))
            }
        }
    }

    /// A pair of offsets, which must stand in order and inside `limit`.
    @inline(__always)
    private func span(
        _ column: ArrowColumn, _ row: Int, _ width: Int, limit: Int
    ) throws(TableFailure) -> Range<Int> {
        let start = word(column.buffers[0], row, width, isSigned: false)
        let end = word(column.buffers[0], row + 1, width, isSigned: false)
        guard start <= end, end <= UInt64(limit) else {
            throw .damaged(wanted: "offsets in order up to \(limit)", found: "\(start) before \(end)")
        }
        return Int(start)..<Int(end)
    }

    private mutating func appendTexts(
        _ column: ArrowColumn, _ rows: Range<Int>, _ width: Int, to values: inout [JSONValue]
    ) throws(TableFailure) {
        let type = column.field.type
        let data = column.buffers[1]
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            let span = try span(column, row, width, limit: data.count)
            try spend(span.count)
            let range = data.lowerBound + span.lowerBound..<data.lowerBound + span.upperBound
            values.append(try type.value(bytes: bytes.part(range)))
        }
    }

    /// Views are 16 bytes: a length, then the text itself where it has 12 bytes or fewer, else its beginning, the buffer that
    /// it is in and where.
    private mutating func appendViews(
        _ column: ArrowColumn, _ rows: Range<Int>, to values: inout [JSONValue]
    ) throws(TableFailure) {
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            let view = column.buffers[0].lowerBound + 16 * row
            let length = Int(bytes.littleEndian(at: view, as: UInt32.self))
            var start = view + 4
            if length > 12 {
                let buffer = Int(bytes.littleEndian(at: view + 8, as: UInt32.self))
                let offset = Int(bytes.littleEndian(at: view + 12, as: UInt32.self))
                guard buffer < column.buffers.count - 1, offset + length <= column.buffers[buffer + 1].count else {
                    throw .damaged(
                        wanted: "text in one of \(column.buffers.count - 1) buffers",
                        found: "\(length) bytes at \(offset) of buffer \(buffer)")
                }
                start = column.buffers[buffer + 1].lowerBound + offset
            }
            try spend(length)
            values.append(try column.field.type.value(bytes: bytes.part(start..<start + length)))
        }
    }

    private mutating func spend(_ count: Int) throws(TableFailure) {
        textLeft -= count
        guard textLeft >= 0 else { throw .unsupported("found rows of very long texts", "split such rows") }
    }

    private mutating func appendLists(
        _ column: ArrowColumn, _ rows: Range<Int>, _ width: Int, to values: inout [JSONValue]
    ) throws(TableFailure) {
        let child = column.children[0]
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            let span = try span(column, row, width, limit: child.count)
            values.append(.array(try self.values(child, span)))
        }
    }

    private mutating func appendFixedLists(
        _ column: ArrowColumn, _ rows: Range<Int>, _ count: Int, to values: inout [JSONValue]
    ) throws(TableFailure) {
        for row in rows {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            values.append(.array(try self.values(column.children[0], row * count..<(row + 1) * count)))
        }
    }

    private mutating func appendObjects(
        _ column: ArrowColumn, _ rows: Range<Int>, to values: inout [JSONValue]
    ) throws(TableFailure) {
        var columns: [[JSONValue]] = []
        for child in column.children { columns.append(try self.values(child, rows)) }
        for (index, row) in rows.enumerated() {
            guard !isNull(column, row) else {
                values.append(.null)
                continue
            }
            values.append(
                .object(
                    zip(column.children, columns).map { child, values in
                        JSONValue.Member(key: child.field.name, value: values[index])
                    }))
        }
    }
}
